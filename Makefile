# Everything a person or a machine runs here. `make help` lists it; `make demo` and `make test` need nothing else.
PYTHON ?= python3
WORKERS ?= 2
REPORT ?= skmtl-report

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q
PINS := pyproject.toml constraints.txt

# One numeric thread a process: the tests run in WORKERS processes, and torch threads would fight over the cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help demo check test lint types docs format clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.demo-installed  ## group the tasks of a data set and write a report to skmtl-report/
	$(BIN)/python -m skmtl group junior_school --out $(REPORT)

check: $(VENV)/.test-installed  ## lint, types and the fast tests, for daily work
	@$(MAKE) --no-print-directory -j $(WORKERS) lint types
	$(ONE_THREAD) MPLBACKEND=Agg $(BIN)/python -m pytest tests -m "not slow" -n $(WORKERS) --dist worksteal

# pytest comes after the others, so that its summary is the last thing printed.
test: $(VENV)/.test-installed  ## lint, types, documentation, then doctests and all tests
	@$(MAKE) --no-print-directory -j $(WORKERS) docs lint types
	$(ONE_THREAD) MPLBACKEND=Agg $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.test-installed  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test-installed  ## mypy --strict
	$(BIN)/mypy

docs: $(VENV)/.test-installed  ## build the documentation, warnings are errors
	$(ONE_THREAD) MPLBACKEND=Agg $(BIN)/sphinx-build -q -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

format: $(VENV)/.test-installed  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and everything built
	rm -rf $(VENV) docs/_build docs/api/generated docs/auto_gallery build dist $(REPORT) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find skmtl tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "skmtl needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: $(PINS) | $(BIN)/python
	$(PIP) -c constraints.txt -e ".[plot,data,report]"
	@touch $@

# The test extra contains what the demo needs.
$(VENV)/.test-installed: $(PINS) | $(BIN)/python
	$(PIP) -c constraints.txt -e ".[test]"
	@touch $(VENV)/.demo-installed $@
