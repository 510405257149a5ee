# `make demo` and `make test` need Python 3.11+ and a package registry, nothing else.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test lint types suite format benchmarks clean

demo: .venv/demo
	$(BIN)/python scripts/demo.py
	$(BIN)/python scripts/demo_generation.py --short
	$(BIN)/python scripts/demo_probe.py --model demo/generation/image --out demo/probe

test: lint types suite

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

suite: .venv/dev
	$(BIN)/python -m pytest -n auto --dist worksteal

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: .venv/dev
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("pyoco-eval needs Python 3.11 or newer, found %d.%d; choose one with: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/base: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/demo: .venv/base
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,probe]'
	touch $@

.venv/dev: .venv/base
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv dist build demo runs
