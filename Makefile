# What can be done in a checkout. Every target makes or mends the virtual environment first.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv/bin/python
N ?= 40
DATABASE ?=
BROKER ?=
ONLY ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-long test-faults lint bench shots python packages packages-for-tests

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: packages ## the console with a sandbox Elasticsearch, until Ctrl-C
	@exec $(VENV) -m deploy.sandbox.run

test: packages-for-tests ## all checks and tests; installs and starts what they need
	@exec $(VENV) -m deploy.test

test-fast: packages-for-tests ## checks and the tests that need no server
	@exec $(VENV) -m deploy.test lint fast

test-long: packages-for-tests ## everything, on all eight servers too; writes what it saw to docs/
	@exec $(VENV) -m deploy.test long

test-faults: packages-for-tests ## faults by the dozen: make test-faults N=200 DATABASE=postgres BROKER=redis
	@exec $(VENV) tests/faults/run.py $(N) $(if $(DATABASE),--database $(DATABASE)) $(if $(BROKER),--broker $(BROKER))

lint: packages-for-tests ## style, and Django's own checks with production settings
	@exec $(VENV) -m deploy.lint

bench: packages-for-tests ## measure the console beside what people use today: make bench ONLY=name
	@exec $(VENV) tests/bench/run.py $(ONLY)

shots: packages-for-tests ## screenshots of every page for the documents
	@exec $(VENV) tests/browser/shots.py

packages: python
	@exec $(PYTHON) deploy/venv.py requirements.txt

packages-for-tests: python
	@exec $(PYTHON) deploy/venv.py requirements.txt requirements-dev.txt

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing. On Debian: sudo apt-get install python3 python3-venv"; exit 1; }
