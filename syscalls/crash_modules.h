/*
 * What is mapped into a guest, for crash reports: its ELF files, where their unwind tables are, and
 * names for addresses in them. Everything comes from the guest's memory and files, and is believed in
 * nothing.
 */
#pragma once

#include <stdbool.h>

#include "lib/backtrace.h"
#include "lib/elf_symbols.h"

struct task;

struct crash_module {
    uaddr_t start, end; /* all its mappings */
    uaddr_t bias;       /* address in memory - address in the file's terms */
    uaddr_t table;      /* .eh_frame_hdr; 0: none */
    uint64_t dev, ino;
    char *name; /* owned */
};
struct crash_modules {
    struct crash_module *list; /* owned, ascending */
    size_t count;
};
/* Context: may block. A map that can't be read leaves fewer modules, or none. */
void crash_modules_load(struct crash_modules *m, struct task *t);
void crash_modules_free(struct crash_modules *m);
const struct crash_module *crash_modules_find(const struct crash_modules *m, uaddr_t addr);

struct crash_symbol {
    uaddr_t addr;                      /* in: to be named */
    const struct crash_module *module; /* out: NULL: none of them */
    struct elf_query symbol;           /* out: of module; value is addr in its terms */
};
/* Context: may block: reads the modules' files, as t may. */
void crash_modules_name(const struct crash_modules *m, struct task *t, struct crash_symbol *symbols,
                        size_t count);
