/*
 * Where a new program's parts go: pure arithmetic on random numbers. Analogous to what Linux's
 * load_elf_binary, mmap_base and arch_randomize_brk decide together.
 *
 *      0x000000010000  ET_EXEC programs, where they ask to be; brk behind them
 *      0x555555554000  ET_DYN with an interpreter, plus up to 1 TiB; brk behind it
 *                      (ET_DYN without: brk starts here)
 *      0x700000000000  the platform's slice: never ours
 *      0x7e8b00000000  the interpreter, or an ET_DYN without one
 *      0x7efb00000000  the host kernel's own choice for mmap, top down, and the vDSO
 *      0x7ffbfffff000  the stack, anywhere in the last 16 GiB
 *      0x7ffffffff000
 *
 * The host places mmaps at least 16 GiB and 128 MiB below the top, minus up to 1 TiB.
 */
#pragma once

#include "loader/elf.h"

#define LAYOUT_MIN_ADDR   0x10000UL /* vm.mmap_min_addr */
#define LAYOUT_PIE_BASE   0x555555554000UL
#define LAYOUT_INTERP_TOP 0x7efb00000000UL
#define LAYOUT_STACK_ZONE (16UL << 30)
#define LAYOUT_STACK_MIN  (128UL << 10)
/* DEVIATION: the stack is mapped at its full size, not grown on demand; more than this it never is. */
#define LAYOUT_STACK_MAX (1UL << 30)

struct layout_request {
    const struct elf_image *program;
    const struct elf_image *interp; /* NULL: none */
    uint64_t stack_size;            /* page-aligned; at most LAYOUT_STACK_MAX */
    uaddr_t vdso;                   /* 0: none, or not known yet */
    uaddr_t there; /* where the object in which it begins is loaded already; 0: nowhere */
    bool randomize;
    uint64_t random[4];
};
struct layout {
    uint64_t program_bias, interp_bias; /* added to every address of the image; wraps */
    uaddr_t program_entry, interp_entry;
    uaddr_t stack_low, stack_top;
    uaddr_t start_brk;
};

/**
 * layout_choose - place the program, its interpreter, the stack and the brk.
 *
 * Errors: -ENOMEM no room, or a fixed address is taken; -EPERM below vm.mmap_min_addr; -EINVAL an entry outside.
 */
MUST_CHECK int layout_choose(const struct layout_request *r, struct layout *out);
/* The size of the stack mapping for this RLIMIT_STACK, when need bytes are used from the start. */
uint64_t layout_stack_size(uint64_t rlimit_stack, uint64_t need);
