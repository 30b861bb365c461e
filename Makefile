# Every target makes its environment itself: `.venv` in the checkout, from the hash-locked requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 3
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types unit format bench bench-quick crash lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): deploy/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) must be Python 3.11 or later (found: $$($(PYTHON) --version 2>&1)); name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/tools python3-venv || { \
	  echo "$(PYTHON) cannot make virtual environments (no ensurepip); on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (once, and again when the lock changes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement deploy/requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)  ## watch it work on real data; ARGS=--once ends by itself
	@$(BIN)/streams demo $(ARGS)

test: lint types unit  ## lint, types and tests

lint: $(STAMP)  ## ruff, every rule, and its format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

# The processes that the tests start import the same modules hundreds of times: they are compiled once, and so are the
# loops of the extra `fast`, before two processes do it side by side.
unit: $(STAMP)  ## the tests alone, JOBS files side by side; ARGS go to pytest
	@if [ "$$CI" = true ]; then .ci/tools prometheus java mvn chromium; fi
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "from streams import fast; fast.load()"
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

format: $(STAMP)  ## sort imports and format
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## run every benchmark
	@found=; for file in tests/benchmarks/bench_*.py; do \
	  [ -e "$$file" ] || continue; found=yes; echo "== $$file"; \
	  $(BIN)/python -m "$$(echo "$${file%.py}" | tr / .)" $(ARGS) || exit 1; done; \
	[ -n "$$found" ] || { echo "no benchmark in tests/benchmarks" >&2; exit 1; }

bench-quick: $(STAMP)  ## the main figures in three minutes; one JSON line last
	@$(BIN)/python -m tests.benchmarks.quick

crash: $(STAMP)  ## hurt workers, brokers, network and disk, then recount; FAULTS=40 SEED=1
	@if [ "$$CI" = true ]; then .ci/tools java mvn; fi
	@$(BIN)/python -m tests.crash --faults $(or $(FAULTS),40) --seed $(or $(SEED),1) $(ARGS)

lock: $(STAMP)  ## resolve the dependencies anew, with hashes
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	  --extra dev --extra embedded --extra fast --output-file deploy/requirements.lock pyproject.toml

clean:  ## remove all that was made here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
