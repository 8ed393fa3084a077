# Two commands matter: `make demo` and `make test`. Each sets up what it needs, in .venv, from nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEER_DIR ?= $(HOME)/.cache/codex-py-peer
TEST_MODULES = $(addprefix -p ,$(patsubst tests/%/__init__.py,%,$(wildcard tests/*/__init__.py))) -m conftest -m test_layout -m test_wheel

.PHONY: demo test lint types peer check clean

demo: $(VENV)/.installed
	@$(BIN)/python examples/demo.py

test: $(VENV)/.installed-test
	@$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	@$(BIN)/mypy
	@cd tests && ../$(BIN)/mypy --config-file ../pyproject.toml $(TEST_MODULES)
	@$(BIN)/mypy examples/demo.py bench/round_trips.py bench/processes.py
	@$(BIN)/pyright --pythonpath $(BIN)/python

# The reference server and ours, over the same corpus. Needs npm, to fetch the reference; its folders must not lie below
# /tmp, where the reference could not use its sandbox.
peer: $(VENV)/.installed-test
	@mkdir -p $(PEER_DIR)/home
	@cd tests && reference=$$(../$(BIN)/python -m peer.fetch_reference $(PEER_DIR)) && \
	    ../$(BIN)/python -m peer --work-dir $(PEER_DIR)/work \
	    --reference "CODEX_HOME=$(PEER_DIR)/home $$reference exec-server --listen ws://127.0.0.1:0" \
	    --ours "$(CURDIR)/$(BIN)/codex-py exec-server"

check: test lint types peer

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "codex-py needs Python 3.11 or newer, and \`$(PYTHON)\` is none; name one: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip --version > /dev/null || \
	    { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment with pip; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,test,lint]'
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed
