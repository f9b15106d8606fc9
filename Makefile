# Two commands do everything: `make up` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
STACK ?= dev
PY := .venv/bin/python
READY := .venv/.ready

.PHONY: help up preview destroy status test check lint unit graph clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=..." >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) (once, about a minute)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

up: $(READY) ## Bring the stack up (STACK=dev): minikube and the Pulumi CLI, or the rehearsal without minikube
	@$(PY) -m deploy up --stack $(STACK)

preview: $(READY) ## Show what up would change (needs the Pulumi CLI)
	@$(PY) -m deploy preview --stack $(STACK)

destroy: $(READY) ## Undo up
	@$(PY) -m deploy destroy --stack $(STACK)

status: $(READY) ## Show the rehearsal's pods and outputs
	@$(PY) -m rehearsal status

test: lint ## Everything: format, types, unit, rehearsal and engine tests
	@$(PY) -m pytest tests

check: lint unit ## What needs no cluster; within a minute

lint: $(READY)
	@.venv/bin/ruff format --check --quiet . || { echo "run .venv/bin/ruff format ." >&2; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy .

unit: $(READY)
	@$(PY) -m pytest --quiet tests/unit

clean: ## Remove what make made, but no cluster's state
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
