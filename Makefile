# Everything a newcomer needs, with python3.11 and the package registry alone. `make help` lists it.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LOCK   := $(wildcard requirements.lock)

# What the wheel for the processor is called; a range would fetch gigabytes for accelerators.
TORCH  := torch==2.13.0

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo serve lock test check format bench nightly eval clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Installs once; again only when the lock or the project's declaration changes.
$(STAMP): pyproject.toml $(LOCK)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet "$(TORCH)"
ifneq ($(LOCK),)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
else
	$(BIN)/python -m pip install --quiet -e . --group dev
endif
	@touch $@

demo: $(STAMP) ## one question, three people, three answers; leaves the service running
	@$(BIN)/strongroom demo $(DEMO)

serve: $(STAMP) ## run the service with the settings of the environment
	@$(BIN)/strongroom serve

lock: $(STAMP) ## pin every package again, with hashes and without addresses
	$(BIN)/uv pip compile pyproject.toml --group dev --quiet --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-package torch --output-file requirements.lock

check: $(STAMP) ## formatting, lint, types, import directions, container files
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile

test: check ## everything above, all tests, and the coverage that is promised
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=
	$(BIN)/python -m coverage report --include='acl/*' --fail-under=100
	$(BIN)/python -m coverage report --fail-under=95

format: $(STAMP) ## bring files into the one format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(STAMP) ## measure every speed that the README claims
	$(BIN)/python -m bench

nightly: $(STAMP) ## the long runs: many more random cases and crashes
	STRONGROOM_DECISIONS=3000000 STRONGROOM_PROMISES=2000 STRONGROOM_KILLS=1000 STRONGROOM_PAIRS=100000 \
		STRONGROOM_MACHINES=50 STRONGROOM_HIDDEN=10000 STRONGROOM_MUTANTS=0 \
		STRONGROOM_PATTERNS=100000 STRONGROOM_CONDITIONS=60000 STRONGROOM_SIBLINGS=5000 \
		$(BIN)/python -m pytest -n 2 -rP \
		tests/unit/acl/language/test_patterns.py tests/unit/acl/language/test_expression.py \
		tests/properties tests/crash tests/integration/test_revocation.py \
		tests/integration/test_machine.py tests/integration/test_storm.py \
		tests/integration/test_noninterference.py

eval: $(STAMP) ## measure how good the answers are on judged collections
	$(BIN)/python -m bench.quality

clean: ## remove the environment, caches and the demo's data
	rm -rf $(VENV) .demo .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
