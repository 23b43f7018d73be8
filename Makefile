# One place for every command. `make run` and `make test` need nothing but Python 3.11+ with venv, and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SPEED ?= 4
LISTEN ?= 127.0.0.1:8470
RECORDINGS ?= recordings
PYTEST := $(BIN)/python -m pytest
# Most tests wait more than they reckon; those on a real cluster want the machine for themselves, and come after the others.
BESIDE := --ignore=tests/cluster -n 3 --dist worksteal
# Several clusters at once: what happens to a cluster is mostly waiting, too.
CLUSTERS := tests/cluster -n 3 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help run test test-full cluster-test demo-cluster record lint accuracy bench clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(BIN)/hamon: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(BIN)/hamon
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run: $(BIN)/hamon ## Install hamon into .venv and see it at work on a recorded cluster (SPEED=4, LISTEN=127.0.0.1:8470)
	$(BIN)/hamon demo --speed $(SPEED) --listen $(LISTEN)

lint: $(VENV)/dev ## Check style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hamon rules check

test: $(VENV)/dev ## Install what the tests need, and run lint and tests
	sh tests/install-peers
	$(MAKE) --no-print-directory lint
	$(PYTEST) -m "not full" $(BESIDE)
	$(PYTEST) -m "not full" tests/cluster

test-full: $(VENV)/dev ## The same with the long and large variants
	sh tests/install-peers
	$(MAKE) --no-print-directory lint
	HYPOTHESIS_PROFILE=wide $(PYTEST) $(BESIDE)
	$(PYTEST) $(CLUSTERS)

accuracy: $(VENV)/dev ## Show how right hamon is about every recording, by each kind of evidence
	$(BIN)/python -m tests.accuracy

cluster-test: $(VENV)/dev ## Every happening on a real cluster, with hamon beside it (Debian, root)
	sh tests/install-peers
	CI=true $(PYTEST) $(CLUSTERS)

demo-cluster: $(VENV)/dev ## Play with a real cluster and hamon beside it: a menu of failures (Debian, root; LISTEN=127.0.0.1:8470)
	sh tests/install-peers
	$(BIN)/python -m tests.cluster.demo --listen $(LISTEN)

record: $(VENV)/dev ## Record a real cluster while something happens to it (Debian, root; SCENARIO=resource_failure, RECORDINGS=recordings; without one they are listed)
	sh tests/install-peers
	$(BIN)/python -m tests.cluster.record --out $(RECORDINGS) $(SCENARIO)

bench: $(VENV)/dev ## Measure speed, latency and memory beside a peer
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.answers
	$(BIN)/python -m tests.bench.exporter
	$(BIN)/python -m tests.bench.polls
	$(BIN)/python -m tests.bench.state

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
