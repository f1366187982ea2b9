# Thin: every target is one script or one command. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run-all test lint lock licences build-all clean

accelerator = $(if $(ACCELERATOR),--accelerator $(ACCELERATOR))

help: ## this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

setup: ## the project's environment in .venv (nothing to do the second time)
	@scripts/setup

run-all: setup ## demo data, every model, results in results/
	@.venv/bin/multiverse demo --run --output results

test: setup ## lint, types and all tests; more arguments for pytest: ARGS="-k plan"
	@scripts/test $(ARGS)

lint: setup ## ruff and mypy alone
	@scripts/lint

build-all: setup ## the images of all models; for NVIDIA's GPUs: ACCELERATOR=cuda
	@.venv/bin/multiverse build --all $(accelerator)

build-%: setup ## the image of one model: build-pca
	@.venv/bin/multiverse build $* $(accelerator)

lock: ## all locks: host, shared stack, models
	@scripts/lock

licences: setup ## docs/licences.md, from what the locks install
	@scripts/licences

clean: ## what setup and the checks made; results stay
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
