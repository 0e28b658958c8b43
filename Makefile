# The ways in. `make` alone lists them. Everything is created in .venv/ and in UXP_DATA_DIR
# (default var/); a second start takes what is there.

PY := .venv/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --no-input --disable-pip-version-check --require-hashes
PYTEST := $(PY) -m pytest -n auto --dist worksteal
COMPILE := $(PY) -m piptools compile --quiet --allow-unsafe --generate-hashes --strip-extras \
	--no-emit-find-links --no-emit-index-url --no-emit-trusted-host

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE  # tests start a hundred processes: let them compile modules once

.PHONY: help demo serve test bench check format schema lock env clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

# `exec` lets Ctrl-C and SIGTERM reach the platform itself, not a shell around it.
demo: .venv/.runtime ## the platform with a demo fleet on http://127.0.0.1:8000 (PORT=…, RESET=1)
	@exec $(PY) manage.py serve --demo $(if $(RESET),--reset)

serve: .venv/.runtime ## the platform without demo data (PORT=…)
	@exec $(PY) manage.py serve

# Two runs, two closing lines: everything on SQLite, then what touches the database on PostgreSQL.
# Every processor takes tests in their order; one that has none left takes half of another's rest.
test: .venv/.dev ## every check and test (ARGS='-k word' narrows it)
	@$(PYTEST) $(ARGS); everything=$$?; \
	echo; echo 'Once more on PostgreSQL: what touches the database.'; \
	UXP_TEST_VENDOR=postgresql $(PYTEST) tests/integration tests/journeys $(ARGS); postgres=$$?; \
	exit $$(( everything ? everything : postgres ))

bench: .venv/.runtime ## the benchmarks: one table, and var/bench.json
	@exec $(PY) manage.py bench

check: .venv/.dev ## formatters, linters, types and contracts, without the tests
	@$(PY) -m pytest -q tests/architecture $(ARGS)

format: .venv/.dev ## rewrite Python and templates in the house's format
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .
	@$(PY) -m djlint --quiet --reformat uxp_diag crashes devices || :  # 1 means it changed something

schema: .venv/.runtime ## write uxp_diag/api/openapi.yaml from the code
	@$(PY) manage.py spectacular --validate --fail-on-warn --file uxp_diag/api/openapi.yaml

lock: .venv/.dev ## pin the dependencies of pyproject.toml (UPGRADE=1 takes newer versions)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file=requirements.lock pyproject.toml
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra=dev --constraint=requirements.lock \
		--output-file=requirements-dev.lock pyproject.toml

env: ## write .env with fresh secrets for docker compose
	@sh uxp_diag/deploy/write-env.sh

clean: ## remove .venv and the caches; data in var/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find crashes devices tests uxp_diag -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@sh uxp_diag/deploy/make-venv.sh

# A stamp is newer than the lock that it was installed from. The development lock holds the same
# versions as the runtime lock and more, so the order of the two does not matter.
.venv/.runtime: requirements.lock | .venv/bin/python
	@echo 'Installing what the platform needs into .venv/ (a minute, once) …'
	@$(PIP_INSTALL) -r requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock | .venv/bin/python
	@echo 'Installing what the tests need into .venv/ (a minute, once) …'
	@$(PIP_INSTALL) -r requirements-dev.lock
	@touch $@ .venv/.runtime
