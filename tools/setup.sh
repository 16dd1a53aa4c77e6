#!/usr/bin/env bash
# Makes .venv in the checkout, from the hash-pinned requirements.lock. Does nothing when that is done already.
# PYTHON names the interpreter to use; else the newest of 3.11 to 3.14 that is found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=build/setup.log

fail() {
  printf 'setup: %s\n' "$1" >&2
  printf 'next:  %s\n' "$2" >&2
  exit 1
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3.14 python3 python; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  fail "no Python 3.11 or newer was found" "install one (Debian: apt-get install python3 python3-venv), or set PYTHON"
}

has_java() {
  local java version
  for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" java; do
    [ -n "$java" ] || continue
    version=$("$java" -XX:-UsePerfData -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p') || continue
    if [ "${version:-0}" -ge 17 ]; then return 0; fi
  done
  return 1
}

install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "$@" >>"$log" 2>&1 ||
    fail "pip could not install $what" "see $log; is a package index reachable? then run this again"
}

# What the set-up depends on; a stamp of it says that all was done.
digest=$(cat requirements.lock requirements-java.lock pyproject.toml tools/setup.sh | sha256sum | cut -d' ' -f1)
stamp=.venv/.safeguard-setup
if [ -x .venv/bin/bus ] && [ "$(cat "$stamp" 2>/dev/null)" = "$digest $PWD" ]; then
  exit 0
fi

mkdir -p build
: >"$log"
if ! is_new_enough .venv/bin/python || ! .venv/bin/python -m pip --version >>"$log" 2>&1; then
  python=$(find_python)
  echo "setup: making .venv with $("$python" --version)" >&2
  rm -rf .venv
  "$python" -m venv .venv >>"$log" 2>&1 ||
    fail "the virtual environment could not be made" "see $log (Debian: apt-get install python3-venv)"
fi

echo "setup: installing the pinned packages (a minute or two, once)" >&2
what="the pinned packages"
install --require-hashes --no-deps -r requirements.lock
if ! has_java; then
  echo "setup: no Java 17 on this machine; installing one into .venv" >&2
  what="the Java runtime"
  install --require-hashes --no-deps -r requirements-java.lock
fi
what="safeguard-bus itself"
install --no-build-isolation --no-deps --editable .
.venv/bin/bus --version >>"$log" 2>&1 || fail "the bus command does not run" "see $log"
command -v mvn >/dev/null ||
  echo "setup: Maven is missing; the sandbox needs it once, for Kafka's jars (Debian: apt-get install maven)" >&2
echo "$digest $PWD" >"$stamp"
echo "setup: done; .venv/bin/bus --help" >&2
