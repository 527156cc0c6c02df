# Jakarta One: `make run` shows it working, `make test` proves it. Both set up what they need.

PYTHON ?= python3
JOBS ?= 2
# Tests wait more than they work, for processes, deadlines and disks.
WORKERS ?= 3

BIN := .venv/bin
READY := .venv/.ready
FAILED := .venv/.failed
CODE := engine protocol storage actors terminals ops bench tests
STATIC := ruff format flake8 mypy basedpyright imports deptry vulture
# Least coverage of each package in per cent, branches included.
FLOORS := engine:100 protocol:100 storage:100 actors:95 terminals:95 ops:95 bench:95
# Parts of the tests that take long by what they are: whole nodes, crashes, many cases, readers.
THOROUGH := bench crash e2e fuzz planted protocol/autobahn readers
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help setup run test quick lock clean $(STATIC) node-client pytest pytest-fast coverage

help:
	@echo 'make run     a morning of the city, from nothing: under a minute after set-up'
	@echo 'make test    set-up, then every check'
	@echo 'make quick   set-up, then the checks that end within 90 seconds'
	@echo 'make setup   .venv with everything in it'
	@echo 'make lock    resolve pyproject.toml into the lock files anew'
	@echo 'make clean   remove .venv and the caches'
	@echo 'one check:   make $(STATIC) node-client pytest coverage'

setup: $(READY)

$(READY): pyproject.toml requirements.lock requirements-extras.lock scripts/setup.sh \
		scripts/readers.sh
	@PYTHON='$(PYTHON)' sh scripts/setup.sh
	@touch $@

run: setup
	@$(BIN)/jakarta-one demo

# Runs one check and remembers its name if it fails.
check = printf '\n== %s\n' '$@'; $(1) || { echo '$@' >> $(FAILED); exit 1; }

# Runs the static checks two at a time, then the tests with the machine to themselves, and says
# how all of it ended. No failure hides another.
all_of = : > $(FAILED); ok=yes; \
	$(MAKE) --no-print-directory --keep-going --output-sync=target -j$(JOBS) $(1) || ok=no; \
	$(MAKE) --no-print-directory --keep-going -j1 $(2) || ok=no; \
	if [ $$ok = no ]; then \
		printf '\nmake $@: FAILED: %s\n' "$$(tr '\n' ' ' < $(FAILED))"; exit 1; \
	fi; \
	printf '\nmake $@: every check passed\n'

test: setup
	@$(call all_of,$(STATIC),node-client pytest coverage)

quick: setup
	@$(call all_of,ruff format mypy imports,node-client pytest-fast)

ruff:
	@$(call check,$(BIN)/ruff check --output-format=concise .)

format:
	@$(call check,$(BIN)/ruff format --check .)

# Only flake8-async, which finds what ruff does not: an await in finally, a swallowed Cancelled.
# 910 to 913 want a certain checkpoint on every path; a fast path that need not wait has none.
# 114 and 128 do not see a task_status that is handed on; trio itself tells when it was forgotten.
# 124 wants an await in every async function; an inline twin of a thread or a fake has none.
ASYNC := --isolated --select=ASYNC \
	--extend-ignore=ASYNC114,ASYNC124,ASYNC128,ASYNC910,ASYNC911,ASYNC912,ASYNC913

flake8:
	@$(call check,$(BIN)/flake8 $(ASYNC) $(CODE))

mypy:
	@$(call check,$(BIN)/mypy)

basedpyright:
	@$(call check,$(BIN)/basedpyright)

imports:
	@$(call check,$(BIN)/lint-imports --no-logo)

deptry:
	@$(call check,$(BIN)/deptry .)

vulture:
	@$(call check,$(BIN)/vulture)

# The second client needs Node.js; where that is missing, its tests are left out, except in CI.
node-client:
	@$(call check,sh scripts/node_client.sh)

pytest:
	@$(call check,$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=)

pytest-fast:
	@$(call check,$(BIN)/pytest -n $(WORKERS) --dist worksteal -m 'not slow' -q \
		$(foreach part,$(THOROUGH),--ignore=tests/$(part)))

coverage:
	@$(call check,sh scripts/coverage.sh $(FLOORS))

lock: setup
	$(LOCK) --extra dev --extra bench -o requirements.lock
	$(LOCK) --extra pcsc --extra cluster -c requirements.lock -o requirements-extras.lock

clean:
	rm -rf .venv tests/node_client/node_modules .hypothesis .*_cache .coverage .coverage.* \
		htmlcov build dist
