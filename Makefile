# Everything a person does with this repository. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
UV     := $(shell command -v uv 2>/dev/null || echo .build/uv/bin/uv)
ARGS   ?=
FOR    ?= 600
SAMPLES := manifests/samples/policy.yaml manifests/samples/taking.yaml manifests/samples/resting.yaml

.DEFAULT_GOAL := help
.PHONY: help install run test test-cluster load lint format bench deaths golden generate kind-up dev dev-down kind-down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Install everything into .venv (leaves .venv/bin/touchline)

$(VENV)/.installed: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@command -v uv >/dev/null 2>&1 || test -x .build/uv/bin/uv || { \
	  $(PYTHON) -m venv .build/uv >/dev/null || { echo "python's venv module is needed (Debian: apt-get install python3-venv)" >&2; exit 2; }; \
	  .build/uv/bin/pip install --quiet 'uv>=0.8,<1'; }
	@$(UV) sync --quiet --locked --all-extras --compile-bytecode --python "$$(command -v $(PYTHON))"
	@$(VENV)/bin/python -m compileall -q services trading_logic operator/touchline_operator
	@touch $@

run: install ## Trade a recorded NFL game here and now: no account, no key, no cluster (ARGS="--for 60s --json")
	@$(VENV)/bin/touchline up $(SAMPLES) $(ARGS)

test: install ## Every test that needs no cluster
	@$(VENV)/bin/pytest -n 4 --dist loadgroup -m "not cluster and not load" $(ARGS)

test-cluster: install ## Tests on a real Kubernetes (the current context, if it is a kind or test one) and on its node
	@TOUCHLINE_REQUIRE_CLUSTER=1 $(VENV)/bin/pytest -m cluster $(ARGS)

lint: install ## Lint, format check, types, import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@PYTHONPATH=operator:. $(VENV)/bin/lint-imports

format: install ## Format the code
	@$(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format .

bench: install ## Figures, each as a ratio to the raw engine in the same run where there is one
	@$(VENV)/bin/python -m bench $(ARGS)

load: install ## Ten minutes of load, then bursts of ten times as much (FOR=60 for a short one)
	@TOUCHLINE_LOAD_SECONDS=$(FOR) $(VENV)/bin/pytest -q -s -m load tests/load $(ARGS)

deaths: install ## Kill, wipe, freeze, fill and cut everything while it trades; writes docs/deaths.md (about 25 minutes)
	@PYTHONPATH=operator:. $(VENV)/bin/python -m tests.chaos.drill $(ARGS)

golden: install ## Rewrite the golden files of the render (review the diff)
	@TOUCHLINE_REFRESH_GOLDEN=1 $(VENV)/bin/pytest -q tests/golden

generate: install ## Rewrite what is generated: chart schema and README, dashboards
	@$(VENV)/bin/python charts/generate.py
	@$(VENV)/bin/python manifests/monitoring/generate.py

kind-up: ## A local cluster with kind (needs Docker)
	@kind create cluster --config manifests/kind/cluster.yaml

dev: ## Build, deploy and redeploy on every edit (needs a cluster)
	@skaffold dev -p dev --cleanup=false

dev-down: ## Delete what dev deployed, the operator last: what rests is cancelled by it
	@kubectl delete -n touchline tradingstrategies,riskpolicies --all
	@skaffold delete -p dev

kind-down: ## Delete the local cluster
	@kind delete cluster --name touchline

clean: ## Remove what make made
	@rm -rf $(VENV) .build .touchline .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
