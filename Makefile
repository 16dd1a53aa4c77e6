# One command each. Everything is installed into .venv; nothing else is touched.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
# Pyright's own files stay in .venv too.
export PYRIGHT_PYTHON_CACHE_DIR := $(CURDIR)/.venv/.cache/pyright
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export npm_config_cache := $(CURDIR)/.venv/.cache/npm
# Two processes, each with a sandbox of its own: most of a test of the real thing is waiting.
TWO := -n 2
# Nothing is left in the system's temporary folder.
export TMPDIR := $(CURDIR)/build/tmp

.PHONY: help setup demo exchange test test-deep lint fmt types bench clean lock

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Make .venv from requirements.lock (every other target does so first)
	@mkdir -p "$(TMPDIR)"
	@tools/setup.sh

demo: setup ## Events from platforms to hotlines and police, on a real Kafka and Postgres
	@.venv/bin/bus demo

exchange: setup ## Add threatexchange to .venv, where a C++ compiler is found (tests do so first)
	@tools/exchange.sh

test: exchange ## All tests but the slow ones
	@$(PY) -m pytest -q -m "not deep" $(TWO)

test-deep: exchange ## All tests, the properties with new examples each time
	@BUS_TEST_EXAMPLES=roaming $(PY) -m pytest -q $(TWO)

lint: setup ## Style, types, direction of imports, drift of what is generated
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/pyright --warnings
	@$(PY) tools/make_types.py --check

fmt: setup ## Put the source in the house's form
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format --quiet .

types: setup ## Make the types, the decoder and the released schemas from schemas/
	@$(PY) tools/make_types.py

bench: setup ## The bus beside a bare pipe, and its log, on this machine (ARGS="--only verify")
	@$(PY) -m bench $(ARGS)

lock: setup ## Pin the newest packages that pyproject.toml allows
	@tools/lock.sh

clean: ## Stop the sandbox here; remove .venv, .bus and what was built
	@if [ -x .venv/bin/bus ]; then .venv/bin/bus sandbox down --destroy; fi
	@rm -rf .venv .bus build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
