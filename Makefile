# Everything runs in .venv, which is made on a machine that has Python 3.11 to 3.13 only.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PACKAGES := setup.py edge/pyproject.toml export/pyproject.toml tools/pyproject.toml
OURS := -e ".[cpu]" -e "edge[onnx]" -e "export[tensorrt]" -e tools

# two processes with one thread each: more would only wait for each other on two cores.
WORKERS ?= 2
PYTEST := TF_CPP_MIN_LOG_LEVEL=2 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# JAX compiles each operation of each shape: quickly rather than well, and once for both processes.
JAX := KERAS_BACKEND=jax \
	XLA_FLAGS="--xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true" \
	JAX_COMPILATION_CACHE_DIR=$(abspath $(VENV))/jax-cache \
	JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

.PHONY: help demo test lint format benchmark clean

help: ## list what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo-ready ## train, evaluate, export and benchmark a detector: about 10 minutes
	TF_CPP_MIN_LOG_LEVEL=2 $(BIN)/python examples/demo.py --output=demo

test: $(VENV)/.test-ready ## run all tests, the backend-agnostic ones under JAX too
	$(JAX) $(PYTEST) -m agnostic
	$(PYTEST)

lint: $(VENV)/.test-ready ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.test-ready ## repair style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(VENV)/.test-ready ## run every file of benchmarks/
	@missed=; for file in benchmarks/*.py; do echo "== $$file"; \
	$(BIN)/python $$file || missed="$$missed $$file"; done; \
	test -z "$$missed" || { echo "A goal was missed in:$$missed"; exit 1; }

clean: ## remove .venv and what the demo wrote
	rm -rf $(VENV) demo

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: none was found."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-ready: $(PACKAGES) | $(BIN)/python
	$(PIP) $(OURS)
	@touch $@

$(VENV)/.test-ready: $(VENV)/.demo-ready
	$(PIP) -e ".[cpu,tests]"
	@touch $@
