# SPDX-License-Identifier: MIT
# The front door. Each target sets up what it needs (tests/repo/need.sh) and hands over to CMake or a
# script; nothing is built by rules of this file.
#
#   make          build/duet and build/libduet.a, optimised
#   make demo     builds, then shows one TCP connection from SYN to the end of TIME-WAIT
#   make test     builds with sanitizers and without, runs everything; last line: N passed, N failed
#   make check    format and static analysis
#   make fuzz     runs each fuzzer, or ONLY that one, for SECONDS (default 60) from its corpus (needs clang);
#                 WIDE=1: without AddressSanitizer, and so several times as fast
#   make sim      simulates worlds by seed for SECONDS (default 60) or HOURS, and judges them
#   make explore  every exploration that is shipped, to its end (docs/EXPLORE.md): a few minutes, at most SECONDS (3600)
#   make mutate   runs mutants of the core against the fast tests: SAMPLE of them (200; 0: all), chosen by SEED (1)
#   make coverage which lines and branches of the core the tests reach
#   make docs     regenerates the generated pages of docs/
#   make histories  writes tests/golden/histories/hashes.txt anew, after a change of what duet does that was meant
#   make paths    measures duet on bad paths anew (minutes): tests/golden/paths/ and docs/PATHS.md
#   make fast     the same as make, built twice: the first one notes how it runs, the second is laid out by that (gcc);
#                 small messages take a third less time. `cmake --install build` then installs it
#   make bench    makes that, and prints the table of docs/PERFORMANCE.md: duet beside lwIP on this machine
#   make conformance  runs the tests that tests/conformance/rfc9293.tsv names, writes what came of them to
#                 results.tsv beside it, and regenerates docs/
#   make attacks  runs the attack table, writes tests/security/results.tsv and docs/ATTACKS.md
#   make canaries shows that each row of the attack table fails in a build that is broken for it
#   make install  to PREFIX (default /usr/local), below DESTDIR if that is set
#   make clean    removes build/

BUILD := build
PREFIX ?= /usr/local
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
MAKEFLAGS += --no-print-directory
COMMON_FLAGS := -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DDUET_PROFILE=

.PHONY: all fast demo test fuzz sim explore mutate coverage check docs histories paths bench conformance attacks canaries install clean

all:
	@tests/repo/need.sh build
	@cmake -S . -B $(BUILD) -DDUET_TESTS=OFF $(COMMON_FLAGS)
	@cmake --build $(BUILD) -j $(JOBS)

fast:
	@tests/repo/need.sh build
	@echo 'fast: building what notes how it runs (one or two minutes)' >&2
	@cmake -S . -B $(BUILD) -DDUET_TESTS=OFF $(COMMON_FLAGS)learn >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) >/dev/null
	@echo 'fast: running it' >&2
	@bench/learn.sh $(BUILD)
	@echo 'fast: building what is laid out by that' >&2
	@cmake -S . -B $(BUILD) $(COMMON_FLAGS)use >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) >/dev/null

demo: all
	@$(BUILD)/duet show

test:
	@tests/repo/need.sh test
	@python3 tests/run.py --jobs $(JOBS) --require-coverage

fuzz:
	@tests/repo/need.sh test
	@python3 fuzz/run.py --seconds $(or $(SECONDS),60) --jobs $(JOBS) $(if $(ONLY),--only $(ONLY)) $(if $(WIDE),--wide)

sim: all
	@$(BUILD)/duet sim --swarm --jobs $(JOBS) $(if $(HOURS),--hours $(HOURS),--seconds $(or $(SECONDS),60))

explore: all
	@$(BUILD)/duet explore all --memory 4096 --seconds $(or $(SECONDS),3600)

mutate:
	@tests/repo/need.sh test
	@cmake -S . -B $(BUILD) -DDUET_TESTS=ON $(COMMON_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) >/dev/null
	@python3 tests/mutate/mutate.py --sample $(or $(SAMPLE),200) --seed $(or $(SEED),1) --jobs $(JOBS)

coverage:
	@tests/repo/need.sh test
	@python3 tests/coverage_lines.py --jobs $(JOBS)

check:
	@tests/repo/need.sh check
	@tests/repo/lint.sh

docs:
	@tests/repo/need.sh docs
	@python3 tools/gen/docs.py

histories:
	@tests/repo/need.sh test
	@cmake -S . -B $(BUILD) -DDUET_TESTS=ON $(COMMON_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target test_golden_histories >/dev/null
	@DUET_UPDATE=1 DUET_SOURCE=. $(BUILD)/tests/golden/histories
	@git --no-pager diff --stat -- tests/golden/histories/hashes.txt

paths: all
	@DUET_PROGRAM=$(BUILD)/duet tests/golden/paths.test.py --update

bench:
	@tests/repo/need.sh bench
	@$(MAKE) fast
	@$(BUILD)/duet bench
	@bench/size.py $(BUILD)

conformance:
	@tests/repo/need.sh conformance
	@python3 tests/conformance/results.py --jobs $(JOBS); status=$$?; \
	    python3 tools/gen/docs.py && exit $$status

attacks: all
	@python3 tests/security/results.py --program $(BUILD)/duet; status=$$?; \
	    python3 tools/gen/docs.py && exit $$status

# Without optimisation across files, which would take seconds for each of them.
canaries:
	@tests/repo/need.sh canaries
	@cmake -S . -B $(BUILD)/canaries -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O2 >/dev/null
	@cmake --build $(BUILD)/canaries -j $(JOBS) --target duet_program >/dev/null
	@python3 tests/security/canaries.py --build $(BUILD)/canaries --jobs $(JOBS)

install: all
	@cmake --install $(BUILD)

clean:
	@rm -rf $(BUILD)
