# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK = 1
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SEEDS  ?= 5
OUT    ?= demo-out
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-long check postgres format proto clean

help: ## What can be made here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: $(STAMP) ## A virtual environment with everything (torch is pinned first, so no resolver takes another)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Fedward needs Python 3.11 or newer; try make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing (a few minutes, once) ..."
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## Four hospitals train one model on real data (SEEDS=5, KILL=1 kills processes on the way)
	$(BIN)/python -m fedward_simulations.demo --seeds $(SEEDS) --out $(OUT) $(if $(KILL),--kill)

check: $(STAMP) ## Formatting, linting, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## The checks, then every test (about ten minutes on two cores)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not long"

test-long: check ## The same with every count raised
	FEDWARD_LONG=1 $(BIN)/python -m pytest -n $(WORKERS)

postgres: ## A PostgreSQL server for the tests that need one (Debian and Ubuntu; as root, or prints what to run)
	@if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; then \
	  echo "A PostgreSQL server is installed; make test uses it: tests/integration/test_postgres.py"; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update && apt-get install --yes --no-install-recommends postgresql; \
	elif command -v apt-get >/dev/null; then \
	  echo "Run: sudo apt-get install postgresql"; exit 1; \
	else \
	  echo "Install PostgreSQL's server so that initdb is in PATH: https://www.postgresql.org/download/"; exit 1; \
	fi

format: $(STAMP) ## Formats and mends what can be mended by itself
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

proto: $(STAMP) ## Writes the generated protobuf code again
	PATH=$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -I shared --python_out=shared --mypy_out=shared shared/fedward_shared/wire/*.proto

clean: ## Removes what make made
	rm -rf $(VENV) demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
