# isolib: `make demo` and `make test` set up all they need; `make help` lists the rest.

# The results must not depend on the caller's PATH: a folder in it that only root may enter changes what execvp answers.
export PATH := /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV ISOLIB_ROOT
SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest -p no:cacheprovider
C_FILES := $(wildcard csrc/*.[ch] benchmarks/*.[ch] tools/*.c tests/*/*.c)
PY_PATHS := src tests examples tools benchmarks setup.py docs/conf.py

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: venv
venv: $(VENV)/.stamp-dev ## .venv with everything development needs
$(VENV)/.stamp-%: pyproject.toml tools/setup tools/requirements.py
	@tools/setup $*
	@touch $@

.PHONY: build
build: $(VENV)/.installed ## the C, in place; quick when nothing changed
	@$(PY) setup.py -q build_ext --inplace
$(VENV)/.installed: $(VENV)/.stamp-build
	@$(PY) -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . </dev/null
	@touch $@

.PHONY: wheel
wheel: $(VENV)/.stamp-build ## dist/isolib-*.whl
	@$(PY) -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist . </dev/null
	@ls dist

.PHONY: lint
lint: venv build ## ruff, mypy --strict, clang-format
	$(PY) -m ruff check $(wildcard $(PY_PATHS))
	$(PY) -m ruff format --check $(wildcard $(PY_PATHS))
	$(PY) -m mypy
	$(VENV)/bin/clang-format --dry-run -Werror $(C_FILES)

.PHONY: format
format: $(VENV)/.stamp-dev ## what lint would complain about, repaired
	$(PY) -m ruff check --fix-only -q $(wildcard $(PY_PATHS))
	$(PY) -m ruff format -q $(wildcard $(PY_PATHS))
	$(VENV)/bin/clang-format -i $(C_FILES)

STAGE := tools/stage
SUB := $(MAKE) --no-print-directory

.PHONY: test
test: ## everything: lint, docs, sanitizers, ordinary user, cgroup v2; ends with one pytest summary
	@$(STAGE) --clear
	@$(STAGE) "set up" $(SUB) venv
	@$(STAGE) "build" $(SUB) build
	@$(STAGE) "lint" $(SUB) lint || true
	@$(STAGE) "docs" $(SUB) docs || true
	@$(STAGE) "sanitizers" $(SUB) sanitize || true
	@$(STAGE) "as an ordinary user" $(SUB) test-user || true
	@$(STAGE) "on cgroup v2, in a VM" $(SUB) test-v2 || true
	@$(STAGE) --table
	@$(PYTEST) tests </dev/null; status=$$?; ! $(STAGE) --failed && exit $$status

.PHONY: test-unit
test-unit: venv build ## no privileges, no sleep: seconds
	@$(PYTEST) tests/unit tests/arch </dev/null

.PHONY: test-root
test-root: venv build ## every test, as who calls
	@$(PYTEST) tests </dev/null

.PHONY: test-user
test-user: venv build ## every test as an ordinary user (called by root; an ordinary caller is one)
	@if [ "$$(id -u)" != 0 ]; then echo "the caller is an ordinary user: the last run is this one"; \
	elif [ -x tests/harness/test-user ]; then tests/harness/test-user </dev/null; \
	else echo "tests/harness/test-user is missing" >&2; exit 1; fi

.PHONY: test-v2
test-v2: build ## the kernel tests on pure cgroup v2 and an older kernel, in a VM
	@if [ -x tests/harness/test-v2 ]; then tests/harness/test-v2 </dev/null; \
	else echo "tests/harness/test-v2 is missing" >&2; exit 1; fi

.PHONY: sanitize
sanitize: venv build ## the kernel and security tests over ASan and UBSan builds of the C
	@tools/sanitize tests/kernel tests/security -m "not slow" --deselect tests/kernel/test_harness.py

.PHONY: docs
docs: venv build ## docs/_build/html; a warning is an error
	@$(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

.PHONY: bench
bench: venv build ## isolib, the floor in C and the peers in turn: a table and a picture
	@$(PY) -m benchmarks

.PHONY: demo
demo: build ## set up, build, and show isolation, limits and the plan
	@$(PY) examples/demo.py

.PHONY: clean
clean: ## all that the other targets made
	rm -rf build dist docs/_build $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
	rm -f src/isolib/_isolib*.so src/isolib/linux/init
	find $(wildcard src tests tools examples benchmarks) -name __pycache__ -prune -exec rm -rf {} +
