# Thin: every target is one script or one command. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run-all test test-fast lint lock licences samples dockerfiles build-all science quality scale soak clean

accelerator = $(if $(ACCELERATOR),--accelerator $(ACCELERATOR))

help: ## this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

setup: ## the project's environment in .venv (nothing to do the second time)
	@scripts/setup

run-all: setup ## demo data, every model, results in results/
	@.venv/bin/multiverse demo --run --output results

test: setup ## lint, types and all tests; more arguments for pytest: ARGS="-k plan"
	@scripts/test $(ARGS)

test-fast: setup ## lint, types and the tests that need no image, in a few minutes
	@scripts/test-fast $(ARGS)

lint: setup ## ruff and mypy alone
	@scripts/lint

science: setup ## what the models reach, all trained again and compared with the record
	@MULTIVERSE_TRAIN=1 .venv/bin/pytest tests/science $(ARGS)

quality: setup ## record what the models reach, 40 minutes; what changed alone: ARGS=--stale
	@.venv/bin/python -m benchmarks.models.quality $(ARGS)

scale: setup ## record time and memory of the models by cells, 25 minutes
	@.venv/bin/python -m benchmarks.models.scaling $(ARGS)

soak: setup ## 300 jobs under random faults, 10 minutes; needs root for a daemon of its own
	@.venv/bin/python benchmarks/soak.py --pause 6 $(ARGS)

build-all: setup ## the images of all models; for NVIDIA's GPUs: ACCELERATOR=cuda
	@.venv/bin/multiverse build --all $(accelerator)

build-%: setup ## the image of one model: build-pca
	@.venv/bin/multiverse build $* $(accelerator)

lock: ## all locks: host, shared stack, models
	@scripts/lock

licences: setup ## docs/licences.md, from what the locks install
	@scripts/licences

samples: setup ## the outputs that README and docs/ show, from real runs, 15 minutes
	@.venv/bin/python -m tests.docs --nightly $(ARGS)

dockerfiles: setup ## the models' Dockerfiles, from their template
	@scripts/dockerfiles

clean: ## what setup and the checks made; results stay
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
