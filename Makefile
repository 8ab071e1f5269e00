# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makefile - the few verbs a person needs; Meson does the building, scripts do the rest.

BUILD ?= build
PREFIX ?= /usr/local
MEMORY ?= 512
VCPUS ?= 1
KERNEL ?= 6.1
FLAVOUR ?= amd64
EXTRA ?=
MESON_FLAGS ?=
export XENOLITH_BUILD := $(abspath $(BUILD))

.DEFAULT_GOAL := all
.PHONY: all deps run check check-slow check-no-kvm check-sanitize build-tests fuzz bench install lint clean distclean help

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja: | deps
	@command -v meson >/dev/null || scripts/install-deps build
	meson setup $(MESON_FLAGS) $(BUILD) >&2

deps:
	@scripts/install-deps build run

# Debian from its disk on this terminal; with CMD="..." a small guest, its output and exit status.
# Build messages go to stderr, so that stdout is the command's alone.
run: deps $(BUILD)/build.ninja
	@ninja -C $(BUILD) xm xenolith-domain xenolith-xenstored >&2
	@scripts/run --kernel $(KERNEL) --flavour $(FLAVOUR) --memory $(MEMORY) --vcpus $(VCPUS) \
		--extra '$(EXTRA)' $(if $(CMD),-- "$$RUN_CMD")
run: export RUN_CMD = $(CMD)

# Unit, guest and boot tests; the last line is "N passed, N failed, N skipped".
check: build-tests
	@tests/run quick

check-slow: build-tests
	@tests/run quick slow

# The quick tests where /dev/kvm does not answer.
check-no-kvm: build-tests
	@tests/without-kvm

# The quick tests on all hosted code built with AddressSanitizer and UBSan, or, with
# SANITIZER=thread, with ThreadSanitizer.
check-sanitize: deps
	@scripts/install-deps test
	@tests/sanitize $(SANITIZER)

build-tests: deps
	@scripts/install-deps test
	@[ -f $(BUILD)/build.ninja ] || meson setup $(MESON_FLAGS) $(BUILD)
	@meson configure -Dtests=enabled $(BUILD)
	@ninja -C $(BUILD)

# libFuzzer on one target, with the sanitizers: FUZZ=xenstore FUZZ_SECONDS=60.
FUZZ ?= xenstore
FUZZ_SECONDS ?= 60
fuzz: deps
	@[ -f $(BUILD)-fuzz/build.ninja ] || CC=clang meson setup -Dfuzz=true -Dtests=enabled \
		-Db_sanitize=address,undefined $(BUILD)-fuzz
	@ninja -C $(BUILD)-fuzz tests/fuzz/fuzz-$(FUZZ)
	@mkdir -p $(BUILD)-fuzz/corpus-$(FUZZ)
	$(BUILD)-fuzz/tests/fuzz/fuzz-$(FUZZ) -max_total_time=$(FUZZ_SECONDS) \
		$(BUILD)-fuzz/corpus-$(FUZZ) tests/fuzz/corpus/$(FUZZ)

bench: all
	@bench/run $(BENCH_FLAGS)

install: all
	@meson configure $(BUILD) --prefix $(PREFIX) >/dev/null
	meson install -C $(BUILD)

lint: all
	@scripts/install-deps lint
	@tools/lint

clean:
	rm -rf $(BUILD)

# The downloaded kernels and images too.
distclean: clean
	rm -rf .cache bench/results

help:
	@echo 'make                 build into $(BUILD)/'
	@echo 'make run             boot Debian from its disk, with network, on this terminal'
	@echo 'make run CMD="..."   run a command in a guest; also MEMORY= VCPUS= KERNEL=6.12 FLAVOUR='
	@echo 'make check           quick tests;  make check-slow: all of them'
	@echo 'make check-no-kvm    quick tests with /dev/kvm hidden'
	@echo 'make check-sanitize  quick tests under ASan and UBSan; SANITIZER=thread: under TSan'
	@echo 'make fuzz            libFuzzer: FUZZ=target FUZZ_SECONDS=60; new inputs go to $(BUILD)-fuzz/'
	@echo 'make bench           speed against native, QEMU TCG and gVisor (BENCH_FLAGS=--help)'
	@echo 'make install         PREFIX=$(PREFIX), DESTDIR= for packaging'
	@echo 'make lint            format, static analysis, layering, sizes'
