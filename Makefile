# Every target stands alone: each makes the virtual environment that it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := sendblue_data tests benchmarks hardening docs notebooks
# Not compiled at once: most modules are never imported.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
# What the tests need of the package's extras; pip reads dependency groups from 25.1 on.
TESTED := -e '.[sandbox,duckdb,history,notebook,similar,excel]'
NEW_PIP := 'pip>=25.1'
# Tests of engines that are no dependency of ours: `make engines` and `make buckets` have them.
ELSEWHERE := ibis or postgres or dask or warehouse or test_bucket
.DEFAULT_GOAL := help
# Some containers forbid it: each of the many processes that the tests start would compile what it imports anew.
unexport PYTHONDONTWRITEBYTECODE
# Two workers fill two cores, and more threads in each wait for one another. `make test` leaves Polars all of its own.
ONE_THREAD := POLARS_MAX_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help demo test test-slow search check format notebooks bench cassettes docs clean \
  test-least test-newest test-3.12 engines buckets contract fuzz soak supply import-time everywhere mutants mutants-sample

help: ## Show this help
	@grep -E '^[a-z0-9.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[sandbox,notebook,similar]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt $(NEW_PIP)
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt $(TESTED) --group dev
	@touch $@ $(VENV)/.demo

$(VENV)/.slow: $(VENV)/.dev
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt --group docs
	@touch $@

demo: $(VENV)/.demo ## Sandbox, pull, headline tables, plots and HTML report, from nothing
	$(BIN)/sendblue-data demo --contacts 5000 report

# In two steps: told of a floor at once, SlipCover 1.1 forgets what the workers saw.
test: $(VENV)/.dev ## Run the quick tests, the docstrings' examples and the README's, and show their branch coverage
	$(BIN)/python -m slipcover --json --out .coverage.json -m pytest -q -n 2 -m 'not slow'
	$(BIN)/python -m slipcover --merge .coverage.json --out .coverage.json --fail-under 95

test-slow: $(VENV)/.slow ## Run the long tests: Spark, kill -9, fuzz, browser
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 --dist loadgroup -m slow -k 'not ($(ELSEWHERE))' --durations=40 tests

search: $(VENV)/.slow ## Try the properties on new random examples, many more of them (an hour or more)
	$(ONE_THREAD) PULL_EXAMPLES=6000 MESSAGE_EXAMPLES=500 WRITEBACK_EXAMPLES=250 TRUST_EXAMPLES=20000 \
	  $(BIN)/python -m pytest -q -n 2 --hypothesis-profile=search \
	  tests/pull tests/writeback/test_state_machine.py tests/history tests/segments tests/trust/test_fuzz.py

check: $(VENV)/.dev ## Check format, lint, types and who imports whom
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## Format, and mend what lint can mend
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

notebooks: $(VENV)/.slow ## Run the notebooks and keep their outputs
	$(BIN)/python notebooks/run.py

bench: $(VENV)/.dev ## Print the benchmarks' ratios, and keep them in docs/benchmarks.md
	-$(BIN)/python -m benchmarks.keep pull
	-$(BIN)/python -m benchmarks.keep pace
	-$(BIN)/python -m benchmarks.keep writeback
	-$(BIN)/python -m benchmarks.keep explorer
	-$(BIN)/python -m benchmarks.keep analytics --contacts 5000000
	-$(BIN)/python -m benchmarks.keep analytics:growth --growth 100000 1000000 10000000
	-$(BIN)/python -m benchmarks.keep messages_analytics
	-$(BIN)/python -m benchmarks.keep history
	-$(BIN)/python -m benchmarks.keep imports

