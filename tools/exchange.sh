#!/usr/bin/env bash
# Adds the library threatexchange to .venv, for the tests of bus.exchange. Two of the packages that it needs come as
# source only: without a C++ compiler nothing is done, and those tests say why they skip.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=build/exchange.log
lock=requirements-exchange.lock
stamp=.venv/.safeguard-exchange
digest=$(cat "$lock" tools/exchange.sh .venv/.safeguard-setup | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ]; then exit 0; fi

if ! command -v "${CXX:-c++}" >/dev/null || ! command -v "${CC:-cc}" >/dev/null; then
  echo "exchange: no C++ compiler here; the tests of bus.exchange will skip (Debian: apt-get install g++)" >&2
  exit 0
fi

mkdir -p build/tmp
: >"$log"
tools=$(mktemp build/tmp/exchange.XXXXXX)
trap 'rm -f "$tools"' EXIT

install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps "$@" \
    >>"$log" 2>&1
}

# The two are built with what is pinned, not with what is newest today: the tools first, then all of it.
awk '/^[a-z]/ { mine = /^(cython|numpy|setuptools|wheel)==/ } mine' "$lock" >"$tools"
echo "exchange: installing threatexchange (a minute, once)" >&2
if install -r "$tools" && install --no-build-isolation -r "$lock" &&
  .venv/bin/python -W ignore -c 'import threatexchange.signal_type.pdq.signal' >>"$log" 2>&1; then
  echo "$digest" >"$stamp"
else
  echo "exchange: threatexchange could not be installed, see $log; the tests of bus.exchange will skip" >&2
fi
