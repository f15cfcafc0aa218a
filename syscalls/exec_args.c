/*
 * Each access to guest memory costs a host call, and programs keep their vectors and strings next to each
 * other. So memory is read in chunks of a few pages from a page's start, and the last few serve what
 * follows. A chunk is private: what was checked in it is what the program gets.
 */
#include "syscalls/exec_args.h"

#include <errno.h>
#include <string.h>

#include "sentry/mm/usercopy.h"

#define CHUNK_SIZE    (4 * PAGE_SIZE)
#define CHUNK_COUNT   4
#define POINTER_CHUNK 512

struct chunk_reader {
    struct mm *mm;
    unsigned next; /* to be replaced */
    struct chunk {
        uaddr_t base;
        size_t size;
        char bytes[CHUNK_SIZE];
    } chunks[CHUNK_COUNT];
};

static struct chunk_reader *reader_new(struct mm *mm)
{
    struct chunk_reader *r = malloc(sizeof(*r));
    if (r) {
        r->mm = mm;
        r->next = 0;
        for (unsigned i = 0; i < CHUNK_COUNT; i++) {
            r->chunks[i].size = 0;
        }
    }
    return r;
}

static bool chunk_has(const struct chunk *c, uaddr_t addr)
{
    return addr >= c->base && addr - c->base < c->size;
}

/* The bytes from addr on that are at hand; at least one, or -EFAULT. */
static ssize_t reader_at(struct chunk_reader *r, uaddr_t addr, const char **out)
{
    struct chunk *c = NULL;
    for (unsigned i = 0; i < CHUNK_COUNT && !c; i++) {
        c = chunk_has(&r->chunks[i], addr) ? &r->chunks[i] : NULL;
    }
    if (!c) {
        c = &r->chunks[r->next++ % CHUNK_COUNT];
        c->base = ALIGN_DOWN(addr, PAGE_SIZE);
        c->size = copy_in_partial(r->mm, c->bytes, c->base, sizeof(c->bytes));
        if (!chunk_has(c, addr)) {
            return -EFAULT;
        }
    }
    *out = c->bytes + (addr - c->base);
    return (ssize_t)(c->size - (addr - c->base));
}

static int pointer_in(struct chunk_reader *r, uaddr_t addr, uaddr_t *out)
{
    const char *bytes;
    for (size_t done = 0; done < sizeof(*out);) {
        ssize_t n = reader_at(r, addr + done, &bytes);
        if (n < 0) {
            return (int)n;
        }
        size_t part = MIN((size_t)n, sizeof(*out) - done);
        memcpy((char *)out + done, bytes, part);
        done += part;
    }
    return 0;
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
static int pointers_in(struct chunk_reader *r, uaddr_t addr, size_t max, struct pointer_list *l)
{
    size_t capacity = 0;
    for (; addr; addr += sizeof(*l->pointers)) {
        if (l->count == capacity) {
            capacity += POINTER_CHUNK;
            uaddr_t *grown = realloc(l->pointers, capacity * sizeof(*grown));
            if (!grown) {
                return -ENOMEM;
            }
            l->pointers = grown;
        }
        int err = pointer_in(r, addr, &l->pointers[l->count]);
        if (err < 0) {
            return err;
        }
        if (l->pointers[l->count] == 0) {
            break;
        }
        if (++l->count > max) {
            return -E2BIG;
        }
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
    AUTO_FREE struct chunk_reader *r = reader_new(mm);
    if (!r) {
        return -ENOMEM;
    }
    int err = pointers_in(r, argv, max, &arg_pointers);
    if (err == 0) {
        err = pointers_in(r, envp, max, &env_pointers);
    }
    if (err < 0) {
        return err;
    }
    space = arg_space(rlimit_stack, arg_pointers.count, env_pointers.count);
    if (space < 0) {
        return (int)space;
    }
    space -= (int64_t)strlen(execfn) + 1;
    err = strings_in(r, &env_pointers, env, &space);
    if (err == 0) {
        err = strings_in(r, &arg_pointers, args, &space);
    }
    if (err == 0 && args->count == 0) {
        err = arg_list_add(args, "");
    }
    return err;
}
