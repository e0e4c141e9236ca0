# Two commands matter: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test unit lint labs bench compiled conformance soak fuzz clean help
.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[envoy,dev]'
	touch $@

demo: $(STAMP)  ## the canary lab: watch 5 % of the traffic move to v2, and the proof
	$(BIN)/meshctl lab run canary

test: $(STAMP)  ## every test
	$(BIN)/python -m pytest

unit: $(STAMP)  ## the tests that start no lab
	$(BIN)/python -m pytest -m 'not lab and not docker'

lint: $(STAMP)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A copy of the packages in which what a request passes is compiled (setup.py says which modules). Whatever is
# started with COMPILED_FIRST imports that copy instead of the sources, and so do the sidecars that it starts.
COMPILED       := $(abspath $(VENV))/compiled
COMPILED_FIRST := PYTHONSAFEPATH=1 PYTHONPATH=$(COMPILED)

$(COMPILED)/.built: $(STAMP) setup.py $(shell find mesh -name '*.py')
	rm -rf $(COMPILED) $(COMPILED).new
	MESH_LABS_COMPILE=1 $(BIN)/python setup.py --quiet build --build-lib $(COMPILED).new
	rm -rf $(COMPILED).new/labs $(COMPILED).new/loadtests
	touch $(COMPILED).new/.built
	mv $(COMPILED).new $(COMPILED)

compiled: $(COMPILED)/.built  ## the sidecar's wire path compiled by mypyc (half a minute, needs a C compiler)

TESTS ?= tests/mesh/http tests/mesh/proxy tests/conformance
conformance: compiled  ## the compiled sidecar: its own tests, and case by case against the real Envoy
	$(COMPILED_FIRST) $(BIN)/pytest $(TESTS)

bench: $(STAMP)  ## our sidecar, compiled where there is a C compiler, against the real Envoy, side by side
	@$(MAKE) --no-print-directory compiled || echo 'it could not be compiled, and is measured interpreted'
	$(COMPILED_FIRST) $(BIN)/python -m loadtests.bench

SECONDS_OF_SOAK ?= 300
soak: $(STAMP)  ## a mesh under load, kills, stalls, resets and changes, every request accounted for
	$(BIN)/python -m loadtests.soak --seconds $(SECONDS_OF_SOAK)

SECONDS ?= 60
fuzz: $(STAMP)  ## every parser against what nobody thought of, for SECONDS=60; ARGS="--seed N TARGET ..."
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet atheris \
		|| echo 'atheris is not to be had for this Python: our own mutator, not guided by coverage'
	PYTHONPATH=tests/fuzz:tests/conformance $(BIN)/python -m fuzzing --seconds $(SECONDS) $(ARGS)

clean:  ## remove the venv, the caches and the labs' run folders
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz labs/.runs
