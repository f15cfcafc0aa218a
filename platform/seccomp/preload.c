/*
 * Interpreters that are there already. Nearly all programs begin in one and the same dynamic loader, or are one and the same static
 * program with many names. So a template (spare.c) loads what they begin in once, with its call sites rewritten (sites.c), and
 * the spares have it from their birth: five mappings, a page of zeroes and the rewriting of a page less at each start.
 *
 *      a spare's program was loaded      its shared ops are noted, and the template is told to do them, too
 *      exec into a later spare           the loader places it where it is (platform_preloaded)
 *      load                              the same shared ops: they are skipped; any others: what is there is unmapped first
 *
 * The template has never run guest code, and the file is one that all processes of its class may open and map, so
 * a spare still has nothing of any guest's. A file that has been written since is another.
 *
 * DEVIATION: programs that come from one template have their interpreter (a static program: itself) at one address, as their vDSO.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/host.h"
#include "platform/seccomp/seccomp.h"

static bool file_note(struct preload *p, int host_fd)
{
    struct stat st;
    if (host_fstat(host_fd, &st) < 0) {
        return false;
    }
    p->file = (struct given_file){.dev = st.st_dev, .ino = st.st_ino};
    p->size = (uint64_t)st.st_size;
    p->mtime = st.st_mtim;
    p->ctime = st.st_ctim;
    return true;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_file(const struct preload *p, int host_fd)
{
    struct stat st;
    return host_fd >= 0 && host_fstat(host_fd, &st) == 0 && st.st_dev == p->file.dev &&
           st.st_ino == p->file.ino && (uint64_t)st.st_size == p->size &&
           same_time(&st.st_mtim, &p->mtime) && same_time(&st.st_ctim, &p->ctime);
}

/* The one file that ops map. Return: false if there is none, or another. */
static bool one_file(const struct load_op *ops, size_t op_count, int *out_fd)
{
    *out_fd = -1;
    for (size_t i = 0; i < op_count; i++) {
        if (!ops[i].shared || ops[i].kind != LOAD_MAP_FILE) {
            continue;
        }
        if (*out_fd >= 0 && ops[i].host_fd != *out_fd) {
            return false;
        }
        *out_fd = ops[i].host_fd;
    }
    return *out_fd >= 0;
}

struct preload *preload_new(const struct load_op *ops, size_t op_count)
{
    int fd;
    struct preload *p = one_file(ops, op_count, &fd) ? calloc(1, sizeof(*p)) : NULL;
    if (!p) {
        return NULL;
    }
    refcount_init(&p->ref);
    p->low = UINT64_MAX;
    bool fits = file_note(p, fd);
    for (size_t i = 0; i < op_count && fits; i++) {
        const struct load_op *o = &ops[i];
        if (!o->shared) {
            continue;
        }
        fits = p->count < PRELOAD_MAX &&
               (o->kind == LOAD_MAP_FILE || o->kind == LOAD_MAP_ANON || o->kind == LOAD_ZERO);
        if (fits) {
            p->ops[p->count++] = *o;
            p->low = MIN(p->low, ALIGN_DOWN(o->addr, PAGE_SIZE));
            p->high = MAX(p->high, ALIGN_UP(o->addr + o->size, PAGE_SIZE));
        }
    }
    if (!fits) {
        free(p);
        return NULL;
    }
    return p;
}

struct preload *preload_get(struct preload *p)
{
    refcount_get(&p->ref);
    return p;
}

void preload_put(struct preload *p)
{
    if (p && refcount_put(&p->ref)) {
        free(p);
    }
}

static bool same_op(const struct load_op *a, const struct load_op *b)
{
    return a->kind == b->kind && a->prot == b->prot && a->addr == b->addr && a->size == b->size &&
           (a->kind != LOAD_MAP_FILE || a->offset == b->offset);
}

bool preload_has(const struct preload *p, const struct load_op *ops, size_t op_count)
{
    int fd;
    size_t count = 0;
    if (!one_file(ops, op_count, &fd) || !is_file(p, fd)) {
        return false;
    }
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].shared && (count == p->count || !same_op(&ops[i], &p->ops[count++]))) {
            return false;
        }
    }
    return count == p->count;
}

uaddr_t seccomp_preloaded(const struct platform_thread *th, int host_fd)
{
    return th->preload && !(th->ask & PLATFORM_ASK_SITES) && is_file(th->preload, host_fd)
               ? th->preload->low
               : 0;
}
