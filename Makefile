# sandbox: a Linux kernel in user space. `make help` lists the targets.
MODE ?= release
B := build/$(MODE)
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
.DEFAULT_GOAL := all

WARN := -Wall -Wextra -Werror -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
        -Wcast-function-type -Wimplicit-fallthrough -Wformat=2
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
CFLAGS_common := -std=gnu17 $(WARN) -g -fPIE -fstack-protector-strong -fno-strict-aliasing -fno-omit-frame-pointer
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_debug := -O0 -DDEBUG
CFLAGS_asan := -O1 -DDEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_tsan := -O1 -DDEBUG -fsanitize=thread
LDFLAGS_common := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_ALL := $(CFLAGS_common) $(CFLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL := $(LDFLAGS_common) $(LDFLAGS_$(MODE)) $(LDFLAGS)

DIRS := lib platform platform/seccomp platform/ptrace gofer sentry/base sentry/mm sentry/vfs sentry/fs \
        sentry/net sentry/task sentry/procfs loader syscalls runtime
SRC := $(wildcard $(addsuffix /*.c,$(DIRS)))
ASM := $(wildcard $(addsuffix /*.S,$(DIRS)))
OBJ := $(SRC:%.c=$(B)/%.o) $(ASM:%.S=$(B)/%.o)
LIBS := -lseccomp -lcap

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

FORCE:

# A unit test is linked with the objects that its "LINK:" comment names.
$(B)/tests/unit/%: tests/unit/%.c FORCE
	@mkdir -p $(@D)
	@objs=$$(sed -n 's|.*LINK: *\(.*\)\*/.*|\1|p' $< | head -1); set --; \
	for o in $$objs; do set -- "$$@" $(B)/$$o; done; \
	[ $$# -eq 0 ] || $(MAKE) -s MODE=$(MODE) "$$@" && \
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< "$$@" -lcmocka -lpthread

-include $(shell find $(B) -name '*.d' 2>/dev/null)
