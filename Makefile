# OpenSQT. `make` alone prints the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONFIG ?= configs/paper.yaml
SEEDS ?= 2000
QUICK := not (ray or pg or ui or e2e or crash or bench or sim)
# Everything below must also work with no terminal, no stdin and no home configuration.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## create .venv from the hashed lock (no-op while nothing changed)

# uv comes out of the same hashed lock; where it has no build for this machine, pip does its work.
$(STAMP): requirements-dev.lock pyproject.toml
	@[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@awk '/^[a-z]/ {keep = /^uv==/} keep' requirements-dev.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip install -q --require-hashes --no-deps -r $(VENV)/uv.lock || true
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock \
	  || $(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python .ci/bytecode.py
	@touch $@

.PHONY: build
build: setup ## build the wheel and the source archive into dist/
	@rm -rf dist
	@$(BIN)/python -m hatchling build

.PHONY: run
run: setup ## trade on paper until Ctrl-C (CONFIG=file for another configuration)
	@exec $(BIN)/opensqt up -c $(CONFIG)

.PHONY: test
test: setup lint ## lint, then every test
	@exec $(BIN)/python -m pytest

.PHONY: test-fast
test-fast: setup ## only the tests without processes, databases or simulation
	@exec $(BIN)/python -m pytest -q -m "$(QUICK)"

.PHONY: lint
lint: setup ## ruff, mypy, import contracts, protobuf
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo > $(VENV)/lint-imports.txt 2>&1 || { cat $(VENV)/lint-imports.txt; exit 1; }
	@tail -n 2 $(VENV)/lint-imports.txt | xargs echo
	@$(BIN)/python .ci/proto.py --check

.PHONY: fmt
fmt: setup ## format, and fix what ruff can fix
	@$(BIN)/ruff check --fix-only -q
	@$(BIN)/ruff format

.PHONY: proto
proto: setup ## generate the protobuf modules
	@$(BIN)/python .ci/proto.py

.PHONY: lock
lock: setup ## resolve the dependencies anew into the hashed locks
	@$(BIN)/python .ci/lock.py

.PHONY: bench
bench: setup ## measure the figures that have a budget (BENCH="deployment --kills 20", BENCH=fresh_clone)
	@exec $(BIN)/python -m tests.bench $(BENCH)

.PHONY: certify
certify: setup ## prove the protocol: SEEDS=2000 worlds, every planted bug, crash and end-to-end tests
	@$(BIN)/opensqt certify --seeds $(SEEDS)
	@$(BIN)/opensqt certify --mutant all
	@exec $(BIN)/python -m pytest -m "sim or crash or e2e"

.PHONY: audit
audit: test build ## everything a release must pass: lint, tests, package, clean generated code
	@git diff --exit-code --stat

.PHONY: clean
clean: ## remove the environment, caches and build output (never data/)
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
