# `make install` needs Python 3.11 or newer with venv and pip; the rest follows from it.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PACKAGES = -e '.[cli,dev]' -e backends/aws -e backends/azure -e backends/gcp -e backends/local
SOURCES = immutable immutable_pytest.py backends/aws/immutable_aws backends/azure/immutable_azure \
  backends/gcp/immutable_gcp \
  backends/local/immutable_local examples/backend-template/immutable_acme
CODE = $(SOURCES) tests backends/aws/tests backends/azure/tests backends/gcp/tests backends/local/tests examples benchmarks docs

.PHONY: help install demo test slow explore soak coverage servers check lint format bench docs linkcheck wheels clean

help:
	@echo "make install   .venv with everything that is needed"
	@echo "make demo      watch a fleet change image under traffic (JSON=1 for one line of JSON)"
	@echo "make test      the tests, in a few minutes"
	@echo "make check     what CI runs: lint, docs, all tests, wheels tried in a clean environment"
	@echo "make explore   schedules of faults that no run has tried yet (EVENTS=1000000 SEED=)"
	@echo "make soak      a hundred local replacements, forty killed controllers; Packer killed at every moment"
	@echo "make lint      ruff, mypy, import-linter"
	@echo "make format    let ruff format the code"
	@echo "make bench     all benchmarks, in half an hour (QUICK=1: small sizes, in some minutes)"
	@echo "make docs      the documentation as HTML, in docs/_build"
	@echo "make linkcheck its links to other sites, which asks them"
	@echo "make clean     remove what the above made"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml backends/aws/pyproject.toml backends/azure/pyproject.toml backends/gcp/pyproject.toml backends/local/pyproject.toml \
    constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is older: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv and pip are missing; on Debian: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $(PACKAGES)
	@touch $@

demo: install
	@$(BIN)/python examples/demo/demo.py $(if $(JSON),--json)

PYTEST = $(BIN)/pytest

# Most tests wait for processes of their own: more workers than cores wait at the same time.
WORKERS ?= 6

# What fails beside others gets one more try by itself, and both are printed: what fails twice is
# broken; what fails once depends on how busy the machine was, and is a test to mend.
AGAIN = --last-failed --last-failed-no-failures none

test: install
	$(PYTEST) -n $(WORKERS) -m "not slow" || $(PYTEST) $(AGAIN) -m "not slow"

slow: install
	$(BIN)/pytest -n $(WORKERS) -m slow || $(BIN)/pytest $(AGAIN) -m slow

# Schedules that nobody has tried yet; the first that fails is made short and told line by line.
EVENTS ?= 1000000
explore: install
	$(BIN)/python -m tests.exploration --events $(EVENTS) $(if $(SEED),--seed $(SEED))
	EXPLORE=1 $(BIN)/pytest -n $(WORKERS) -m slow tests/engine/test_races.py tests/exploration/test_machine.py

# A hundred replacements and forty killed controllers in a row, and Packer killed at every moment, of
# which `make check` does a part.
soak: install
	SOAK=full $(BIN)/pytest -m slow backends/local/tests/fleets/test_soak.py backends/aws/tests/backend/test_packer.py

coverage: install
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95

# One goal after the other: each uses the whole machine by itself.
check: PYTEST = $(BIN)/coverage run -m pytest
check: export HYPOTHESIS_PROFILE = steady
check: lint docs servers test coverage slow wheels
.NOTPARALLEL:

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES) benchmarks
	$(BIN)/lint-imports

# Real programs that tests use when they are there; nothing is installed, and none is needed.
servers:
	@command -v packer >/dev/null \
	  && echo "packer is here, tests bake with it: $$(CHECKPOINT_DISABLE=1 packer version 2>&1 | head -n 1)" \
	  || echo "no packer on PATH, tests with a real one are skipped; on Debian: apt install packer"
	@command -v prometheus >/dev/null \
	  && echo "prometheus is here, tests use it: $$(prometheus --version 2>&1 | head -n 1)" \
	  || echo "no prometheus on PATH, tests with a real one are skipped; on Debian: apt install prometheus"
	@command -v chromium >/dev/null \
	  && echo "chromium is here, tests look at reports with it: $$(chromium --version 2>&1 | tail -n 1)" \
	  || echo "no chromium on PATH, tests in a browser are skipped; on Debian: apt install chromium"

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Each prints a table and a line of JSON; all of them are tried, and one that doesn't hold fails this.
# `python -m benchmarks.performance` writes docs/performance.md from runs of them.
BENCHMARKS = makespan hedging polling mixed feeding rates engine fleets importing journal takeover canary rehearse trust scanning report aws

bench: install
	@failed=; for each in $(BENCHMARKS); do \
	  echo "-- $$each"; $(BIN)/python -m benchmarks.$$each $(if $(QUICK),--quick) || failed="$$failed $$each"; \
	done; test -z "$$failed" || { echo "does not hold:$$failed"; exit 1; }

docs: $(VENV)/docs-installed
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

# Links to other sites, by asking them: no part of `make check`, which needs no network for its tests.
linkcheck: $(VENV)/docs-installed
	$(BIN)/python -m sphinx -q -b linkcheck docs docs/_build/linkcheck

# What only the documentation needs: `make install` stays light.
$(VENV)/docs-installed: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

wheels: install
	$(BIN)/python .ci/wheels.py

clean:
	rm -rf $(VENV) dist build docs/_build .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
