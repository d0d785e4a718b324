# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/sh
PYTHON ?= $(firstword $(foreach name,python3 python3.11 python3.12 python3.13,$(shell command -v $(name) 2>/dev/null)))
MAILBOXES ?= 5
EXAMPLES ?= 1000000
KILLS ?= 200

ifeq ($(strip $(PYTHON)),)
$(error Missing on this machine: Python 3.11 or newer. Install: sudo apt-get update && sudo apt-get install -y python3-venv)
endif

# the user's own settings of Ansible, of Python and of the language stay outside
CLEAN := env $(patsubst %,-u %,$(filter ANSIBLE_% MOLECULE_% PYTHON_% PYTHONPATH PYTHONHOME LC_%,$(.VARIABLES))) LC_ALL=C.UTF-8
RUN := $(CLEAN) $(PYTHON) tests/tools/bootstrap.py run
CHECK := $(RUN) dev tests/tools/check.py
PARTS := lint sanity units fuzz-quick chaos-quick integration-lab integration-rig molecule importer code-lint docs-lint

.PHONY: help
help:
	@echo 'make demo [MAILBOXES=N]  start the lab, issue certificates for N mailboxes, run again, check them'
	@echo 'make test                everything; some 25 minutes on 2 cores'
	@echo 'make test-quick          the unit tests; about a minute'
	@echo 'make test-matrix [ONLY="py3.12 core2.19 units"]'
	@echo '                         units, sanity and lab against each ansible-core and each Python that is here'
	@echo 'make fuzz [EXAMPLES=N] [SEED=N]'
	@echo '                         N generated mails, a million if left out, that must be refused or accepted rightly'
	@echo 'make chaos [KILLS=N] [SEED=N]'
	@echo '                         the whole kill sweep, and N random kills, 200 if left out'
	@echo 'make chaos RECORD=1      the list of what is swept anew, once the chain writes or sends something new'
	@echo 'make bench               the figures of docs/performance.md'
	@echo 'make $(PARTS)'
	@echo '                         one part of make test'
	@echo 'make generate            the files that repeat the argument specs and roles/smime/variables.yml, made again'
	@echo 'make changelog [DATE=YYYY-MM-DD]'
	@echo '                         CHANGELOG.rst from changelogs/fragments'
	@echo 'make clean               remove what the other targets made'

.PHONY: demo
demo:
	@$(RUN) dev tests/tools/demo.py --mailboxes $(MAILBOXES)

.PHONY: test
test:
	@$(CHECK)

.PHONY: $(PARTS)
$(PARTS):
	@$(CHECK) $@

.PHONY: test-quick
test-quick:
	@$(RUN) dev tests/tools/quick.py

.PHONY: test-matrix
test-matrix:
	@$(RUN) dev tests/tools/matrix.py $(ONLY)

.PHONY: fuzz
fuzz:
	@$(RUN) dev tests/fuzz/run.py --examples $(EXAMPLES) $(if $(SEED),--seed $(SEED))

.PHONY: chaos
chaos:
	@$(RUN) dev tests/chaos/run.py --kills $(KILLS) $(if $(SEED),--seed $(SEED)) $(if $(RECORD),--record)

.PHONY: bench
bench:
	@$(RUN) dev tests/bench/run.py

.PHONY: generate
generate:
	@$(RUN) dev tests/tools/generate.py

.PHONY: changelog
changelog:
	@$(RUN) docs tests/tools/changelog.py $(if $(DATE),--date $(DATE))

.PHONY: clean
clean:
	rm -rf .build .demo .venv .venvs .ansible .hypothesis .pytest_cache tests/output bench.json *.tar.gz
	find plugins tests roles -name __pycache__ -type d -prune -exec rm -rf {} +
