/*
 * struct path: a place in the tree of mounts, and its name. Analogous to Linux's fs/d_path.c.
 */
#include "sentry/vfs/dentry.h"

#include <errno.h>
#include <string.h>

#include "lib/strbuf.h"

#define DELETED " (deleted)"

void path_copy(struct path *dst, const struct path *src)
{
    dst->mnt = src->mnt ? mount_get(src->mnt) : NULL;
    dst->dentry = src->dentry ? dentry_get(src->dentry) : NULL;
}

void path_put(struct path *p)
{
    struct dentry *d = take(&p->dentry);
    struct mount *m = take(&p->mnt);
    if (d) {
        dentry_put(d);
    }
    if (m) {
        mount_put(m);
    }
}

/* Goes up one name from (*m, *d). Return: the dentry whose name was passed; NULL at root or at the top. */
static const struct dentry *step_up(const struct mount **m, const struct dentry **d,
                                    const struct path *root)
{
    for (;;) {
        if (root && *m == root->mnt && *d == root->dentry) {
            return NULL;
        }
        if (*d != (*m)->root) {
            const struct dentry *passed = *d;
            *d = passed->parent;
            return *d ? passed : NULL;
        }
        if (!(*m)->parent) {
            return NULL;
        }
        *d = (*m)->mountpoint;
        *m = (*m)->parent;
    }
}

static void anon_name(const struct dentry *d, struct strbuf *out)
{
    strbuf_add(out, d->name, d->name_size);
    if (d->name_size > 0 && d->name[d->name_size - 1] == ':') {
        strbuf_printf(out, "[%lu]", (unsigned long)d->inode->ino); /* "pipe:[123]" */
    }
}

/**
 * path_name - append the absolute name of p, as seen from root.
 * @root: borrowed; NULL: the root of all mounts.
 *
 * A path that lies outside root gets its name from the top of its mount. Anonymous files have their
 * own form, without a slash.
 *
 * Errors:  -ENOMEM.
 */
int path_name(const struct path *p, const struct path *root, struct strbuf *out)
{
    if (!p->mnt) {
        anon_name(p->dentry, out);
        return strbuf_error(out);
    }
    size_t size = 0;
    const struct mount *m = p->mnt;
    const struct dentry *d = p->dentry, *passed;
    while ((passed = step_up(&m, &d, root))) {
        size += passed->name_size + 1u;
    }
    AUTO_FREE char *text = malloc(size + 1);
    if (!text) {
        return -ENOMEM;
    }
    char *at = text + size;
    m = p->mnt;
    d = p->dentry;
    while ((passed = step_up(&m, &d, root))) {
        at -= passed->name_size;
        memcpy(at, passed->name, passed->name_size);
        *--at = '/';
    }
    if (size == 0) {
        strbuf_addc(out, '/');
    } else {
        strbuf_add(out, text, size);
    }
    if (p->dentry->unhashed) {
        strbuf_adds(out, DELETED);
    }
    return strbuf_error(out);
}
