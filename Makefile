# falkit's commands. `make demo` and `make test` need Python 3.11+, make and the package registries; nothing else.
PYTHON ?= python3
V := .venv/bin

.PHONY: demo test check format lint types wheel seeds tools clean

$(V)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(V)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(V)/python -m pip install --quiet --editable . --group dev --constraint constraints.txt
	@touch $@
