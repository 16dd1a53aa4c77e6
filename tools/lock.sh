#!/usr/bin/env bash
# Pins the newest packages that pyproject.toml allows, with their hashes and without any address.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
  .venv/bin/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options "$@"
}

# Prints a lock without what requirements.lock pins already.
rest() {
  awk 'FNR == NR { if (/^[a-z]/) mine[$1]; next } /^[a-z]/ { keep = !($1 in mine) } keep' requirements.lock "$1"
}

head='# Made by `make lock`.'
compile --extra dev --extra sandbox --output-file requirements.lock pyproject.toml
sed -i "1i $head" requirements.lock

# Java alone, for machines that have none: without what is pinned above.
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
compile --extra java --output-file "$scratch" --constraint requirements.lock pyproject.toml
{ echo "$head"; rest "$scratch"; } >requirements-java.lock

# What bus.exchange needs, and what its two packages without wheels are built with: for `make test` where there is
# a compiler.
sources=$(mktemp)
trap 'rm -f "$scratch" "$sources"' EXIT
printf 'cython\nsetuptools\nwheel\n' >"$sources"
: >"$scratch"
compile --extra exchange --output-file "$scratch" --constraint requirements.lock pyproject.toml - <"$sources"
{ echo "$head"; rest "$scratch"; } >requirements-exchange.lock
