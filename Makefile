# What this project can do. Everything it needs beyond git, make, python3 (>= 3.11, with venv) and Node (>= 20) goes into
# .tools, .venv and the folders node_modules of services/web and tests/support/oidc.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
UV := .tools/uv/bin/uv
STAMPS := .tools/stamps
WEB := services/web
PROVIDER := tests/support/oidc
BUNDLE := services/standalone/src/taskscope/web
VIEWER := services/api/src/taskscope_api/viewer/bundled
MEMBERS := services/shared services/collector services/api services/standalone services/client
PYPROJECTS := pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS) examples/archive)
# Slow tests mostly wait for servers and workers, so there are more processes than cores. A file stays in one process: its
# fixtures (servers, workers) start once. Not by xdist_group: pytest-xdist 3.8 does not see groups with pytest 9.2 (its issue 1386).
PYTEST_WORKERS ?= 3

# The machine's own Python, never one that uv downloads.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON ?= python3
export UV_NO_PROGRESS := 1

.PHONY: help setup web viewer demo test lint types web-check web-page test-unit test-python test-cluster test-images images bench wheel clean chromium

help: ## Say what make can do (this list)
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: $(STAMPS)/python $(STAMPS)/npm ## Install uv, the Python packages and the npm packages into this folder

web: $(STAMPS)/web ## Build the page and put it where taskscope serves it from

viewer: $(STAMPS)/viewer ## Put the viewer of the api's description where the api serves it from, at /docs

demo: $(STAMPS)/python $(STAMPS)/web $(STAMPS)/viewer ## Start a video archive with real Celery and RQ workers, and Taskscope watching it
	@exec .venv/bin/python -m archive.demo

test: lint types web-check test-python ## Check everything: style, types, the page and all tests

lint: $(STAMPS)/python ## Check style and common mistakes (ruff)
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: $(STAMPS)/python ## Check types (mypy, strict)
	.venv/bin/mypy $(addsuffix /src,$(MEMBERS) examples/archive) deploy/helm/readme.py deploy/helm/taskscope/files/check.py services/web/contract.py services/web/screenshots.py tests

web-check: $(STAMPS)/npm ## Check the page: types, style and its unit tests
	cd $(WEB) && npm run --silent check && npm run --silent test

web-page: $(STAMPS)/python $(STAMPS)/npm $(STAMPS)/web $(STAMPS)/viewer chromium ## Check every page in Chromium, against the demo's real workers (test does it, too)
	.venv/bin/python -m pytest -q -s tests/e2e/test_pages.py

.PHONY: screenshots
screenshots: $(STAMPS)/python $(STAMPS)/web $(STAMPS)/viewer chromium ## Take the pictures of README and docs anew, of the running demo (8 minutes)
	.venv/bin/python services/web/screenshots.py

.PHONY: contract
contract: $(STAMPS)/python $(STAMPS)/npm ## Write the page's types from what the api says of itself
	.venv/bin/python services/web/contract.py

.PHONY: chart lint-chart promtool
chart: $(STAMPS)/python ## Write the README of the Helm chart from the comments in its values.yaml
	.venv/bin/python deploy/helm/readme.py

lint-chart: $(STAMPS)/python promtool ## Check the Helm chart: lint, schema, every way of running it, its rules (needs helm)
	.venv/bin/python -m pytest -q tests/chart

test-unit: $(STAMPS)/python ## Run the quick tests alone: no server, no browser
	.venv/bin/python -m pytest -q tests/unit tests/architecture

test-python: $(STAMPS)/python $(STAMPS)/npm $(STAMPS)/web $(STAMPS)/viewer chromium promtool
	.venv/bin/python -m pytest -q -n $(PYTEST_WORKERS) --dist loadfile --durations 10 --durations-min 20

test-cluster: $(STAMPS)/python $(STAMPS)/npm chromium images ## Install the chart into the cluster of KUBECONFIG, and prove it there
	.venv/bin/python -m pytest -q -m cluster

test-images: $(STAMPS)/python $(STAMPS)/npm chromium images ## Build the container images, and run the tests that run them
	.venv/bin/python -m pytest -q -m images tests/e2e

