# Every command of this repository. CI runs these same targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
TESTS := $(PY) -m pytest -q

.DEFAULT_GOAL := help
.PHONY: help setup run demo stop test check lint format types unit contract integration e2e bench bench-firewall bench-learning bench-feedback bench-redaction bench-quarantine train-firewall train-second-opinion lock clean

help: ## show this help
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  \033[36m%-20s\033[0m %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(VENV)/bin/pip install -q "uv>=0.9"
	@$(VENV)/bin/uv pip sync -q --python $(PY) requirements.lock
	@$(VENV)/bin/pip install -q --no-deps -e .
	@touch $@

setup: $(READY) ## install everything into .venv

run: setup ## serve on embedded backends (no Docker): http://127.0.0.1:8080
	@$(PY) -m deploy.local

stop: setup ## stop what `make run` started
	@$(PY) -m deploy.local --stop

demo: setup ## agents' sessions on recorded outcomes: learning against Day-0 and the default model
	@$(PY) -m benchmarks.demo

test: lint types unit contract integration e2e ## everything that must be green

check: lint types unit ## the fast part of test, before each commit

lint: setup ## ruff, formatting, import rules
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/lint-imports

format: setup ## apply the formatter and the safe fixes
	@$(VENV)/bin/ruff check --fix -q . ; $(VENV)/bin/ruff format .

types: setup ## mypy strict
	@$(VENV)/bin/mypy

unit: setup ## pure tests, sockets blocked
	@$(TESTS) tests/unit

contract: setup ## example messages through every consumer
	@$(TESTS) tests/contract

integration: setup ## adapters against real backends
	@$(TESTS) tests/integration

e2e: setup ## the whole platform as processes
	@$(TESTS) tests/e2e

bench: setup ## hot-path figures: CPU per request and added latency, as ratios against direct
	@$(PY) -m benchmarks.hot_path

bench-firewall: setup ## the scanner: latency by length, accuracy on families of sources it never saw, loop stalls
	@$(PY) -m benchmarks.firewall

bench-learning: setup ## learning on recorded outcomes, simulated and served, as a share of the gap between blind and best choice
	@$(PY) -m benchmarks.learning
	@$(PY) -m benchmarks.learning --served

bench-feedback: setup ## how soon a rating changes decisions
	@$(PY) -m benchmarks.feedback_latency

bench-redaction: setup ## redaction: processor time by kind of body, and what it finds in ordinary prompts
	@$(PY) -m benchmarks.redaction

train-firewall: setup ## train the scanner's model anew, with its card
	@$(PY) -m libs.scanner.training --data $${FLOOPY_FIREWALL_DATA:-../shared/data/firewall} --out libs/scanner/data

train-second-opinion: setup ## train the head of the deep scan's second opinion, with its card; embeds for half an hour at first
	@$(PY) -m libs.scanner.training.second_opinion --data $${FLOOPY_FIREWALL_DATA:-../shared/data/firewall} --out libs/scanner/data --cache .data/second-opinion

bench-quarantine: setup ## how often ordinary and hostile sessions are quarantined, by families of sources the scanner never saw
	@$(PY) -m benchmarks.quarantine --data $${FLOOPY_FIREWALL_DATA:-../shared/data/firewall}

lock: ## resolve pyproject.toml into requirements.lock
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --all-extras --no-header -o requirements.lock pyproject.toml

clean: ## remove the environment and local data
	rm -rf $(VENV) .data
