# One stamp a layer: .base is what `make demo` needs, .dev what everything else does. Both live in
# .venv, so that `rm -rf .venv` (or `make clean`) starts afresh.
.NOTPARALLEL:
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# pip would compile all of 15,000 modules, which takes longer than to unpack them.
INSTALL := $(PIP) install -qq --no-compile
BASE := $(VENV)/.base
DEV := $(VENV)/.dev

have = $(wildcard $(addsuffix /pyproject.toml,$(1)))
PROJECTS_BASE := $(call have,gen/python packages/core packages/numpy)
PROJECTS_DEV := $(call have,packages/torch packages/jax)
editable = $(addprefix -e ,$(patsubst %/pyproject.toml,%,$(1)))

export MUJOCO_GL ?= egl
# Hundreds of tests start a Python, and each would compile the packages again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BASE): requirements/base.txt $(PROJECTS_BASE)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(0 if v >= (3, 10) else "RLMesh needs Python 3.10 or newer, this is %d.%d; name one: make PYTHON=python3.11 ..." % v)'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements/base.txt
	$(INSTALL) --no-deps --no-build-isolation $(call editable,$(PROJECTS_BASE))
	@touch $@

# dev.txt holds torch's dependencies too and comes first, so that torch's install adds torch alone.
$(DEV): $(BASE) requirements/dev.txt requirements/torch.txt requirements/sb3.txt $(PROJECTS_DEV)
	$(INSTALL) --require-hashes -r requirements/dev.txt
	$(INSTALL) -r requirements/torch.txt
	$(INSTALL) --require-hashes --no-deps -r requirements/sb3.txt
	$(if $(PROJECTS_DEV),$(INSTALL) --no-deps --no-build-isolation $(call editable,$(PROJECTS_DEV)))
	@# Compile what the tests import once, and not in each of their processes.
	@$(PY) -c 'import torch, jax.numpy, gymnasium, pandas, pyarrow, matplotlib.pyplot, hypothesis'
	@touch $@

.PHONY: venv
venv: $(DEV) ## .venv with everything the other targets need

.PHONY: demo
demo: $(BASE) ## serve CartPole-v1, play ten seeded episodes, print the result
	$(PY) examples/python/demo.py

.PHONY: gen gen-check
gen: ## regenerate gen/ from spec/
	$(PYTHON) -m tools.codegen
gen-check: ## fail if gen/ is not what spec/ generates
	$(PYTHON) -m tools.codegen --check

.PHONY: spec-check breaking
spec-check: ## every check of spec/: buf lint, format and breaking, its version and changelog
	$(PYTHON) -m tools.spec check
breaking: ## buf breaking on spec/, against the releases that bind it
	$(PYTHON) -m tools.spec breaking

.PHONY: spec-release
spec-release: $(DEV) ## after an edit of spec/: image, gen/, vectors, seeds, thin host (FORCE_RC=1: again)
	$(PYTHON) -m tools.spec release $(if $(FORCE_RC),--force-rc)
	$(PYTHON) -m tools.codegen
	$(PY) -m tools.vectors
	$(PY) -m tests.fuzz.seeds
	$(PYTHON) -m tools.thin

.PHONY: versions bump
versions: ## check that pins, versions, changelogs and spec/VERSION agree, and rose with the spec
	$(PYTHON) -m tools.versions check
	$(PYTHON) -m tools.spec unchanged
bump: ## set every version: make bump VERSION=1.0.0rc2
	@test -n "$(VERSION)" || { echo "usage: make bump VERSION=1.0.0rc2"; exit 2; }
	$(PYTHON) -m tools.versions bump $(VERSION)

.PHONY: urls
urls: ## write the address of the project into every package: make urls URL=https://...
	@test -n "$(URL)" || { echo "usage: make urls URL=https://..."; exit 2; }
	$(PYTHON) -m tools.versions urls $(URL)

.PHONY: vectors vectors-check
vectors: $(DEV) ## write spec/vectors from the declared cases
	$(PY) -m tools.vectors
vectors-check: $(DEV) ## fail if spec/vectors is not what the cases declare
	$(PY) -m tools.vectors --check

.PHONY: thin thin-check
thin: ## join packages/thin into the one file that `rlmesh thin` prints
	$(PYTHON) -m tools.thin
thin-check: ## fail if that file is not what packages/thin makes
	$(PYTHON) -m tools.thin --check

.PHONY: seeds
seeds: $(DEV) ## write the fuzzer's seeds from the vectors; they have the spec version in them
	$(PY) -m tests.fuzz.seeds

.PHONY: vectors-node
vectors-node: ## compile packages/typescript and hold it against every vector (Node 20, npm)
	$(PYTHON) -m tools.node

.PHONY: docs docs-serve
docs: ## build the documentation site into build/site, in an environment of its own
	$(PYTHON) -m tools.site
docs-serve: ## serve it on 127.0.0.1:8000, built again after each change
	$(PYTHON) -m tools.site --serve

