# Everything works on a bare machine with python3, make and a package index.
PYTHON ?= python3
VENV ?= .venv
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
$(if $(VERSION),,$(error $(PYTHON) does not run: give PYTHON=<an interpreter, 3.11 or newer>))
READY := $(VENV)/ready-$(VERSION)
BIN := $(VENV)/bin

.PHONY: demo test lint validate bench notebooks gallery clean

demo: $(READY)
	$(BIN)/womble demo --out out

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

validate: $(READY)
	$(BIN)/python -m pytest -m slow -s

bench: $(READY)
	$(BIN)/python -m pytest -m benchmark -s tests/benchmarks

notebooks: $(READY)
	$(BIN)/python tests/run_notebooks.py out/notebooks

gallery: $(READY)
	$(BIN)/python notebooks/gallery.py notebooks/gallery

# A change of interpreter or of pyproject.toml makes the environment anew.
$(READY): pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) out .pytest_cache .ruff_cache
