# make demo: set up (without what only developers need), run the demo on the nano base, end with the report's path.  make demo-real: on a real base (fetched, 93 MB).  make test: set up, run every test.
# make lab: open JupyterLab on the start page.  make docs: build the documentation.  All need only Python 3.11 and make; what is set up lies in .venv.
FIND := for p in python3.11 python3 python; do if "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then echo "$$p"; break; fi; done
PYTHON ?= $(shell $(FIND))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
STRIPPED := $(BIN)/nbstripout --verify --keep-id --extra-keys "metadata.papermill cell.metadata.papermill" notebooks/*.ipynb

.PHONY: setup setup-dev demo demo-real test lab docs lint clean
setup: .venv/.ready
setup-dev: .venv/.ready-dev

.venv/.ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 was not found: install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "No virtual environment could be made: on Debian and Ubuntu install python3.11-venv"; exit 2; }
	@echo "Setting up .venv; the first time takes a few minutes"
	@# torch first and by itself: left to the resolver, other builds of several GB may come
	@$(PIP) torch==2.13.0
	@$(PIP) -e .
	@touch $@

# what only developers need: linters, browser, load tools, documentation
.venv/.ready-dev: .venv/.ready
	@echo "Adding what tests and documentation need"
	@$(PIP) -e '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/ftkit run params/demo.yaml

demo-real: setup
	@$(BIN)/ftkit run params/demo-real.yaml

lab: setup
	@$(BIN)/ftkit lab

docs: setup-dev
	@$(BIN)/python docs/build.py outputs/site outputs/demo

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(STRIPPED)
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

test: lint
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

clean:
	rm -rf .venv outputs