cassettes: $(VENV)/.dev ## Record the cassettes again, against the sandbox
	rm -f cassettes/*.yaml
	$(BIN)/python -m pytest -q -n 0 tests/test_cassettes.py --record

docs: $(VENV)/.docs ## Build the documentation, warnings being errors
	$(BIN)/python docs/gallery.py
	$(BIN)/python docs/cheat_sheet.py
	$(BIN)/zensical build --clean --strict

WORKERS ?= 2
# What must hold with any version of what we stand on: all quick tests but those of the notebooks and the browser. BRIEF
# leaves out what tries our own logic in thousands of ways; each function is called by other tests too.
LEFT_OUT := browser test_notebooks.py $(if $(BRIEF),pull writeback trust diagnosis statistics)
ANYWHERE := python -m pytest -q -n $(WORKERS) -m 'not slow' $(LEFT_OUT:%=--ignore tests/%)

# The hardening. What is no dependency of ours has an environment of its own; docs/reliability.md tells what was seen.

# $(call elsewhere,NAME,PYTHON,OPTIONS OF PIP): an environment of its own, and there those tests.
define elsewhere
	$(2) -m venv $(VENV)-$(1)
	$(VENV)-$(1)/bin/python $(PIP_INSTALL) -c constraints.txt $(NEW_PIP)
	$(VENV)-$(1)/bin/python $(PIP_INSTALL) $(3) $(TESTED) --group test
	$(ONE_THREAD) $(VENV)-$(1)/bin/$(ANYWHERE)
endef

test-least: ## Run the quick tests with the oldest dependencies that the bounds allow
	$(call elsewhere,least,$(PYTHON),-c constraints-least.txt)

test-3.12: ## Run the quick tests on Python 3.12
	$(call elsewhere,3.12,"$$(hardening/python.sh 3.12)",-c constraints.txt)

test-newest: ## Run the quick tests on the newest Python here, with the newest dependencies, pinned by nothing
	$(call elsewhere,newest,"$$(hardening/python.sh 3.14 3.13)",--upgrade --upgrade-strategy eager)

FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 1
fuzz: ## Fuzz the readers of pages, segments and journals with atheris (FUZZ_SECONDS each; FUZZ_SEED=0 for new inputs)
	$(PYTHON) -m venv $(VENV)-fuzz
	$(VENV)-fuzz/bin/python $(PIP_INSTALL) -c constraints.txt -e . atheris
	mkdir -p artifacts
	set -e; for target in decoder messages segment toml journal list; do \
	  $(VENV)-fuzz/bin/python -m hardening.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -seed=$(FUZZ_SEED) \
	    -print_final_stats=1 -verbosity=0 -artifact_prefix=artifacts/; done

# No dependency of ours; Ibis forgets to bring pyarrow-hotfix.
ENGINES := ibis-framework 'psycopg[binary]' pyarrow-hotfix dask 'pyspark[connect]'
ON_SPARK := -m pytest -q -n 0 -m slow -k spark tests/engines tests/analytics tests/segments tests/messages tests/history
# PySpark 3.5 leaves sockets to the garbage collector, and asks distutils for versions: Python warns of both.
OLD_SPARK := -W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning -W ignore:distutils:DeprecationWarning
engines: ## Every function on engines that CI has not: Ibis on DuckDB and on PostgreSQL, Dask, Spark Connect, the oldest Spark
	$(PYTHON) -m venv $(VENV)-engines
	$(VENV)-engines/bin/python $(PIP_INSTALL) -c constraints.txt $(NEW_PIP)
	$(VENV)-engines/bin/python $(PIP_INSTALL) -c constraints.txt $(TESTED) --group test $(ENGINES)
	hardening/postgres.sh $(VENV)-engines/bin/python -m pytest -q -n 2 -k '$(ELSEWHERE)' \
	  tests/engines tests/analytics
	SENDBLUE_TEST_SPARK=local hardening/postgres.sh $(VENV)-engines/bin/python -m tests.engines.table --check
	SENDBLUE_TEST_SPARK=local $(VENV)-engines/bin/python $(ON_SPARK)
	$(PYTHON) -m venv $(VENV)-spark3.5
	$(VENV)-spark3.5/bin/python $(PIP_INSTALL) -c constraints.txt $(NEW_PIP)
	$(VENV)-spark3.5/bin/python $(PIP_INSTALL) -c constraints.txt $(TESTED) --group test
	$(VENV)-spark3.5/bin/python $(PIP_INSTALL) 'pyspark==3.5.9' setuptools
	$(VENV)-spark3.5/bin/python $(ON_SPARK) $(OLD_SPARK)

buckets: $(VENV)/.dev ## A history in a bucket, against moto's server of S3's protocol, which wants an environment of its own
	$(PYTHON) -m venv $(VENV)-buckets
	$(VENV)-buckets/bin/python $(PIP_INSTALL) 'moto[server]==5.2.5'
	PATH="$(abspath $(VENV)-buckets/bin):$$PATH" $(BIN)/python -m pytest -q -n 0 tests/history/test_bucket.py

contract: ## Try the sandbox with schemathesis, over docs/openapi.json
	$(PYTHON) -m venv $(VENV)-contract
	$(VENV)-contract/bin/python $(PIP_INSTALL) -c constraints.txt -e '.[sandbox]' schemathesis
	$(VENV)-contract/bin/python -m hardening.contract

everywhere: $(VENV)/.dev ## One day's work without HOME, by another user, under any umask, time zone, locale and switch of Python
	$(BIN)/python -m hardening.everywhere

MUTATE ?=
mutants: $(VENV)/.dev ## Edit the source one step at a time: do the tests notice? (an hour or more; MUTATE=MODULE or MODULE:LINE)
	$(BIN)/python -m hardening.mutants $(MUTATE)

MUTANTS ?= 60
mutants-sample: $(VENV)/.dev ## The same of MUTANTS edits, always the same ones
	$(BIN)/python -m hardening.mutants --sample $(MUTANTS) --least 0.85

SOAK_MINUTES ?= 3
soak: $(VENV)/.dev ## Pull and write against a faulty sandbox for SOAK_MINUTES: what grows?
	$(BIN)/python -m hardening.soak $(SOAK_MINUTES)

supply: ## Known vulnerabilities of what is pinned, and the licences of what an install brings
	$(PYTHON) -m venv $(VENV)-supply
	$(VENV)-supply/bin/python $(PIP_INSTALL) -c constraints.txt pip-audit pip-licenses
	$(PYTHON) -m venv $(VENV)-users
	$(VENV)-users/bin/python $(PIP_INSTALL) -c constraints.txt '.[all]'
	$(VENV)-supply/bin/python hardening/audit.py
	$(VENV)-supply/bin/pip-licenses --python $(VENV)-users/bin/python --partial-match --fail-on 'GPL;General Public'

import-time: $(VENV)/.dev ## Time the import of the package against that of what it stands on
	$(BIN)/python -m benchmarks.import_time

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(VENV)-* build dist site report artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