bench: $(STAMPS)/python ## Measure what docs/benchmarks.md reports (takes minutes; wants the machine to itself)
	.venv/bin/python tests/bench/run.py

wheel: $(STAMPS)/python $(STAMPS)/web $(STAMPS)/viewer ## Build the wheels into dist/; those of taskscope and taskscope-api carry their pages
	rm -rf dist
	for member in $(MEMBERS); do $(UV) build -q --wheel --out-dir dist "$$member"; done
	@ls dist/*.whl
	@echo 'Install with: pip install dist/*.whl'

# The version is the workspace's; the age of what is in the images is that of the commit, so that building it again gives the same.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
CREATED = $(shell python3 -c 'from datetime import UTC, datetime; print(datetime.fromtimestamp($(SOURCE_DATE_EPOCH), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))')

images: ## Build the container images taskscope-collector, taskscope-api and taskscope-web (needs Docker)
	@for image in collector api web; do \
	  docker build -q -f deploy/images/Dockerfile --target $$image -t taskscope-$$image:$(VERSION) -t taskscope-$$image:dev \
	    --build-arg UV_VERSION=$(UV_VERSION) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	    --build-arg CREATED=$(CREATED) --build-arg SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) . >/dev/null; \
	  echo "taskscope-$$image:$(VERSION)"; \
	done

clean: ## Remove what was built or installed here (not uv itself)
	rm -rf .venv dist build $(STAMPS) $(WEB)/node_modules $(PROVIDER)/node_modules $(WEB)/dist $(BUNDLE) $(VIEWER) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# ------------------------------------------------------------------------------------------------------------- Stamps

$(STAMPS):
	@mkdir -p $@

$(STAMPS)/uv-$(UV_VERSION): | $(STAMPS)
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Taskscope needs python3 >= 3.11.' >&2; exit 1; }
	@python3 -m venv .tools/uv || { echo 'python3 has no venv: install it (Debian: apt-get install python3-venv).' >&2; exit 1; }
	.tools/uv/bin/pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(STAMPS)/python: $(STAMPS)/uv-$(UV_VERSION) uv.lock $(PYPROJECTS)
	$(UV) sync -q --locked --all-packages --all-groups
	@touch $@

$(STAMPS)/npm: $(WEB)/package-lock.json $(PROVIDER)/package-lock.json | $(STAMPS)
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || { echo 'Taskscope needs Node >= 20.' >&2; exit 1; }
	for folder in $(WEB) $(PROVIDER); do (cd $$folder && npm ci --silent --no-audit --no-fund --ignore-scripts); done
	@touch $@

WEB_SOURCES := $(shell find $(WEB) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/tests/*' 2>/dev/null)

$(STAMPS)/web: $(STAMPS)/npm $(WEB_SOURCES)
	cd $(WEB) && npm run --silent build -- --logLevel warn
	rm -rf $(BUNDLE)
	cp -r $(WEB)/dist $(BUNDLE)
	@touch $@

$(STAMPS)/viewer: $(STAMPS)/npm
	rm -rf $(VIEWER)
	mkdir -p $(VIEWER)
	cd $(WEB)/node_modules/swagger-ui-dist && cp swagger-ui-bundle.js swagger-ui.css swagger-ui-bundle.js.LICENSE.txt LICENSE NOTICE ../../../../$(VIEWER)
	@touch $@

chromium:
	@command -v chromium >/dev/null || \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; \
	  else echo 'The browser tests need Chromium: sudo apt-get install chromium' >&2; exit 1; fi

# Prometheus's tool for rules is in Debian's package of Prometheus; nothing is installed.
promtool: | $(STAMPS)
	@command -v promtool >/dev/null || test -x .tools/promtool || { \
	  if command -v apt-get >/dev/null; then \
	    rm -rf .tools/prometheus && mkdir -p .tools/prometheus && cd .tools/prometheus && \
	    { apt-get download -q prometheus >/dev/null 2>&1 || { [ "$$(id -u)" != 0 ] || apt-get update -q; apt-get download -q prometheus; }; } && \
	    dpkg -x prometheus_*.deb . && mv usr/bin/promtool ../promtool && cd .. && rm -rf prometheus; \
	  else echo 'The tests of alerts need promtool: install Prometheus' >&2; fi; }
