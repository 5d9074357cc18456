# Every target sets up what it needs: a virtual environment in .venv, made once per change of pyproject.toml.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= auto
# One thread per test process: two OpenMP threads on a busy core spin against each other.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help install demo test lint bench train-default clean
help:
	@echo "make demo           redock the example complexes with the shipped checkpoint"
	@echo "make test           run all tests"
	@echo "make lint           ruff and mypy"
	@echo "make bench          speed and memory side by side (minutes)"
	@echo "make train-default  train the default checkpoint; DATA=folder of prepared complexes"

install: $(STAMP)
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "discodock needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python examples/demo.py

test: $(STAMP)
	$(TEST_ENV) $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks.speed

# The packaged checkpoint: score model (8,000 steps, then 5,000 more from the averaged weights), then site model.
DATA ?= prepared/corpus
train-default: $(STAMP)
	$(BIN)/discodock train score --config configs/score.yaml --out runs/first data.root=$(DATA) \
	  run.max_steps=8000 task.optimizer.decay_fraction=0
	$(BIN)/discodock train score --config configs/score.yaml --out runs/default data.root=$(DATA) \
	  start_from=runs/first/score.safetensors run.max_steps=5000 task.optimizer.decay_fraction=0.6 data.seed=1 task.seed=1
	$(BIN)/discodock train site --config configs/site.yaml --out runs/site data.root=$(DATA) \
	  start_from=runs/default/score.safetensors
	$(BIN)/discodock train pack runs/default/score.safetensors runs/site/site.safetensors --out runs/default.safetensors

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
