/*
 * The stack that a program finds at its first instruction: argc, pointers, auxiliary vector and
 * strings, laid out to the byte as Linux does (create_elf_tables in fs/binfmt_elf.c, copy_strings in
 * fs/exec.c). From the top down:
 *
 *      top       8 zero bytes
 *                execfn, then envp's strings, then argv's (each group ascending in memory)
 *                random padding below 8 KiB, to a 16-byte boundary
 *                "x86_64", 16 random bytes
 *                auxv, AT_NULL last; envp[], NULL; argv[], NULL
 *      sp        argc                                            (16-byte aligned)
 *
 * Pure: it builds bytes, and touches no guest memory. See getauxval(3).
 */
#pragma once

#include "lib/macros.h"
#include "lib/strbuf.h"

#define ARG_STRING_MAX (32 * PAGE_SIZE) /* MAX_ARG_STRLEN, with the NUL */
#define AUXV_WORDS     64               /* of struct mm's copy */

/* A list of NUL-terminated strings, one behind the other. */
struct arg_list {
    struct strbuf text; /* owned */
    size_t count;
};
void arg_list_free(struct arg_list *l);
/* Errors: -E2BIG longer than ARG_STRING_MAX; -ENOMEM. */
MUST_CHECK int arg_list_add(struct arg_list *l, const char *text);
/* Replaces the first string (if there is one) by count others, as a #! line does. Errors: as arg_list_add. */
MUST_CHECK int arg_list_replace_first(struct arg_list *l, const char *const texts[], size_t count);

/**
 * arg_space - how many bytes of strings exec accepts beside the pointers to them.
 * Return: the bytes. Errors: -E2BIG the pointers alone are too much.
 * Source: bprm_stack_limits(): 3/4 of 8 MiB, at most a quarter of RLIMIT_STACK, at least 128 KiB.
 */
MUST_CHECK int64_t arg_space(uint64_t rlimit_stack, size_t argc, size_t envc);
/* 0, or -E2BIG when this program can't be given these. */
MUST_CHECK int arg_check(uint64_t rlimit_stack, const struct arg_list *args,
                         const struct arg_list *env, const char *execfn);

struct auxv {
    uint64_t words[AUXV_WORDS];
    size_t count; /* words used; stack_build appends AT_NULL */
};
void auxv_add(struct auxv *a, uint64_t type, uint64_t value);

struct stack_request {
    const struct arg_list *args, *env; /* borrowed */
    const char *execfn;
    uaddr_t top; /* page-aligned */
    uint8_t random[16];
    uint64_t padding; /* below 8192: moves the tables down */
};
struct stack_image {
    char *bytes; /* owned: what belongs to [sp, top) */
    size_t size;
    uaddr_t sp;
    uaddr_t arg_start, arg_end, env_start, env_end;
};
/**
 * stack_build - make the stack's bytes.
 * @auxv: complete but for AT_NULL and the values of AT_RANDOM, AT_EXECFN and AT_PLATFORM, which are filled in.
 *
 * Errors: -ENOMEM.
 */
MUST_CHECK int stack_build(const struct stack_request *r, struct auxv *auxv,
                           struct stack_image *out);
void stack_image_free(struct stack_image *s);
/* An upper bound of the image's size, for sizing the mapping before its place is known. */
size_t stack_size_bound(const struct arg_list *args, const struct arg_list *env,
                        const char *execfn);
