# Two commands do everything: `make up` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
STACK ?= dev
PY := .venv/bin/python
READY := .venv/.ready

.PHONY: help up preview drift recover vendor destroy status test check lint unit clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=..." >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) (once, about a minute)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

up: $(READY) $(if $(POLICIES),policy-pack) ## Bring the stack up (STACK=dev): minikube and the Pulumi CLI, or the rehearsal without minikube
	@$(PY) -m operations.deploy up --stack $(STACK) $(if $(POLICIES),--policies)

preview: $(READY) $(if $(POLICIES),policy-pack) ## Show what up would change (needs the Pulumi CLI)
	@$(PY) -m operations.deploy preview --stack $(STACK) $(if $(POLICIES),--policies)

drift: $(READY) ## Tell what in STACK's cluster is not as the program says (REPAIR=1 puts right what charts and Commands brought)
	@$(PY) -m operations.deploy drift --stack $(STACK) $(if $(REPAIR),--repair)

recover: $(READY) ## Put right what an up that was killed has left, or what was changed by hand; then run up
	@$(PY) -m operations.deploy recover --stack $(STACK)

vendor: $(READY) ## Fetch STACK's charts and Gateway API manifest into vendor/, and lock their digests (UPDATE=1: take changed ones)
	@$(PY) -m operations.vendor --stack $(STACK) $(if $(UPDATE),--update)

destroy: $(READY) ## Undo up
	@$(PY) -m operations.deploy destroy --stack $(STACK)

status: $(READY) ## Show the rehearsal's pods and outputs
	@$(PY) -m operations status

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

# Environments: what a stack comes to, what a change does to it, and what CI runs. See docs/environments.md.
BASE ?= origin/main
OUT ?= .rendered
PREVIEWED ?= dev staging prod
# Such as --stand-ins, which takes the rehearsal's charts and CRDs in place of downloads.
RENDER ?=
.PHONY: render render-diff policy policy-pack graph graph-check workflows preview-base preview-head preview-comment doctor e2e bench

render: $(READY) ## Write every manifest of STACK into .rendered/STACK (RENDER=--stand-ins: offline)
	@$(PY) -m operations render --stack $(STACK) --out $(OUT)/$(STACK) $(RENDER)

render-diff: $(READY) ## Show how STACK's manifests differ from those of commit BASE
	@$(PY) -m operations render-diff --stack $(STACK) --base $(BASE) --out $(OUT)/diff-$(STACK) $(RENDER)

policy: $(READY) ## Judge STACK's manifests by the policies, without the Pulumi CLI
	@$(PY) -m operations policy --stack $(STACK) $(RENDER)

policy/.venv/.ready: policy/requirements.txt $(READY)
	@$(PY) -m venv policy/.venv
	@policy/.venv/bin/pip install --quiet --disable-pip-version-check -r policy/requirements.txt
	@touch $@

policy-pack: policy/.venv/.ready ## Set up the policy pack for `python -m operations.deploy up --policies`

graph: $(READY) ## Draw STACK's components into README.md
	@$(PY) -m operations graph --stack $(STACK)

graph-check: $(READY)
	@$(PY) -m operations graph --check >/dev/null

workflows: $(READY)
	@$(PY) -m operations.actionlint

preview-base: $(READY) ## Bring the rehearsal up as it is at commit BASE (needs the Pulumi CLI)
	@$(PY) -m operations preview-base --base $(BASE)

preview-head: $(READY) ## Preview this work tree against what preview-base brought up
	@$(PY) -m operations preview

preview-comment: $(READY) ## Write a pull request's comment: preview-head, and the manifests that differ from BASE
	@mkdir -p .preview
	@$(PY) -m operations preview >.preview/rehearsal.diff || { cat .preview/rehearsal.diff; exit 1; }
	@$(foreach stack,$(PREVIEWED),$(MAKE) --no-print-directory render-diff STACK=$(stack) \
		&& cp $(OUT)/diff-$(stack)/changes.diff .preview/$(stack).diff &&) true
	@$(PY) -m operations comment --out .preview/comment.md --section "Preview of the rehearsal=.preview/rehearsal.diff" \
		$(foreach stack,$(PREVIEWED),--section "Manifests of $(stack)=.preview/$(stack).diff")

doctor: $(READY) ## Tell what is installed, which cluster STACK would touch, and what is missing
	@$(PY) -m operations.doctor --stack $(STACK)

e2e: $(READY) ## The whole life of stack ci on a real minikube (E2E="istioVersion=1.31.1 ..." sets keys)
	@REQUIRE_E2E=1 $(PY) -m pytest tests/e2e

bench: $(READY) ## Measure up, previews, evaluation, scale and start against references (BENCH="preview --runs 9": some of it)
	@$(PY) -m benchmarks $(BENCH)

check: graph-check workflows
