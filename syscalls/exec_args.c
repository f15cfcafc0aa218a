/*
 * The strings come with the call, as a rule (platform_vector). Where they don't:
 * each access to guest memory costs a host call, and programs keep their vectors and strings next to each
 * other. So memory is read in chunks of a few pages from a page's start, and the last few serve what
 * follows. A chunk is private: what was checked in it is what the program gets.
 */
#include "syscalls/exec_args.h"

#include <errno.h>
#include <string.h>

#include "platform/platform.h"
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

/* One of the two: its pointers, or its strings if they came with the call. */
struct vector {
    uaddr_t *pointers; /* owned */
    char *text;        /* owned; NULL: pointers */
    size_t count, size;
};

static void vector_free(struct vector *v)
{
    free(v->pointers);
    free(v->text);
}
#define AUTO_VECTOR __attribute__((cleanup(vector_free))) struct vector

/* Strings that came with the call. Return: 1; 0: none did, or they are none. */
static int text_in(const struct platform_thread *pt, int arg, struct vector *v)
{
    size_t size;
    const char *came = platform_vector(pt, arg, &size);
    if (!came || size == 0) {
        return 0;
    }
    v->text = malloc(size);
    if (!v->text) {
        return -ENOMEM;
    }
    memcpy(v->text, came, size); /* from here on it does not change */
    if (v->text[size - 1] != '\0') {
        free(take(&v->text));
        return 0;
    }
    v->size = size;
    for (const char *p = v->text; p < v->text + size; p += strlen(p) + 1) {
        v->count++;
    }
    return 1;
}

/* The vector at addr up to its NULL. max: more are -E2BIG whatever they point to. */
static int pointers_in(struct chunk_reader *r, uaddr_t addr, size_t max, struct vector *l)
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

static int vector_in(struct chunk_reader *r, const struct platform_thread *pt,
                     struct exec_vector from, size_t max, struct vector *v)
{
    int there = text_in(pt, from.arg, v);
    if (there != 0) {
        return there < 0 ? there : v->count > max ? -E2BIG : 0;
    }
    return pointers_in(r, from.addr, max, v);
}

static int strings_in(struct chunk_reader *r, const struct vector *v, struct arg_list *l,
                      int64_t *space)
{
    int err = 0;
    if (v->text) {
        *space -= (int64_t)v->size;
        if (*space < 0) {
            return -E2BIG;
        }
        strbuf_add(&l->text, v->text, v->size);
        l->count += v->count;
        return strbuf_error(&l->text);
    }
    for (size_t i = 0; i < v->count && err == 0; i++) {
        err = string_in(r, v->pointers[i], l, space);
    }
    return err;
}

int exec_args_in(struct mm *mm, const struct platform_thread *pt, struct exec_vector argv,
                 struct exec_vector envp, uint64_t rlimit_stack, const char *execfn,
                 struct arg_list *args, struct arg_list *env)
{
    AUTO_VECTOR arg_strings = {0}, env_strings = {0};
    int64_t space = arg_space(rlimit_stack, 0, 0);
    size_t max = (size_t)space / sizeof(uaddr_t) + 1;
    AUTO_FREE struct chunk_reader *r = reader_new(mm);
    if (!r) {
        return -ENOMEM;
    }
    int err = vector_in(r, pt, argv, max, &arg_strings);
    if (err == 0) {
        err = vector_in(r, pt, envp, max, &env_strings);
    }
    if (err < 0) {
        return err;
    }
    space = arg_space(rlimit_stack, arg_strings.count, env_strings.count);
    if (space < 0) {
        return (int)space;
    }
    space -= (int64_t)strlen(execfn) + 1;
    err = strings_in(r, &env_strings, env, &space);
    if (err == 0) {
        err = strings_in(r, &arg_strings, args, &space);
    }
    if (err == 0 && args->count == 0) {
        err = arg_list_add(args, "");
    }
    return err;
}
