# `make demo` and `make test` each do everything on a fresh machine that has Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

# Some environments forbid bytecode; importing torch without it takes three times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types floors tests example format clean

demo: $(INSTALLED)
	$(BIN)/clipeval run suites/quickstart.yaml --out reports/quickstart
	@echo "Open reports/quickstart/report.html in a browser."

test: lint types floors tests

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

floors: $(INSTALLED)
	$(BIN)/lint-imports

tests: $(INSTALLED)
	$(BIN)/python -m pytest -W error --timeout=600 -n auto --maxprocesses=4

# What reports/example/ shows; a test says when it is stale.
example: $(INSTALLED)
	$(BIN)/python scripts/example_report.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# uv installs the same wheels as pip, in a tenth of the time; the versions are those of constraints.txt.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "clipeval needs Python >= 3.11; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt uv
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
