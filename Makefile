# Every target stands alone: each makes the virtual environment that it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := sendblue_data tests benchmarks docs notebooks
.DEFAULT_GOAL := help

.PHONY: help demo test test-slow search check format notebooks bench cassettes docs gallery clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sandbox,similar]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.slow: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,spark,notebook,browser]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: $(VENV)/.demo ## Sandbox, pull, headline tables, plots and HTML report, from nothing
	$(BIN)/sendblue-data demo --contacts 5000 --out report

test: $(VENV)/.dev ## Run the quick tests, the docstrings' examples and the README's
	$(BIN)/python -m pytest -q -n 2 -m 'not slow'

test-slow: $(VENV)/.slow ## Run the long tests: Spark, kill -9, fuzz, browser
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow tests

search: $(VENV)/.slow ## Try the properties on new random examples, many more of them (an hour or more)
	PULL_EXAMPLES=6000 WRITEBACK_EXAMPLES=250 TRUST_EXAMPLES=20000 $(BIN)/python -m pytest -q -n 2 --hypothesis-profile=search \
	  tests/pull tests/writeback/test_state_machine.py tests/history tests/segments tests/trust/test_fuzz.py

check: $(VENV)/.dev ## Check format, lint and types
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

format: $(VENV)/.dev ## Format, and mend what lint can mend
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

notebooks: $(VENV)/.dev ## Run the notebooks and keep their outputs
	$(BIN)/python notebooks/run.py

bench: $(VENV)/.dev ## Print the benchmarks' ratios, and keep them in docs/benchmarks.md
	-$(BIN)/python -m benchmarks.keep pull
	-$(BIN)/python -m benchmarks.keep writeback
	-$(BIN)/python -m benchmarks.keep explorer
	-$(BIN)/python -m benchmarks.keep analytics --contacts 5000000
	-$(BIN)/python -m benchmarks.keep analytics:growth --growth 100000 1000000 10000000
	-$(BIN)/python -m benchmarks.keep history

cassettes: $(VENV)/.dev ## Record the cassettes again, against the sandbox
	rm -f cassettes/*.yaml
	$(BIN)/python -m pytest -q -n 0 tests/test_cassettes.py --record

docs: $(VENV)/.docs ## Build the documentation, warnings being errors
	$(BIN)/python docs/gallery.py
	$(BIN)/zensical build --clean --strict

clean: ## Remove what the other targets made
	rm -rf $(VENV) build dist site report artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis
