# Needs Python 3.11 or newer, make, and a package index; everything else is fetched into .gavan/.
STATE = $(or $(GAVAN_HOME),.gavan)
# The environment that is there already comes first, so that a Python chosen once stays chosen.
ifndef PYTHON
PYTHON := $(shell for python in $(STATE)/venv/bin/python python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
endif
BOOTSTRAP = $(PYTHON) -m embedded.bootstrap
RUN = @$(CHECK) && $(BOOTSTRAP)
DEV = $(RUN) --dev
CHECK = { $(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "Gavan needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }; }
LINT = { echo "== ruff, mypy, the API document"; \
	$(BOOTSTRAP) --dev ruff check . && $(BOOTSTRAP) --dev ruff format --check . && \
	$(BOOTSTRAP) --dev mypy && $(BOOTSTRAP) --dev backend.manage export-openapi --check; }
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade) \
	--custom-compile-command "make lock" pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help up down restart status logs test screenshot bench lint lock openapi clean

help:           ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

up:             ## prepare, start, and deploy the example app; run it again after any change
	$(RUN) embedded.cli up

down:           ## stop everything, keep the data
	@$(CHECK) && $(PYTHON) -m embedded.cli down

restart: down up ## down, then up

status:         ## how each part is (FORMAT=json)
	@$(CHECK) && $(PYTHON) -m embedded.cli status $(if $(FORMAT),--format $(FORMAT))

logs:           ## the last lines of each part (PART=api, LINES=30, FOLLOW=1)
	@$(CHECK) && $(PYTHON) -m embedded.cli logs $(if $(PART),--part $(PART)) $(if $(LINES),--lines $(LINES)) \
		$(if $(FOLLOW),--follow)

test:           ## style, types, the API document and all tests (ARGS="-k name": these tests only)
ifdef ARGS
	$(DEV) pytest $(ARGS)
else
	@$(CHECK) && $(LINT); status=$$?; \
	echo "== tests, on real PostgreSQL, Redis, nginx, Celery and Chromium"; \
	$(BOOTSTRAP) --dev pytest --numprocesses logical --dist worksteal && exit $$status
endif

screenshot:     ## pictures of every page in test-results/screenshots/, and the README's
screenshot: export GAVAN_SCREENSHOT = 1
screenshot:
	$(DEV) pytest tests/browser/test_pages.py tests/browser/test_readme_picture.py

bench:          ## all benchmarks (ONLY=name)
	$(DEV) benchmarks $(if $(ONLY),--only $(ONLY))

lint:           ## style, types, and whether the API document is what the code says
	@$(CHECK) && $(LINT)

lock:           ## compile the lock files from pyproject.toml (UPGRADE=1 for newer releases)
	$(RUN) $(COMPILE) --output-file requirements.txt
	$(RUN) $(COMPILE) --extra dev --output-file requirements-dev.txt

openapi:        ## export openapi/openapi.json
	$(RUN) backend.manage export-openapi

clean: down     ## down, then delete the Python environment and caches, but no data
	@rm -rf $(STATE)/venv .pytest_cache .mypy_cache .ruff_cache
