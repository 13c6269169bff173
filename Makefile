# The two commands: `make run`, `make test`. Everything they need they install themselves.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check --no-input
CONFIG ?= config/relay.yaml
KILLS ?= 200
TERMS ?= 20
FREEZES ?= 20
OUTAGES ?= 20
FUZZ ?= 60
RELEASE ?= trixie

.PHONY: help run install test pythons fresh lint format docs demo bench soak fuzz lock clean

help: ## Show what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.compiled ## Start the relay with config/relay.yaml
	@$(BIN)/relay run --watch --config $(CONFIG)

install: $(VENV)/.compiled ## Make .venv with the relay command in it

test: $(VENV)/.dev ## Everything that must pass
	@sh tests/packages.sh
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest
	$(MAKE) --no-print-directory pythons

pythons: $(VENV)/.dev ## The unit, store and contract suites on every other supported Python
	@sh tests/packages.sh
	@sh tests/pythons.sh

fresh: ## `make run` and `make test` of HEAD on a fresh Debian (RELEASE=trixie)
	@sh tests/packages.sh
	@sh tests/fresh.sh $(RELEASE)

lint: $(VENV)/.dev ## Format, lint, types, import floors, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Bring the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.compiled ## Make the references and the cooperation catalogue anew, from the models
	$(BIN)/python -m docs.generate
	$(BIN)/python routes/cooperation/catalogue.py docs/cooperation

demo: $(VENV)/.compiled ## The cooperation programmes' first year through a relay; reviews in var/demo
	$(BIN)/python -m tests.demo.year

bench: $(VENV)/.dev ## The relay, floors and peers in one run (QUICK=1, ONLY="pass-through github", SYSTEMS="relay forwarder")
	@sh tests/packages.sh bench
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(SYSTEMS),--systems $(SYSTEMS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

soak: $(VENV)/.dev ## Kill, stop and freeze the relay under load, then account for every event (KILLS=200 TERMS=20)
	$(BIN)/python -m tests.faults.soak --kills $(KILLS) --terms $(TERMS) --freezes $(FREEZES) --outages $(OUTAGES)

fuzz: $(VENV)/.dev ## Feed decoding, verification and headers with bytes that reach ever more of their code (FUZZ=60 seconds each)
	@$(PIP) install --require-hashes --requirement requirements-fuzz.lock
	$(BIN)/python -m tests.fuzz.fuzz $(FUZZ)

lock: $(VENV)/.dev ## Lock the newest versions that pyproject.toml allows, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--group build pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--group build --group dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--group fuzz --output-file requirements-fuzz.lock

clean: ## Remove what was installed and cached, but not var/
	find relay -name __pycache__ -exec rm -rf {} +
	rm -rf $(VENV) .pythons .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } >/dev/null \
		|| { echo "install the package python3-venv, then try again"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/pip
	@echo "installing the locked versions"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# A relay that may not write to its own folder, or is told not to, would compile itself at each start: a tenth of it.
$(VENV)/.compiled: $(shell find relay -name '*.py') $(VENV)/.installed
	@$(BIN)/python -m compileall -q relay
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.installed | $(VENV)/.compiled
	@echo "installing what the tests need"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@