.PHONY: notebooks
notebooks: $(DEV) ## run examples/notebooks, and write what their cells print
	$(PY) -m tools.notebooks

.PHONY: prose
prose: ## rates of words to avoid in docstrings, comments and documents
	$(PYTHON) -m tools.prose $(ARGS)

.PHONY: lint format types
lint: $(DEV) ## ruff, buf and import-linter: rules, formatting and import directions
	$(PYTHON) -m tools.spec lint
	$(PYTHON) -m tools.spec format --check
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m tools.rooms --check
	$(PY) -m tools.roles --check
	$(PY) -m tools.judged --check
	$(PY) -m tools.figures --check
	$(PY) -m tools.prose
format: $(DEV) ## apply ruff's fixes and formatting
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
types: $(DEV) ## mypy --strict and pyright
	$(PY) -m mypy
	$(PY) -m pyright

# Two workers more than there are cores, because many tests wait; each has one thread of OpenMP,
# because more would wait for each other, and spin.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 2)))
PYTEST_ALONE := OMP_NUM_THREADS=1 $(PY) -m pytest
PYTEST := $(PYTEST_ALONE) -n $(WORKERS) --dist=loadgroup --no-loadscope-reorder

.PHONY: pytest pytest-random test-fast test-long
pytest: $(DEV) ## every Python test, with the same property cases every time
	$(PYTEST) $(ARGS)
pytest-random: $(DEV) ## the property tests with random cases, in one process (SEED=7: repeat a run)
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); \
	  echo "repeat these cases by: make pytest-random SEED=$$seed"; \
	  HYPOTHESIS_PROFILE=explore $(PYTEST_ALONE) -m "hypothesis or draws" --hypothesis-seed=$$seed $(ARGS)
test-fast: $(DEV) ## the tests not marked slow
	$(PYTEST) -m "not slow" $(ARGS)
test-long: $(DEV) ## every test at full size and over every transport, with many more property cases
	HYPOTHESIS_PROFILE=long RLMESH_TEST_SIZE=long $(PYTEST) $(ARGS)

.PHONY: coverage
coverage: $(DEV) ## every Python test, and the lines and branches of packages/*/src that none enters
	@mkdir -p build/coverage
	$(PYTEST) --cov --cov-report=term $(ARGS)

# In a fresh clone, mypy would write a cache for a quarter of its time; `make types` does.
NO_CACHE := $(if $(wildcard .mypy_cache),,MYPY_CACHE_DIR=/dev/null)
# The checks run beside the tests, which leave the cores idle whenever they wait. The random cases
# are one of them, in one process: each more would first import everything again.
CHECKS := gen-check versions breaking vectors-check thin-check lint types pytest-random
.PHONY: test
test: $(DEV) ## what CI runs: generation, versions, spec, lint, types, tests
	@$(NO_CACHE) $(PY) -m tools.stages --make "$(MAKE)" "$(CHECKS)" pytest

.PHONY: test-floors smoke
test-floors: $(BASE) ## the suite on the oldest and newest dependencies (LEGS="a b" for some)
	$(PY) -m tools.floors $(LEGS)
smoke: $(DEV) ## build wheels and sdists, try them in empty environments
	$(PY) -m tools.smoke

.PHONY: fuzz
fuzz: ## fuzz decoder and sessions for a minute (SECONDS=600 for ten, TARGETS="a b" for some)
	$(PYTHON) -m tools.fuzz --seconds $(or $(SECONDS),60) $(TARGETS)

.PHONY: packages changed
packages: ## build every wheel and sdist into dist/, with Pants
	rm -rf dist
	$(PYTHON) -m tools.pants package ::
changed: ## what the changes since a commit touch: make changed SINCE=HEAD~1
	@$(PYTHON) -m tools.pants --changed-since=$(or $(SINCE),HEAD) --changed-dependents=transitive list

.PHONY: bench
bench: $(DEV) ## steps beside their floors and peers, the codec beside a memcpy, many beside one
	$(PY) -m benchmarks.grpc_step
	$(PY) -m benchmarks.transports
	$(PY) -m benchmarks.step_profile
	$(PY) -m benchmarks.codec
	$(PY) -m benchmarks.workers
	$(PY) -m benchmarks.evaluate
	$(PY) -m benchmarks.many
	$(PY) -m benchmarks.serving
	$(PY) -m benchmarks.thin
	$(PY) -m benchmarks.alignment
	$(PY) -m benchmarks.adapters

.PHONY: bench-peers
bench-peers: ## this project beside its peers, ten minutes, into benchmarks/RESULTS.md (ARGS="--cases a,b")
	$(PYTHON) -m benchmarks.peers $(ARGS)
	$(PYTHON) -m tools.figures

.PHONY: lock
lock: ## recompile requirements/*.txt (UPGRADE=1 for the newest)
	$(PYTHON) -m tools.lock $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## remove .venv and everything built
	rm -rf packages/typescript/node_modules packages/typescript/dist packages/typescript/*.lock
	rm -rf $(VENV) build dist .pants.d .pids .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +
