# Every command of the project. `make run` and `make test` set up what they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SAMPLE_MONTH := $(or $(TIPS_FIRST_MONTH),2024-01)
PACKAGE := tip_assets app tip_assets_tests benchmarks deploy grafana
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run up app containers containers-down containers-backup containers-restore stack stack-down stack-status stack-backup stack-restore rehearse-restore demo test terraform-test test-fast test-properties lint format dashboards docs pictures bench bench-scale bench-guard audit setup setup-stack setup-dask setup-dev lock clean

help:  ## Show these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

run: setup  ## Set up, then run the month on the bundled sample: no server needed
	@tips run --month $(SAMPLE_MONTH) --sample

up: setup  ## Start the app, the Dagster UI with its daemon and the MLflow UI
	@tips up

app: setup  ## Start the app alone: predictions, reports, history
	@tips app

stack: setup-stack  ## Start real servers: Postgres, S3, MLflow, Dagster, app, Prometheus
	@python -m deploy.stack up

stack-down: setup-stack  ## Stop them; their data stay in ./stack
	@python -m deploy.stack down

stack-status: setup-stack  ## Say which of them are ready
	@python -m deploy.stack status

stack-backup: setup-stack  ## Save databases and bucket: make stack-backup TO=/folder/of/all/backups
	@python -m deploy.stack backup $(or $(TO),$(error say where to: TO=/folder/of/all/backups))

stack-restore: setup-stack  ## Bring them back, and start: make stack-restore FROM=/folder/of/one
	@python -m deploy.stack restore $(or $(FROM),$(error say which: FROM=/folder/of/one/backup)) $(REPLACE)

rehearse-restore: setup-dev  ## Save a stack of its own, destroy it, bring it back, compare
	@pytest tip_assets_tests/deploy/test_stack.py -k destroyed -s

COMPOSE = docker compose -f deploy/compose.yaml
SECRETS = $(or $(TIPS_SECRETS_FOLDER),secrets)

containers:  ## Start everything in containers: Docker and its Compose, nothing else
	@sh deploy/containers/make-secrets.sh $(SECRETS)
	@$(COMPOSE) up --build --detach --wait

containers-down:  ## Stop them; their data stay in Docker's volumes
	@$(COMPOSE) down

containers-backup:  ## Save databases and bucket: make containers-backup TO=/folder/of/all/backups
	@mkdir -p -m 700 $(or $(TO),$(error say where to: TO=/folder/of/all/backups))
	@$(COMPOSE) build --quiet backup
	@$(COMPOSE) run --rm --no-TTY backup | tar -x --no-same-owner -C $(TO)

# What uses the databases stops first, and starts again at the end.
containers-restore:  ## Bring them back, and start: make containers-restore FROM=/folder/of/one
	@test -f $(or $(FROM),$(error say which: FROM=/folder/of/one/backup))/manifest.json
	@sh deploy/containers/make-secrets.sh $(SECRETS)
	@$(COMPOSE) --profile backup build --quiet
	@$(COMPOSE) stop app code-location daemon exporter grafana mlflow webserver
	@$(COMPOSE) up --detach --wait postgres s3
	@tar -c -C $(dir $(patsubst %/,%,$(FROM))) $(notdir $(patsubst %/,%,$(FROM))) | \
		$(COMPOSE) run --rm --no-TTY backup backup restore $(REPLACE)
	@$(COMPOSE) up --detach --wait

demo: setup  ## Play three more months, generated: quiet, changed, with broken files
	@tips demo

# Four at once, on two cores too: many tests wait for a server.
test: setup-dev lint  ## Set up, then pass every check and test
	@pytest -n 4 --dist loadfile --no-loadscope-reorder

terraform-test: setup-dev  ## Apply deploy/terraform to an AWS account on loopback: Terraform and its provider needed
	@pytest -x --log-cli-level=INFO tip_assets_tests/deploy/apply_terraform.py

test-fast: setup-dev  ## What to run after an edit: no server, no whole month of its own
	@pytest -n 2 -m "not services and not slow"

test-properties: setup-dev  ## Try the property tests on new random examples
	@pytest -n 2 -m hypothesis --hypothesis-profile random

lint: setup-dev  ## Style, formatting, types, workflows
	@ruff check $(PACKAGE)
	@ruff format --check $(PACKAGE)
	@mypy
	@lint-imports --no-cache --no-logo
	@check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@zizmor --offline --quiet .github
	@hadolint deploy/Dockerfile
	@check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

format: setup-dev  ## Apply the style
	@ruff check --fix $(PACKAGE)
	@ruff format $(PACKAGE)

dashboards: setup-dev  ## Write Grafana's dashboards, after an edit of their code or of the runbook
	@python -m grafana

docs: setup-dev  ## Write docs/settings.md, after a setting has changed
	@python docs/make_settings.py

pictures: setup-dev  ## Draw the pictures of the app in docs/, from a demo of its own
	@folder=$$(mktemp -d) && TIPS_STORAGE=$$folder/demo tips demo && \
		python docs/make_pictures.py $$folder/demo && rm -r $$folder

