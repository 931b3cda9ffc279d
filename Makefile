# make demo: set up, run the walk on the embedded default, end with the report's path.  make test: set up, run every test.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup demo test lab lint clean
setup: .venv/.ready

.venv/.ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/ftkit run params/demo.yaml

lab: setup
	$(BIN)/ftkit lab

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf .venv outputs
