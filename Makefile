# Two commands on a fresh machine: `make demo` and `make test`. Nothing is installed outside .venv.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile
# By all processors, where pip uses one. A few packages carry files for other versions of Python.
COMPILE = .venv/bin/python -m compileall -qq -j 0 .venv/lib || true
export PYTHONDONTWRITEBYTECODE ?=

.PHONY: venv demo test test-long test-together test-alone compiled check audit docs tutorial pictures coverage faults soak bench nightly wheel wheel-test test-timescale lock clean

# Insitu alone, without starting anything: the command line is .venv/bin/insitu.
venv: .venv/runtime

demo: .venv/runtime
	.venv/bin/insitu demo

# One test: .venv/bin/python -m pytest tests/test_units.py
# Three workers keep two cores busy: some tests wait for a server most of their time.
WORKERS ?= 3
test: .venv/dev compiled
	.venv/bin/python -m pytest -n $(WORKERS) --no-loadscope-reorder -m "not long and not browser and not alone and not nightly"

# Whole installations that wait, are killed and restart; then what measures time by itself.
test-long:
	$(MAKE) test-together
	$(MAKE) test-alone

WAITING_WORKERS ?= 5
test-together: .venv/dev compiled
	.venv/bin/python -m pytest -n $(WAITING_WORKERS) --no-loadscope-reorder -m "(long or browser) and not alone and not nightly" \
		$$(grep -rlE --include='test_*.py' 'mark\.(long|browser)' tests)

test-alone: .venv/dev compiled
	.venv/bin/python -m pytest -m "alone and not nightly" $$(grep -rl --include='test_*.py' mark.alone tests)

# Once, before every worker and every server of a test would do it.
compiled: .venv/dev
	.venv/bin/python -m compileall -q -j 2 api cli ingest insitu jobs proving simulators store trials

check: .venv/dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Known weaknesses of what the lock files install, by the advisories of the Python Package Index (needs its network).
audit: .venv/dev
	.venv/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock
	.venv/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.lock

# The documentation as a site in out/site. Every warning is an error, and nothing is loaded from another address.
docs: .venv/dev
	.venv/bin/python -m sphinx -W --keep-going -n -q -E -b html -d out/doctrees docs out/site
	@! grep -rEo '<(script|link|img|iframe)[^>]*(src|href)="(https?:)?//[^>]*' --include=*.html out/site
	@echo "The site begins at out/site/index.html."

# Every command of docs/tutorial.md, word by word, against an installation of its own.
tutorial: .venv/dev
	.venv/bin/python docs/follow_tutorial.py

# The same, and draws its pictures again (needs chromium).
pictures: .venv/dev
	.venv/bin/python docs/follow_tutorial.py --pictures docs/pictures

# Which lines the tests reach, also in child processes: out/coverage/index.html.
coverage: .venv/dev
	.venv/bin/python -m pytest -n $(WORKERS) --no-loadscope-reorder -m "not alone and not nightly" \
		--cov --cov-report=term:skip-covered --cov-report=html

# Each kind of fault once, against a real installation (docs/faults.md).
faults: .venv/runtime
	.venv/bin/python -m proving.faults --beside quick

# Kills by seed for HOURS, or until KILLS and MESSAGES are reached; prints the table of docs/reliability.md.
HOURS ?= 0
KILLS ?= 2000
MESSAGES ?= 2000000
soak: .venv/runtime
	.venv/bin/python -m proving.faults soak --hours $(HOURS) --kills $(KILLS) --messages $(MESSAGES)

bench: .venv/runtime
	.venv/bin/insitu bench ingest

# The long proofs: coverage of every interval, a million fuzzed payloads, every example of each property.
nightly: .venv/dev
	.venv/bin/python -m pytest -m nightly
	.venv/bin/python -m pytest -n $(WORKERS) -m "not nightly and not alone" --hypothesis-profile=nightly \
		$$(grep -rlE --include='test_*.py' 'examples\(quick|some_of\(' tests)

# The schema, the rollups and every named query on TimescaleDB (needs node, and the network once).
test-timescale: .venv/dev
	.venv/bin/python -m pytest tests/timescale --timescale

wheel: .venv/dev
	.venv/bin/python -m build --wheel --no-isolation --outdir dist

# The wheel alone, in a bare environment and an empty folder, does the main job. Lists its parts with versions and
# licences beside the wheel (CycloneDX).
wheel-test: wheel
	./.ci/wheel-test

# Universal: CPython 3.11 to 3.14 on Linux x86-64 and aarch64 and macOS arm64, with hashes.
lock: .venv/dev
	.venv/bin/uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra build -o requirements.lock pyproject.toml
	.venv/bin/uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra build --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv build dist out

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Insitu needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv module is missing (on Debian: apt install python3-venv)." >&2; exit 1; }

.venv/runtime: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing into .venv (about a minute) …"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --no-index --editable .
	@$(COMPILE)
	@touch .venv/runtime

.venv/dev: requirements-dev.lock .venv/runtime
	@echo "Installing the tools of the developer …"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(COMPILE)
	@touch .venv/dev
