# `make app` shows the app, `make test` checks everything. Both need only Python 3.11 or newer, git and make.

PYTHON ?= python3
PORT ?= 8501
# For instance PIP_FLAGS="--extra-index-url ADDRESS" with the address of PyTorch's CPU builds, for torch without CUDA.
PIP_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin

# A stamp carries the checksum of the lists it was made from, so that only a changed list is installed again. What stands
# in pyproject.toml from the linters' settings on is no such list.
PROJECT := sed '/^\[tool\.ruff\]/,$$d' pyproject.toml
RUN_STAMP := $(VENV)/.installed-$(shell $(PROJECT) | cat - requirements.txt | cksum | tr ' ' '-')
DEV_STAMP := $(VENV)/.installed-dev-$(shell $(PROJECT) | cat - requirements.txt requirements-dev.txt | cksum | tr ' ' '-')
SUPPLY_STAMP := $(VENV)/.installed-supply-$(shell cksum <requirements-supply.txt | tr ' ' '-')

# Of whatever the image holds: its Python and its processor, and checksums of all.
LOCKED := --quiet --upgrade --generate-hashes --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
    --custom-compile-command "make lock"

# A file of tests a process, as fixtures are shared within files; in their order, so that no long one comes last.
AT_ONCE := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Threads that wait do not spin: processes side by side need their cores. Measured on 246 tests: 46 s against 55 s.
export OMP_WAIT_POLICY ?= passive

# Each of the processes that tests start would else compile crosspool again.
unexport PYTHONDONTWRITEBYTECODE

# Counting the lines that tests run costs little from Python 3.12 on (sys.monitoring), and a quarter of the time before:
# measured on traces of networks, 1.8 s against 2.2 s. So `make test` counts where it is cheap, `make coverage` everywhere.
COUNTED := $$($(BIN)/python -c "import sys; print('--cov' * (sys.version_info >= (3, 12)))")

CODE := app.py pages crosspool benchmarks tests docs/hooks.py
TEXT := $(wildcard *.md) docs deploy assets/SAMPLES.md

.DEFAULT_GOAL := help
.PHONY: help app test test-ray lint format unit coverage docs bench secrets lock audit sbom clean

help:
	@echo "make app     install what is needed and serve the app on http://localhost:$(PORT) (PORT=...)"
	@echo "make test    lint, format, types and all tests, those in a browser included"
	@echo "make test-ray  those of Ray's machines, which it installs"
	@echo "make unit    the tests that need no browser      make coverage  which lines they do not run"
	@echo "make lint    code, types, walls, scripts, words  make format    let ruff rewrite the code"
	@echo "make docs    the documentation as a website      make bench     the speed of pooling"
	@echo "make secrets no password or key in any file      make lock      the image's packages, with checksums"
	@echo "make audit   their known vulnerabilities         make sbom      their list, for other tools"
	@echo "make clean   remove the environment and the caches"

app: $(RUN_STAMP)
	$(BIN)/python -m streamlit run app.py --server.port $(PORT)

test: $(DEV_STAMP)
	@$(BIN)/python -m benchmarks.harness.chromium >$(VENV)/.chromium
	@echo "browser tests use $$(cat $(VENV)/.chromium)"
	@$(MAKE) --no-print-directory lint
	CROSSPOOL_CHROMIUM="$$(cat $(VENV)/.chromium)" COVERAGE_CORE=sysmon $(BIN)/python -m pytest $(AT_ONCE) $(COUNTED)

lint: $(DEV_STAMP)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports --no-logo
	$(BIN)/oxlint --deny-warnings
	$(BIN)/codespell $(CODE) $(TEXT)

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

test-ray: $(DEV_STAMP)
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -e ".[app,networks,store,ray]"
	$(BIN)/python -m pytest -rs tests/shards/test_on_ray.py

unit: $(DEV_STAMP)
	$(BIN)/python -m pytest $(AT_ONCE) -m "not browser"

coverage: $(DEV_STAMP)
	$(BIN)/python -m pytest $(AT_ONCE) -m "not browser" --cov --cov-report=term-missing

docs: $(RUN_STAMP)
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -e ".[app,networks,docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "open site/index.html"

bench: $(RUN_STAMP)
	$(BIN)/python -m benchmarks.speed.pooling

# Also what is staged or new, and not ignored.
secrets: $(DEV_STAMP)
	git ls-files -z --cached --others --exclude-standard | xargs -0 $(BIN)/detect-secrets-hook --no-verify --exclude-files '\.lock$$'

# The three below need the network: PyPI, its advisories, and PyTorch's builds for CPUs.
lock: $(SUPPLY_STAMP)
	$(BIN)/uv pip compile $(LOCKED) --extra app --extra networks --torch-backend cpu --output-file deploy/requirements.lock pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	    | $(BIN)/uv pip compile $(LOCKED) --output-file deploy/build.lock -

# Advisories name releases, not builds of them.
audit: $(SUPPLY_STAMP)
	@mkdir -p dist
	cat deploy/*.lock | sed 's/+cpu / /' >dist/audited.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement dist/audited.txt

sbom: $(SUPPLY_STAMP)
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file dist/crosspool.cdx.json deploy/requirements.lock
	@echo "the image's packages are listed in dist/crosspool.cdx.json"

clean:
	rm -rf $(VENV) build dist site *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN_STAMP): | $(BIN)/pip
	$(BIN)/python -m pip install $(PIP_FLAGS) -r requirements.txt
	@rm -f $(VENV)/.installed-[0-9]*
	@touch $@

# With what the app needs, at once: the clone is built and the packages are resolved a single time.
$(DEV_STAMP): | $(BIN)/pip
	$(BIN)/python -m pip install $(PIP_FLAGS) -r requirements-dev.txt
	@rm -f $(VENV)/.installed-[0-9]* $(VENV)/.installed-dev-*
	@touch $(RUN_STAMP) $@

$(SUPPLY_STAMP): requirements-supply.txt | $(BIN)/pip
	$(BIN)/python -m pip install -r requirements-supply.txt
	@rm -f $(VENV)/.installed-supply-*
	@touch $@

# Takes the first Python that is new enough; pip is the last thing that venv makes, so a half-made environment
# has none and is made again.
$(BIN)/pip:
	@found=; \
	for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "crosspool needs Python 3.11 or newer; found $$("$(PYTHON)" --version 2>&1 || true). Try: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	    exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)
