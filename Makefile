# Two commands do everything: `make up` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
# The stack; by default dev where minikube is on PATH, embedded elsewhere.
STACK ?=
PY := .venv/bin/python
READY := .venv/.ready
OPERATIONS := $(PY) -m operations
OF_STACK := $(if $(STACK),--stack $(STACK))

# Of make tour: TOUR=all goes through without a prompt; the language is TOUR_LANGUAGE, else that of LANG.
TOUR ?=
TOUR_LANGUAGE ?=
OF_TOUR = $(if $(TOUR),$(if $(filter all,$(TOUR)),--all,$(error TOUR is $(TOUR); accepted: all))) \
	$(if $(TOUR_LANGUAGE),--language $(TOUR_LANGUAGE))

.PHONY: help up preview drift recover vendor destroy status open tour shell k9s load tunnel test check lint unit clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -m operations.systems
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=..." >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) (once, about a minute)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

up: $(READY) $(if $(POLICIES),policy-pack) ## Bring the stack up: STACK, else dev with minikube on PATH, embedded without
	@$(OPERATIONS) up $(OF_STACK) $(if $(POLICIES),--policies) $(if $(BOOKINFO),--bookinfo=$(BOOKINFO))

preview: $(READY) $(if $(POLICIES),policy-pack) ## Show what up would change
	@$(OPERATIONS) preview $(OF_STACK) $(if $(POLICIES),--policies)

drift: $(READY) ## Show what in the cluster differs from the program (REPAIR=1 repairs what charts and Commands created)
	@$(OPERATIONS) drift $(OF_STACK) $(if $(REPAIR),--repair)

recover: $(READY) ## Repair the stack after an up that was killed, or changes by hand; then run up
	@$(OPERATIONS) recover $(OF_STACK)

vendor: $(READY) ## Fetch the stack's charts and Gateway API manifest into vendor/, and lock them (UPDATE=1: accept changed ones)
	@$(OPERATIONS) vendor $(OF_STACK) $(if $(UPDATE),--update)

destroy: $(READY) ## Remove what up created, and nothing else
	@$(OPERATIONS) destroy $(OF_STACK)

status: $(READY) ## Show the cluster's pods and the stack's outputs
	@$(OPERATIONS) status $(OF_STACK)

open: $(READY) ## Open the stack's page in the browser, and keep the connection to it open until Ctrl-C
	@$(OPERATIONS) open $(OF_STACK)

tour: $(READY) ## Walk through the running stack (TOUR=all: without a prompt; TOUR_LANGUAGE=en or ja)
	@$(OPERATIONS) tour $(OF_STACK) $(OF_TOUR)

shell: $(READY) ## Open a shell in which pulumi, kubectl and helm are those of the stack
	@$(OPERATIONS) shell $(OF_STACK)

k9s: $(READY) ## Open k9s on the stack's cluster: from PATH, else built once from its Go module
	@$(OPERATIONS) k9s $(OF_STACK)

load: $(READY) ## Add IMAGE, an archive or a name that Docker knows, to those that pods of the embedded cluster can use
	@$(PY) -m embedded load $(if $(IMAGE),"$(IMAGE)",$(error IMAGE is missing: make load IMAGE=shop.tar, or IMAGE=me/shop:1))

tunnel: $(READY) ## Give the LoadBalancers of the stack's minikube an address and show the page's, until Ctrl-C
	@$(OPERATIONS) tunnel $(OF_STACK)

test: lint ## Run everything: format, types, unit, embedded and engine tests
	@$(PY) -m pytest tests

check: lint unit ## Run what needs no cluster: format, types, unit tests

lint: $(READY)
	@.venv/bin/ruff format --check --quiet . || { echo "run .venv/bin/ruff format ." >&2; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy .

unit: $(READY)
	@$(PY) -m pytest --quiet tests/unit

clean: ## Remove what make installed; clusters and their state stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Environments: a stack's manifests, the effects of a change, and what CI runs. See docs/environments.md.
BASE ?= origin/main
OUT ?= .rendered
PREVIEWED ?= dev staging prod
# Such as --stand-ins, which uses the embedded cluster's charts and CRDs instead of downloads.
RENDER ?=
# The folder of a stack's manifests.
STACK_OUT = $(OUT)/$(or $(STACK),dev)
.PHONY: render render-diff policy policy-pack graph graph-check reference distribution workflows preview-base preview-head preview-comment doctor e2e bench

render: $(READY) ## Write every manifest of the stack into .rendered/STACK (RENDER=--stand-ins: offline)
	@$(OPERATIONS) render --stack $(or $(STACK),dev) --out $(STACK_OUT) $(RENDER)

render-diff: $(READY) ## Show how the stack's manifests differ from those of commit BASE
	@$(OPERATIONS) render-diff --stack $(or $(STACK),dev) --base $(BASE) --out $(OUT)/diff-$(or $(STACK),dev) $(RENDER)

policy: $(READY) ## Check the stack's manifests against the policies, without the Pulumi CLI
	@$(OPERATIONS) policy --stack $(or $(STACK),dev) $(RENDER)

policy/.venv/.ready: policy/requirements.txt $(READY)
	@$(PY) -m venv policy/.venv
	@policy/.venv/bin/pip install --quiet --disable-pip-version-check -r policy/requirements.txt
	@touch $@

policy-pack: policy/.venv/.ready ## Set up the policy pack for `make up POLICIES=1`

graph: $(READY) ## Draw the stack's components, and the table of keys, into README.md
	@$(OPERATIONS) graph --stack $(or $(STACK),dev)

graph-check: $(READY)
	@$(OPERATIONS) graph --stack dev --check >/dev/null

reference: $(READY) ## Write docs/components.md from the components' docstrings
	@$(OPERATIONS) reference

distribution: $(READY) ## Build the components' wheel and source archive into dist/
	@$(OPERATIONS) distribution

workflows: $(READY)
	@$(OPERATIONS) workflows

preview-base: $(READY) ## Bring stack embedded up as it is at commit BASE
	@$(OPERATIONS) preview-base --base $(BASE)

preview-head: $(READY) ## Preview this work tree against what preview-base brought up
	@$(OPERATIONS) preview-head

preview-comment: $(READY) ## Write a pull request's comment: preview-head, and the manifests that differ from BASE
	@mkdir -p .preview
	@$(OPERATIONS) preview-head >.preview/embedded.diff || { cat .preview/embedded.diff; exit 1; }
	@$(foreach stack,$(PREVIEWED),$(MAKE) --no-print-directory render-diff STACK=$(stack) \
		&& cp $(OUT)/diff-$(stack)/changes.diff .preview/$(stack).diff &&) true
	@$(OPERATIONS) comment --out .preview/comment.md --section "Preview of stack embedded=.preview/embedded.diff" \
		$(foreach stack,$(PREVIEWED),--section "Manifests of $(stack)=.preview/$(stack).diff")

doctor: $(READY) ## Show what is installed, which cluster the stack would touch, and what is missing (ONLINE=1: also which addresses answer)
	@$(OPERATIONS) doctor $(OF_STACK) $(if $(ONLINE),--online)

e2e: $(READY) ## Test the whole life of stack ci on a real minikube (E2E="istioVersion=1.31.1 ..." sets keys)
	@REQUIRE_E2E=1 $(PY) -m pytest tests/e2e

bench: $(READY) ## Measure up and destroy, previews, an idle mesh, load, evaluation and scale against references (BENCH="preview --runs 9": some of it)
	@$(PY) -m benchmarks $(BENCH)

check: graph-check workflows
