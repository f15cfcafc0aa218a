/*
 * Each access to guest memory may cost a host call, and programs keep their strings next to each
 * other. So memory is read in chunks of a few pages, and the last chunk serves the strings that
 * follow. A chunk is private: what was checked in it is what the program gets.
 */
#include "syscalls/exec_args.h"

#include <errno.h>
#include <string.h>

#include "sentry/mm/usercopy.h"

#define STRING_CHUNK  (4 * PAGE_SIZE)
#define POINTER_CHUNK 512

struct chunk_reader {
    struct mm *mm;
    uaddr_t base;
    size_t size;
    char bytes[STRING_CHUNK];
};

/* The bytes from addr on that are at hand; at least one, or -EFAULT. */
static ssize_t reader_at(struct chunk_reader *r, uaddr_t addr, const char **out)
{
    if (addr < r->base || addr - r->base >= r->size) {
        r->base = addr;
        r->size = copy_in_partial(r->mm, r->bytes, addr, sizeof(r->bytes));
        if (r->size == 0) {
            return -EFAULT;
        }
    }
    *out = r->bytes + (addr - r->base);
    return (ssize_t)(r->size - (addr - r->base));
}

/* Appends the string at addr. *space: what is left for strings; lowered. */
static int string_in(struct chunk_reader *r, uaddr_t addr, struct arg_list *l, int64_t *space)
{
    for (size_t done = 0;;) {
        const char *bytes;
        ssize_t n = reader_at(r, addr + done, &bytes);
        if (n < 0) {
            return (int)n;
        }
        const char *end = memchr(bytes, '\0', (size_t)n);
        size_t size = end ? (size_t)(end - bytes) + 1 : (size_t)n;
        done += size;
        *space -= (int64_t)size;
        if (done > ARG_STRING_MAX || *space < 0) {
            return -E2BIG;
        }
        strbuf_add(&l->text, bytes, size);
        if (end) {
            l->count++;
            return strbuf_error(&l->text);
        }
    }
}

struct pointer_list {
    uaddr_t *pointers; /* owned */
    size_t count;
};

static void pointer_list_free(struct pointer_list *l)
{
    free(l->pointers);
}
#define AUTO_POINTERS __attribute__((cleanup(pointer_list_free))) struct pointer_list

/* The vector at addr up to its NULL. max: more are -E2BIG whatever they point to. */
static int pointers_in(struct mm *mm, uaddr_t addr, size_t max, struct pointer_list *l)
{
    size_t capacity = 0;
    while (addr) {
        if (l->count == capacity) {
            capacity += POINTER_CHUNK;
            uaddr_t *grown = realloc(l->pointers, capacity * sizeof(*grown));
            if (!grown) {
                return -ENOMEM;
            }
            l->pointers = grown;
        }
        uaddr_t *at = l->pointers + l->count;
        size_t got =
            copy_in_partial(mm, at, addr, (capacity - l->count) * sizeof(*at)) / sizeof(*at);
        for (size_t i = 0; i < got; i++) {
            if (at[i] == 0) {
                return 0;
            }
            l->count++;
        }
        if (got == 0) {
            return -EFAULT;
        }
        if (l->count > max) {
            return -E2BIG;
        }
        addr += got * sizeof(*at);
    }
    return 0;
}

static int strings_in(struct chunk_reader *r, const struct pointer_list *pointers,
                      struct arg_list *l, int64_t *space)
{
    int err = 0;
    for (size_t i = 0; i < pointers->count && err == 0; i++) {
        err = string_in(r, pointers->pointers[i], l, space);
    }
    return err;
}

int exec_args_in(struct mm *mm, uaddr_t argv, uaddr_t envp, uint64_t rlimit_stack,
                 const char *execfn, struct arg_list *args, struct arg_list *env)
{
    AUTO_POINTERS arg_pointers = {0}, env_pointers = {0};
    int64_t space = arg_space(rlimit_stack, 0, 0);
    size_t max = (size_t)space / sizeof(uaddr_t) + 1;
    int err = pointers_in(mm, argv, max, &arg_pointers);
    if (err == 0) {
        err = pointers_in(mm, envp, max, &env_pointers);
    }
    if (err < 0) {
        return err;
    }
    space = arg_space(rlimit_stack, arg_pointers.count, env_pointers.count);
    if (space < 0) {
        return (int)space;
    }
    space -= (int64_t)strlen(execfn) + 1;
    AUTO_FREE struct chunk_reader *r = malloc(sizeof(*r));
    if (!r) {
        return -ENOMEM;
    }
    r->mm = mm;
    r->size = 0;
    err = strings_in(r, &env_pointers, env, &space);
    if (err == 0) {
        err = strings_in(r, &arg_pointers, args, &space);
    }
    if (err == 0 && args->count == 0) {
        err = arg_list_add(args, "");
    }
    return err;
}
