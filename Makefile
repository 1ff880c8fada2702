# From a clone to a champion: `make demo`. Everything lives in .venv and .recsys; `make clean` removes both.

.PHONY: setup demo up down test test-slow test-all containers check browser bench docs clean
READY := .venv/.ready
# Postgres' files, where root's clone is closed to the account that Postgres runs as (see the README).
OUTSIDE := /var/tmp/recsys-$(shell printf %s "$$(pwd -P)/.recsys" | sha256sum | cut -c 1-12)

setup: $(READY)  ## make the environment from uv.lock

$(READY): uv.lock pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

demo: $(READY)  ## the main job on real ratings: start, train, publish, recommend, stop
	@.venv/bin/recsys demo

up: $(READY)  ## start Postgres, S3 and Airflow, and leave them running
	@.venv/bin/recsys up

down: $(READY)  ## stop them
	@.venv/bin/recsys down

check: $(READY)  ## linters, types, import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	PYTHONPATH=plugins .venv/bin/lint-imports

test: check  ## check, and every quick test, a worker a core with its own Postgres and S3 server
	.venv/bin/python -m pytest -m "not slow" -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

test-slow: $(READY)  ## what is slow by nature: kill drills, stacks of workers, Spark, a browser
	.venv/bin/python -m pytest -m "slow and not containers"

containers: $(READY)  ## docker-compose.yaml, started on a Docker engine of its own; needs root and docker.io
	.venv/bin/python -m pytest tests/containers

test-all: test test-slow containers  ## all; a test that needs an optional service is skipped by name without it

browser: $(READY)  ## the pages in chromium, which must be installed; writes the README's pictures
	PATH="$(CURDIR)/.venv/bin:$$PATH" uv sync --quiet --frozen --inexact --group browser
	SCREENSHOTS=docs/images .venv/bin/python -m pytest tests/browser

bench: $(READY)  ## this project against the article's code
	@.venv/bin/python -m benchmarks compare

requirements.txt: uv.lock  ## export the lock for pip users and for the image, without the sample's package
	@{ echo "# Exported from uv.lock by \`make requirements.txt\`: for pip users and the image. Never edit it."; \
	PATH="$(CURDIR)/.venv/bin:$$PATH" uv export --quiet --frozen --no-dev --all-extras --no-extra sample --no-extra spark \
	    --no-emit-project --no-hashes --no-annotate --no-header; } > $@.new && mv $@.new $@

docs: $(READY)  ## write the pages that come from the code, then build the documentation's site in docs/_build
	@PATH="$(CURDIR)/.venv/bin:$$PATH" uv sync --quiet --frozen --inexact --group docs
	@.venv/bin/python docs/reference.py
	@home=$$(mktemp -d) && AIRFLOW_HOME=$$home AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR PYTHONPATH=plugins \
	    .venv/bin/python -m recsys_airflow.dag_docs dags > docs/dags.md.new; \
	    status=$$?; rm -rf $$home; [ $$status = 0 ] && mv docs/dags.md.new docs/dags.md
	.venv/bin/sphinx-build -q -W --keep-going -b html docs docs/_build
	@echo "docs/_build/index.html"

clean:  ## stop the stack; remove the environment, the stack's data and every cache
	@if [ -x .venv/bin/recsys ] && [ -d .recsys ]; then RECSYS_HOME="$(CURDIR)/.recsys" .venv/bin/recsys down; fi
	rm -rf .venv .recsys docs/_build $(OUTSIDE) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
