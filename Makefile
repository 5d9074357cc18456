# Every target sets up what it needs: a virtual environment in .venv, made once per change of pyproject.toml.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= auto
# One thread per test process: two OpenMP threads on a busy core spin against each other.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help install demo test lint docs bench train-default clean
help:
	@echo "make demo           redock the example complexes with the shipped checkpoint"
	@echo "make test           run all tests"
	@echo "make lint           ruff and mypy"
	@echo "make docs           write docs/scores.md from the table of columns"
	@echo "make bench          speed and memory side by side (minutes)"
	@echo "make train-default  train the default checkpoint; DATA=prepared complexes, COMPLEXES=the same as files"

install: $(STAMP)
# Not compiled by pip: Python compiles the modules that are imported, a fraction of all.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "discodock needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -e '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python examples/demo.py

test: $(STAMP)
	$(TEST_ENV) $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python -m discodock.inference.columns > docs/scores.md

bench: $(STAMP)
	$(BIN)/python -m benchmarks.speed

# The packaged checkpoint: score model (8,000 steps, then 5,000 more from the averaged weights), codes with it and their
# prior, both together, the prior again; from there the score model twice more against overfitting, with and without
# peptides, and the mean of the two; the site model, and on poses of all of it the confidence model.
DATA ?= prepared/corpus
COMPLEXES ?= complexes
TRAIN = $(BIN)/discodock train
train-default: $(STAMP)
	$(TRAIN) score --config configs/score.yaml --out runs/first data.root=$(DATA) \
	  run.max_steps=8000 task.optimizer.decay_fraction=0
	$(TRAIN) score --config configs/score.yaml --out runs/plain data.root=$(DATA) \
	  start_from=runs/first/score.safetensors run.max_steps=5000 task.optimizer.decay_fraction=0.6 data.seed=1 task.seed=1
	$(TRAIN) score --config configs/codes.yaml --out runs/codes data.root=$(DATA) task.codes.kl_weight=0 \
	  task.codes.dropout.whole=0.15 start_from=runs/plain/score.safetensors run.max_steps=3000 \
	  task.optimizer.decay_fraction=0.5 data.seed=2 task.seed=2
	$(TRAIN) prior --config configs/prior.yaml --out runs/codes_prior data.root=$(DATA) \
	  start_from=runs/codes/score.safetensors run.max_steps=1000
	$(TRAIN) score --config configs/codes.yaml --out runs/joint data.root=$(DATA) \
	  start_from=runs/codes_prior/prior.safetensors run.max_steps=2000 task.optimizer.decay_fraction=0.5 \
	  task.optimizer.warmup_steps=100 data.seed=5 task.seed=5
	$(TRAIN) prior --config configs/prior.yaml --out runs/prior data.root=$(DATA) \
	  start_from=runs/joint/score.safetensors run.max_steps=800 task.optimizer.learning_rate=5e-4 \
	  task.optimizer.decay_fraction=0.8 task.optimizer.warmup_steps=50 data.seed=6 task.seed=6
	$(BIN)/discodock prepare peptides $(DATA) --out prepared/peptides
	$(TRAIN) score --config configs/finetune.yaml --out runs/frag data.root=$(DATA) \
	  start_from=runs/prior/prior.safetensors data.seed=12 task.seed=12
	$(TRAIN) score --config configs/finetune.yaml --out runs/reg data.root=$(DATA) data.peptides=null \
	  start_from=runs/prior/prior.safetensors data.seed=11 task.seed=11
	$(TRAIN) average runs/reg/score.safetensors runs/frag/score.safetensors --out runs/average.safetensors
	$(TRAIN) site --config configs/site.yaml --out runs/site data.root=$(DATA) start_from=runs/plain/score.safetensors
	$(TRAIN) pack runs/average.safetensors runs/prior/prior.safetensors runs/site/site.safetensors \
	  --out runs/unsure.safetensors
	$(BIN)/discodock prepare poses $(COMPLEXES) --split train --per-cluster 3 --samples 8 --out prepared/poses \
	  --checkpoint runs/unsure.safetensors
	$(BIN)/discodock prepare poses $(COMPLEXES) --split val --per-cluster 4 --samples 20 --out prepared/poses_val \
	  --checkpoint runs/unsure.safetensors
	$(TRAIN) confidence --config configs/confidence.yaml --out runs/confidence start_from=runs/unsure.safetensors
	$(TRAIN) pack runs/unsure.safetensors runs/confidence/confidence.safetensors --out runs/default.safetensors

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
