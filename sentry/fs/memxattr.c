/*
 * Extended attributes of inodes that live in memory: a short list. See xattr(7). Which names a guest
 * may touch is the system call layer's matter; here only the namespaces that exist are told apart.
 */
#include "sentry/fs/memnode.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define MAX_BYTES_PER_INODE (128 * 1024)

struct mem_xattr {
    struct mem_xattr *next;
    size_t name_size; /* with the NUL */
    size_t value_size;
    char text[]; /* name, NUL, value */
};

/* Errors: -EOPNOTSUPP for a namespace that is not there, -EINVAL for nothing behind its dot. */
static int check_name(const char *name)
{
    static const char *const prefixes[] = {"user.", "security.", "trusted."};
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        size_t size = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], size) == 0) {
            return name[size] != '\0' ? 0 : -EINVAL;
        }
    }
    return -EOPNOTSUPP;
}

/* Where the pointer to the attribute is; *result is NULL when there is none. */
static struct mem_xattr **find(struct mem_node *n, const char *name)
{
    struct mem_xattr **p = &n->xattrs;
    while (*p && strcmp((*p)->text, name) != 0) {
        p = &(*p)->next;
    }
    return p;
}

void mem_xattrs_free(struct mem_node *n)
{
    while (n->xattrs) {
        struct mem_xattr *x = n->xattrs;
        n->xattrs = x->next;
        free(x);
    }
}

bool mem_lacks_xattrs(struct inode *inode)
{
    return !mem_node(inode)->xattrs;
}

ssize_t mem_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
    int r = check_name(name);
    if (r < 0) {
        return r;
    }
    const struct mem_xattr *x = *find(mem_node(inode), name);
    if (!x) {
        return -ENODATA;
    }
    if (size > 0) {
        if (size < x->value_size) {
            return -ERANGE;
        }
        memcpy(value, x->text + x->name_size, x->value_size);
    }
    return (ssize_t)x->value_size;
}

static size_t bytes_used(const struct mem_node *n)
{
    size_t used = 0;
    for (const struct mem_xattr *x = n->xattrs; x; x = x->next) {
        used += x->name_size + x->value_size;
    }
    return used;
}

int mem_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
    struct mem_node *n = mem_node(inode);
    int r = check_name(name);
    if (r < 0) {
        return r;
    }
    struct mem_xattr **old = find(n, name);
    if (*old && (flags & XATTR_CREATE)) {
        return -EEXIST;
    }
    if (!*old && (flags & XATTR_REPLACE)) {
        return -ENODATA;
    }
    size_t name_size = strlen(name) + 1;
    if (size > MAX_BYTES_PER_INODE || bytes_used(n) + name_size + size > MAX_BYTES_PER_INODE) {
        return -ENOSPC;
    }
    struct mem_xattr *x = malloc(sizeof(*x) + name_size + size);
    if (!x) {
        return -ENOMEM;
    }
    x->name_size = name_size;
    x->value_size = size;
    memcpy(x->text, name, name_size);
    if (size > 0) {
        memcpy(x->text + name_size, value, size);
    }
    struct mem_xattr *replaced = *old;
    x->next = replaced ? replaced->next : NULL;
    *old = x;
    free(replaced);
    inode_touch(inode, ATTR_CTIME);
    mem_modified(n);
    return 0;
}

ssize_t mem_listxattr(struct inode *inode, char *list, size_t size)
{
    size_t total = 0;
    for (const struct mem_xattr *x = mem_node(inode)->xattrs; x; x = x->next) {
        if (size > 0) {
            if (x->name_size > size - total) {
                return -ERANGE;
            }
            memcpy(list + total, x->text, x->name_size);
        }
        total += x->name_size;
    }
    return (ssize_t)total;
}

int mem_removexattr(struct inode *inode, const char *name)
{
    struct mem_node *n = mem_node(inode);
    int r = check_name(name);
    if (r < 0) {
        return r;
    }
    struct mem_xattr **p = find(n, name);
    if (!*p) {
        return -ENODATA;
    }
    struct mem_xattr *x = *p;
    *p = x->next;
    free(x);
    inode_touch(inode, ATTR_CTIME);
    mem_modified(n);
    return 0;
}
