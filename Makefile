# Every target sets up .venv when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FUZZ_VENV := .venv-fuzz
FUZZ_STAMP := $(FUZZ_VENV)/.installed
SECONDS ?= 60

.PHONY: help demo test check fix fuzz bench-peers bench-cold bench-local leaks conformance clean

help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "slsadapt needs Python 3.10 or later; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## Run the samples on events, and see what they log
	$(BIN)/slsadapt invoke samples/flask_app samples/flask_app/events/hello.json
	$(BIN)/slsadapt invoke samples/django_app samples/django_app/events/home.json
	@echo; echo "One ID from the view to the Celery task, and where the time went:"
	$(BIN)/slsadapt invoke samples/flask_app samples/flask_app/events/mail.json
	@echo; echo "What hangs, half a second before the function's time limit:"
	$(BIN)/slsadapt invoke samples/flask_app samples/flask_app/events/slow.json
	@echo; echo "Where a cold start goes, and what bytecode is worth:"
	$(BIN)/slsadapt bench cold samples/flask_app samples/flask_app/events/hello.json \
		--bytecode valid --bytecode none --rounds 6
	@echo; echo "Now run the whole cloud here: a gateway, and instances that start cold and die:"
	@echo "    $(BIN)/slsadapt serve samples/flask_app"
	@echo "and open http://127.0.0.1:9000/ and http://127.0.0.1:9000/hello/you; then change a file in"
	@echo "samples/flask_app and reload. Ctrl-C stops it."

test: check  ## Check, then test here with coverage and on every other Python found
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term
	$(BIN)/python scripts/other_pythons.py

check: $(STAMP)  ## Run ruff and mypy, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(STAMP)  ## Let ruff sort, format and mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(FUZZ_STAMP): pyproject.toml
	$(PYTHON) -m venv $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --prefer-binary \
		--editable '.[fuzz]'
	@touch $@

fuzz: $(FUZZ_STAMP)  ## Fuzz the gateways for 60 seconds, or SECONDS=600
	$(FUZZ_VENV)/bin/python scripts/fuzz.py --seconds $(SECONDS)

bench-peers: $(STAMP)  ## Measure against apig-wsgi, serverless-wsgi, Mangum and others
	$(BIN)/python benchmarks/overhead.py --json benchmarks/results/overhead.json
	$(BIN)/python -m benchmarks.observability --json benchmarks/results/observability.json
	$(BIN)/python -m benchmarks.replay --json benchmarks/results/replay.json
	$(BIN)/python -m benchmarks.record --json benchmarks/results/record.json

bench-cold: $(STAMP)  ## Measure cold starts of packages against what others ship
	$(BIN)/python -m benchmarks.cold --json benchmarks/results/cold.json

bench-local: $(STAMP)  ## Measure slsadapt serve beside serverless-offline and functions-framework
	$(BIN)/python -m benchmarks.local --json benchmarks/results/local.json

leaks: $(STAMP)  ## Run a hundred thousand mixed invocations and see that none leaves a trace
	SLSADAPT_INVOCATIONS=100000 $(BIN)/python -m pytest -q tests/logs/test_no_leak.py

conformance: $(STAMP)  ## Run the suites of Flask and Starlette through the core gateways
	$(BIN)/python scripts/conformance.py

clean:  ## Remove what the targets made
	rm -rf $(VENV) .venv-* .conformance .mypy_cache .pytest_cache .ruff_cache .coverage*
