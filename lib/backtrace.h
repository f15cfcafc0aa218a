/*
 * Unwinding another process's stack, for crash reports: the only user of libunwind, which is loaded
 * at run time and only when reports are wanted. Without it, or where the code has no unwind tables, frame
 * pointers must do. All that is read is hostile: reads are counted, and a report gets only so many.
 */
#pragma once

#include <stdbool.h>

#include "lib/macros.h"

/* In the order of DWARF's register numbers for x86-64; the last one is the return address column, rip. */
enum {
    BACKTRACE_RAX,
    BACKTRACE_RDX,
    BACKTRACE_RCX,
    BACKTRACE_RBX,
    BACKTRACE_RSI,
    BACKTRACE_RDI,
    BACKTRACE_RBP,
    BACKTRACE_RSP,
    BACKTRACE_R8, /* R9 ... R15 follow */
    BACKTRACE_RIP = 16,
    BACKTRACE_REG_COUNT,
};

/* The .eh_frame_hdr of a module, in the target's memory. */
struct backtrace_table {
    uint64_t start, end; /* of the module */
    uint64_t header;     /* address of .eh_frame_hdr */
};
/* What is unwound. Neither callback may sleep: libunwind holds locks of its own. */
struct backtrace_target {
    uint64_t regs[BACKTRACE_REG_COUNT];
    /* Reads size bytes of the target's memory; false: can't. */
    bool (*read)(void *arg, void *dst, uint64_t addr, size_t size);
    /* The module that holds ip; false: none with a table. */
    bool (*find)(void *arg, uint64_t ip, struct backtrace_table *out);
    void *arg;
};
struct backtrace_frame {
    uint64_t ip;
    bool
        exact; /* ip is where execution was, not a return address: the innermost, or what a signal interrupted */
};

/* Loads libunwind: before the process locks itself in. Errors: -ENOENT it is not installed. */
MUST_CHECK int backtrace_init(void);
/* Fills frames from the innermost outwards. max: at least 2. Return: how many, at least 1.
 * Context: does not block. */
size_t backtrace_unwind(const struct backtrace_target *t, struct backtrace_frame *frames,
                        size_t max);
