# make demo: see it work. make test: run everything that can run here. make help: the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
HOME_DIR := .mail-loop
PORT ?= 4200
# Most tests wait for servers most of the time, so more than there are cores do well.
JOBS ?= 6
COMMIT = $(shell git rev-parse --short=12 HEAD 2>/dev/null)
TABLE ?= ci-output/faults.md

.DEFAULT_GOAL := help
.PHONY: help demo test test-trixie test-lowest audit faults bench bench-fleet bench-short bench-scale bench-scale-short lint servers serve stop lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 19

demo: $(VENV)/.ready ## a whole check on a mail system of its own (KEEP=1 leaves the servers up; OAUTH=1: with tokens)
	@$(BIN)/mail-loop demo --home $(HOME_DIR)/demo $(if $(KEEP),--keep) $(if $(OAUTH),--oauth)

test: $(VENV)/.ready ## all tests that can run here, of the faults and of the longest a sample (WHOLE=1: all; REQUIRE_SERVERS=1: skip none)
	@TESTS_SAMPLE=$(if $(WHOLE),,$(COMMIT)) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

faults: $(VENV)/.ready ## every fault on every stage of both legs, as a table (TABLE=docs/reliability.md: there, too; MB=10: of bombs; SAMPLE=COMMIT: the sample of that commit)
	@MB=$(MB) TESTS_SAMPLE=$(SAMPLE) FAULTS_TABLE=$(TABLE) $(BIN)/python -m pytest -q tests/faults $(ARGS)

bench: $(VENV)/.ready ## how soon and how cheap, beside others: forty minutes (ARGS=--write: into docs/performance.md; AGAINST=CHECKOUT: beside that one)
	@$(BIN)/python -W ignore -m bench $(if $(AGAINST),--against '$(AGAINST)') $(ARGS)

bench-fleet: $(VENV)/.ready ## a thousand loops in one process, and black holes among them: ten minutes (ARGS=--write)
	@$(BIN)/python -W ignore -m bench --part fleet $(ARGS)

bench-short: $(VENV)/.ready ## make bench in half a minute: directions and counts only, which have to hold
	@$(BIN)/python -W ignore -m bench --short

bench-scale: $(VENV)/.ready ## many loops on PostgreSQL and two workers: 25 minutes (ARGS=--write: into docs/scaling.md)
	@$(BIN)/python -W ignore -m bench.scale $(ARGS)

bench-scale-short: $(VENV)/.ready ## the same with fewer loops, more often: four minutes
	@$(BIN)/python -W ignore -m bench.scale --loops 60 --every 1 --minutes 2 --shards 4 --max-wait 20 $(ARGS)

lint: $(VENV)/.ready ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test-trixie: ## make test on Debian 13, with its Python 3.13, in a root of its own; as root (its log: ci-output/trixie.log)
	@+MAKEFLAGS= .ci/trixie

test-lowest: $(LOWEST)/.ready ## tests without servers, with the oldest versions that pyproject.toml allows
	@$(LOWEST)/bin/python -m pytest -n $(JOBS) --dist loadfile tests/unit tests/raw $(ARGS)

audit: ## ask about known vulnerabilities of what operators install: 0 none, 1 some, 2 not all answered for
	@+MAKEFLAGS= $(MAKE) --silent VENV=$(VENV) $(VENV)/.ready && $(BIN)/python deploy/audit.py $(ARGS)

# Where a recipe ends with 1 make itself ends with 2, unless it was asked a question.
ifneq ($(filter $(MAKECMDGOALS),audit test-trixie),)
MAKEFLAGS += --question
endif

servers: ## install Postfix, Dovecot, Postgrey, OpenDKIM, Chromium, Prometheus and a few more from Debian, for the tests
	@.ci/servers

serve: $(VENV)/.ready ## a Prefect server, a worker and the deployments (PORT=4200)
	@$(BIN)/mail-loop serve --home $(HOME_DIR)/serve --port $(PORT)

stop: ## end what serve and demo KEEP=1 left running
	@test ! -x $(BIN)/mail-loop || $(BIN)/mail-loop stop --home $(HOME_DIR)/serve --home $(HOME_DIR)/demo

# Everything in the lock is installed as it stands there, so nothing has to be resolved.
$(VENV)/.ready: pyproject.toml deploy/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...' >&2; exit 1; }
	@echo 'Installing into $(VENV), once ...'
	@$(PYTHON) -m venv $(VENV) || \
		{ echo 'Python has no venv module: on Debian, install python3-venv' >&2; exit 1; }
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r deploy/constraints.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The oldest versions of what pyproject.toml names, and the newest that these allow of the rest.
$(LOWEST)/.ready: pyproject.toml $(VENV)/.ready
	@echo 'Installing into $(LOWEST), once ...'
	@$(PYTHON) -m venv $(LOWEST)
	@$(BIN)/uv pip compile --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --all-extras \
		--no-annotate --no-header pyproject.toml --output-file $(LOWEST)/requirements.txt
	@echo 'hatchling>=1.27' | $(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python \
		--requirement $(LOWEST)/requirements.txt --requirement -
	@$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

lock: $(VENV)/.ready ## make deploy/constraints.txt and runtime.txt anew from pyproject.toml (LOCK=--upgrade: the newest)
	@echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --all-extras \
		--no-annotate --no-header $(LOCK) pyproject.toml - --output-file deploy/constraints.txt
	@echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet --universal --generate-hashes \
		--extra dkim --extra metrics --extra otel --extra redis --no-annotate --no-header \
		--constraints deploy/constraints.txt pyproject.toml - \
		--output-file deploy/runtime.txt

clean: stop ## remove what make made
	@rm -rf $(VENV) $(LOWEST) $(HOME_DIR) ci-output .hypothesis .mypy_cache .pytest_cache .ruff_cache
