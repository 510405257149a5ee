# `make demo` and `make test` need Python 3.11+ and a package registry, nothing else.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# What runs in environments other than that of constraints.txt.
ELSEWHERE := tests/test_installation.py tests/videos/test_video_files.py
FRESH := $(PYTHON)
WHAT := .

.PHONY: demo test lint types suite test-processors test-unpinned test-lowest format benchmarks docs clean

demo: .venv/demo
	$(BIN)/python scripts/demo.py

test: lint types suite

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

suite: .venv/dev
	$(BIN)/python -m pytest -n auto --dist worksteal

# The suite as far as processors matter to it, on this one with instructions taken away: oneDNN and
# PyTorch each keep a list of them, and either may be the shorter one.
test-processors: .venv/dev
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest -n auto tests/features tests/test_installation.py
	ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default $(BIN)/python -m pytest -n auto tests/features/test_precision.py tests/features/test_tiny.py

# As users install: no constraints, the newest of everything. FRESH=python3.13 chooses the Python,
# WHAT=dist/pyoco_eval-0.1.0-py3-none-any.whl a wheel.
test-unpinned:
	rm -rf .venv-unpinned
	$(FRESH) -m venv .venv-unpinned
	.venv-unpinned/bin/python -m pip install --quiet '$(WHAT)[train,probe]' pytest hypothesis
	.venv-unpinned/bin/pytest -W default $(ELSEWHERE)
	rm -rf .venv-unpinned

# The oldest versions pyproject.toml allows, on the oldest Python.
test-lowest:
	rm -rf .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt '.[train,probe]' pytest hypothesis
	.venv-lowest/bin/pytest -W default $(ELSEWHERE)
	rm -rf .venv-lowest

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: .venv/dev
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# The pages of the Python API, in site/.
docs: .venv/docs
	$(BIN)/python scripts/api_pages.py site

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

.venv/docs: .venv/base
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv .venv-unpinned .venv-lowest dist build site demo runs
