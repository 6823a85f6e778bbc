# `make setup` builds .venv once; every other target calls it first and starts at once after that.
PYTHON := .venv/bin/python
STAMP := .venv/.bayesgmm-ready

.DEFAULT_GOAL := help
.PHONY: help setup kernel demo test bench notebooks clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## build .venv with everything in it (once)

$(STAMP): pyproject.toml constraints.txt tools/setup
	@bash tools/setup

kernel: $(STAMP) # compile what changed since setup; nothing to do as a rule
	@$(PYTHON) -m bayesgmm.kernel
	@$(PYTHON) -m bayesgmm.engines.density

demo: kernel ## Old Faithful by maximum likelihood, MAP and posterior; figures and table in faithful-demo/
	@.venv/bin/bayesgmm demo

test: kernel ## every test and docstring example
	@OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest -n 2 --dist worksteal

bench: kernel ## measure speed beside peers (takes half an hour)
	@$(PYTHON) -m benchmarks

notebooks: kernel ## run the notebooks and write their outputs
	@$(PYTHON) notebooks/run.py

clean: ## remove .venv, builds, caches and what the demo wrote
	rm -rf .venv build dist *.egg-info faithful-demo .pytest_cache .ruff_cache .hypothesis
	find bayesgmm models tests benchmarks notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
