# sandbox: a Linux kernel in user space. `make help` lists the targets.
MODE ?= release
B := build/$(MODE)
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
.DEFAULT_GOAL := all
SHELL := /bin/bash

WARN := -Wall -Wextra -Werror -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
        -Wcast-function-type -Wimplicit-fallthrough -Wformat=2
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
CFLAGS_common := -std=gnu17 $(WARN) -g -fPIE -fstack-protector-strong -fno-strict-aliasing -fno-omit-frame-pointer
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_debug := -O0 -DDEBUG
CFLAGS_asan := -O1 -DDEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_tsan := -O1 -DDEBUG -fsanitize=thread
LDFLAGS_common := -pie -static-libgcc -Wl,-z,relro,-z,now -Wl,-z,noexecstack
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_ALL := $(CFLAGS_common) $(CFLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL := $(LDFLAGS_common) $(LDFLAGS_$(MODE)) $(LDFLAGS)

DIRS := lib platform platform/seccomp platform/ptrace gofer sentry/base sentry/mm sentry/vfs sentry/fs \
        sentry/net sentry/task sentry/procfs loader syscalls runtime
SRC := $(wildcard $(addsuffix /*.c,$(DIRS)))
ASM := $(wildcard $(addsuffix /*.S,$(DIRS)))
OBJ := $(SRC:%.c=$(B)/%.o) $(ASM:%.S=$(B)/%.o)
LIBS := -lseccomp

include Makefile.stub

all: $(B)/sandbox

$(B)/sandbox: $(OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $(OBJ) $(LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(B)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -g -MMD -MP -c $< -o $@

# --- the front door ---

PACKAGES := build-essential libseccomp-dev libunwind-dev libcapstone-dev libcmocka-dev libjansson-dev libcap-dev \
            clang-format strace busybox-static
TEST_PACKAGES := python3 perl git sqlite3

help:
	@sed -n 's/^#: //p' Makefile

#: make            build build/release/sandbox (MODE=release|debug|asan|tsan)
#: make run        set up what is missing, build, and run a program that looks around inside
#: make check      set up what is missing, build, and run all tests but the long ones (about 15 minutes)
#: make check-long the long suites: workloads on every engine, sanitizer builds, stress
#: make bench      measure against native, bwrap and gVisor, where they are installed
#: make fuzz       run each fuzzer for a while (SECONDS=60)
#: make lint       formatting, headers, include direction, file sizes
#: make format     let clang-format rewrite the sources
#: make docs       rewrite the generated documents
#: make deps       install the Debian packages that are missing (as root)
#: make install    PREFIX=/usr/local DESTDIR=
#: make clean

deps:
	@missing=$$(dpkg-query -W -f '$${Package} $${db:Status-Status}\n' $(PACKAGES) $(TEST_PACKAGES) 2>/dev/null | \
	    awk '$$2 == "installed" {print $$1}' | sort | comm -13 - <(printf '%s\n' $(PACKAGES) $(TEST_PACKAGES) | sort)); \
	if [ -n "$$missing" ]; then \
	    echo "installing:" $$missing; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

run: deps
	@$(MAKE) -s all
	@tests/demo $(B)/sandbox

COMPAT_BIN := $(patsubst %.c,build/release/%,$(wildcard tests/compat/*/*.c))
UNIT_BIN := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))

# Compat programs are plain Linux programs: no sanitizer, no flags of ours; the same for every MODE.
build/release/tests/compat/%: tests/compat/%.c tests/compat/compat.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O1 -g -Wall -D_GNU_SOURCE -I. -pthread $(COMPAT_LINK) -o $@ $<
build/release/tests/compat/execve/execve_10: COMPAT_LINK := -static

tests: all $(COMPAT_BIN) $(UNIT_BIN)

# The processors to build on, unless a -j was given.
JOBS_FLAG := $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

check: deps
	@$(MAKE) -s $(JOBS_FLAG) tests
	@$(MAKE) -s $(JOBS_FLAG) MODE=asan tests
	@tests/check

check-long: deps
	@$(MAKE) -s $(JOBS_FLAG) tests
	@$(MAKE) -s $(JOBS_FLAG) MODE=asan tests
	@tests/check --long

lint: deps
	@tests/lint $(CC)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

docs: all
	@$(B)/sandbox syscalls --markdown >docs/SYSCALLS.md
	@$(B)/sandbox syscalls --host >docs/HOST_SYSCALLS.md
	@docs/deviations.sh

bench: all $(B)/bench/micro
	@bench/run $(BENCH_ARGS) $(B)/sandbox

# Runs natively and in each sandbox, so again no flags of ours. Static: its fork+exec is then the kernel's work.
$(B)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -Wall -D_GNU_SOURCE -static -pthread -o $@ $<

fuzz: deps
	@$(MAKE) -s $(JOBS_FLAG) MODE=asan all $(patsubst %.c,build/asan/%,$(wildcard tests/fuzz/*.c))
	@$(MAKE) -s MODE=release build/release/tests/fuzz/syscalls
	@tests/fuzz/run build/asan $(SECONDS)

install: all
	install -D -m 755 $(B)/sandbox $(DESTDIR)$(PREFIX)/bin/sandbox
	ln -sf sandbox $(DESTDIR)$(PREFIX)/bin/sandbox-oci

clean:
	rm -rf build

.PHONY: all help deps run tests check check-long lint format docs bench fuzz install clean FORCE

FORCE:

# A unit test, or a fuzzer, is linked with exactly the objects that its "LINK:" comment names. A fuzzer
# without one is a program for the inside of a sandbox.
LINKED := $(wildcard tests/unit/test_*.c tests/fuzz/*.c)
$(B)/links.mk: $(LINKED)
	@mkdir -p $(@D)
	@for f in $^; do \
	    sed -n "s|.*LINK: *\(.*\)\*/.*|\1|p" $$f | head -n 1 | \
	    sed "s|[^ ][^ ]*|$(B)/&|g; s|^|$(B)/$${f%.c}: |"; \
	done >$@
-include $(B)/links.mk

$(B)/tests/unit/test_%: tests/unit/test_%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(filter %.o,$^) -lcmocka -lpthread
$(B)/tests/fuzz/%: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(CC) $(if $(filter %.o,$^),$(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL),-I. -std=gnu17 -O1 -g -Wall -pthread) \
	    -MMD -MP -MF $@.d -o $@ $< $(filter %.o,$^) -lpthread

-include $(shell find $(B) -name '*.d' 2>/dev/null)