bench: setup-dev  ## Measure a month against the same calls in a plain script, app and exporter
	@python -m benchmarks.month
	@python -m benchmarks.app_prediction
	@python -m benchmarks.scrape

bench-scale: setup-dev  ## Measure months of 100,000, a million and ten million rows
	@python -m benchmarks.scale

# Of a package that the index does not answer for, nothing is known: that fails, too.
bench-guard: setup-dev  ## Fail when a stage has become a third slower, beside the library alone
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.guard

audit: setup-dev  ## Look the locked packages up among the known vulnerabilities
	@for lock in requirements-setup.lock requirements-dev.lock $(INFRASTRUCTURE)/checkov.lock; do \
		pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; done

setup:  ## Install what the platform needs into .venv
	@$(call once,$(VENV)/.ready)

setup-stack: setup  ## ... and what the servers of `make stack` need
	@$(call once,$(VENV)/.ready-stack)

setup-dask: setup  ## ... and what TIPS_ENGINE=dask needs
	@$(call once,$(VENV)/.ready-dask)

setup-dev:  ## ... and what its tests need
	@$(call once,$(VENV)/.ready-dev)

# For the Python of Debian 12, so that nothing is locked that needs a newer one.
compile = uv pip compile -q --python-version 3.11.2 --generate-hashes --no-header

# An installer that was locked anew is taken by `make clean`: here it would remove itself.
lock: $(VENV)/.uv  ## Resolve and hash the dependencies again
	@$(compile) setup.in -o requirements-setup.lock
	@$(compile) pyproject.toml -o requirements.lock
	@$(compile) pyproject.toml --extra stack -c requirements.lock -o requirements-stack.lock
	@$(compile) pyproject.toml --extra dask -c requirements.lock -o requirements-dask.lock
	@$(compile) pyproject.toml --extra dev --extra stack --extra dask -c requirements.lock -o requirements-dev.lock
	@cd deploy/terraform && $(compile) checkov.in -o checkov.lock
	@touch $(VENV)/.uv

clean:  ## Remove the virtual environment; data stays
	@rm -rf $(VENV)

# Says so when there is nothing to do.
once = if $(MAKE) -q --no-print-directory $(1) 2>/dev/null; then echo "Set-up: nothing to do."; \
	else $(MAKE) --no-print-directory $(1); fi

# Debian packages, each with the commands or files that it brings (deploy/install-packages.sh).
SERVERS = '/usr/lib/postgresql/*/bin/postgres postgres=postgresql' \
	prometheus=prometheus 'prometheus-alertmanager alertmanager=prometheus-alertmanager'
# Playwright's own Node.js needs libatomic, which a minimal Debian lacks.
BROWSER = chromium=chromium '/usr/lib/*/libatomic.so.1 /lib/*/libatomic.so.1=libatomic1'
DEPLOYMENT = jq=jq

logged = bash deploy/logged.sh
install = $(logged) uv pip install -q --no-deps --compile-bytecode

$(VENV)/.uv: requirements-setup.lock
	@$(logged) sh deploy/make-venv.sh "$(PYTHON)" $(VENV)
	@touch $@

$(VENV)/.ready: $(VENV)/.uv requirements.lock pyproject.toml
	@echo "Set-up: installing the locked dependencies (about 1.8 GB on disk) ..."
	@VIRTUAL_ENV=$(VENV) $(install) --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(install) --no-build-isolation -e .
	@$(logged) $(BIN)/python -m compileall -q tip_assets app deploy
	@$(logged) $(BIN)/python -c "from tip_assets.tracking import connection as m; m.migrated_template()"
	@touch $@

$(VENV)/.ready-stack: $(VENV)/.ready requirements-stack.lock
	@echo "Set-up: installing what the stack needs ..."
	@VIRTUAL_ENV=$(VENV) $(install) --require-hashes -r requirements-stack.lock
	@$(logged) sh deploy/install-packages.sh $(SERVERS)
	@touch $@

$(VENV)/.ready-dask: $(VENV)/.ready requirements-dask.lock
	@echo "Set-up: installing Dask ..."
	@VIRTUAL_ENV=$(VENV) $(install) --require-hashes -r requirements-dask.lock
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-stack requirements-dev.lock $(VENV)/.ready-infrastructure
	@echo "Set-up: installing what the tests need ..."
	@VIRTUAL_ENV=$(VENV) $(install) --require-hashes -r requirements-dev.lock
	@$(logged) sh deploy/install-packages.sh $(BROWSER) $(DEPLOYMENT)
	@touch $@

# What checks deploy/terraform.
INFRASTRUCTURE := deploy/terraform
$(VENV)/.ready-infrastructure: $(VENV)/.uv $(INFRASTRUCTURE)/checkov.lock
	@$(logged) uv venv -q --clear $(VENV)/checkov
	@VIRTUAL_ENV=$(VENV)/checkov $(logged) uv pip install -q --no-deps --require-hashes -r $(INFRASTRUCTURE)/checkov.lock
	@touch $@
