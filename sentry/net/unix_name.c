/*
 * Names of AF_UNIX sockets: in the file system, abstract, or chosen by the kernel. Analogous to
 * Linux's unix_bind, unix_autobind and unix_find_other (net/unix/af_unix.c). unix(7).
 *
 * A name in the file system is an inode that points to its socket (inode->bound_socket, borrowed: the
 * socket keeps the inode, and clears the pointer as it ends). The name itself outlives the socket.
 */
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "sentry/base/errno.h"
#include "sentry/net/unix.h"

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define AUTO_NAMES  0x100000u /* names of five hexadecimal digits */

static struct hash_table g_abstract; /* unix_socket.name_link */

void unix_name_put(struct unix_name *n)
{
    if (refcount_put(&n->ref)) {
        free(n);
    }
}

static int name_new(const struct socket_addr *a, struct unix_name **out)
{
    struct unix_name *n = malloc(sizeof(*n));

    if (!n) {
        return -ENOMEM;
    }
    n->addr = *a;
    refcount_init(&n->ref);
    *out = n;
    return 0;
}

int unix_check_addr(const struct socket_addr *a)
{
    return a->size <= PATH_OFFSET || a->size > sizeof(struct sockaddr_un) || a->family != AF_UNIX
               ? -EINVAL
               : 0;
}

static bool is_abstract(const struct socket_addr *a)
{
    return a->bytes[PATH_OFFSET] == '\0';
}

/* The path of a checked address, which need not end with a NUL. */
static size_t addr_path(const struct socket_addr *a, char path[sizeof(struct sockaddr_un)])
{
    size_t size = strnlen(a->bytes + PATH_OFFSET, a->size - PATH_OFFSET);

    memcpy(path, a->bytes + PATH_OFFSET, size);
    path[size] = '\0';
    return size;
}

/* --- abstract names --- */

/* Each type of socket has names of its own. */
static uint64_t abstract_hash(const struct socket_addr *a, int type)
{
    return hash_bytes(a->bytes, a->size, (uint64_t)type);
}

static struct unix_socket *abstract_find(const struct socket_addr *a, int type)
{
    uint64_t hash = abstract_hash(a, type);

    for (struct hash_node *n = hash_chain(&g_abstract, hash); n; n = n->next) {
        struct unix_socket *u = container_of(n, struct unix_socket, name_link);
        if (n->hash == hash && u->base.type == type && u->name->addr.size == a->size &&
            memcmp(u->name->addr.bytes, a->bytes, a->size) == 0) {
            return u;
        }
    }
    return NULL;
}

static int abstract_bind(struct unix_socket *u, const struct socket_addr *a)
{
    struct unix_name *name;

    if (abstract_find(a, u->base.type)) {
        return -EADDRINUSE;
    }
    int r = name_new(a, &name);
    if (r < 0) {
        return r;
    }
    r = hash_insert(&g_abstract, &u->name_link, abstract_hash(a, u->base.type));
    if (r < 0) {
        unix_name_put(name);
        return r;
    }
    u->name = name;
    u->name_leads_here = true;
    return 0;
}

int unix_autobind(struct unix_socket *u)
{
    static unsigned last;
    struct socket_addr a = {.family = AF_UNIX, .size = PATH_OFFSET + 6};

    if (u->name) {
        return 0;
    }
    for (unsigned tries = 0; tries < AUTO_NAMES; tries++) {
        last = (last + 1) % AUTO_NAMES;
        snprintf(a.bytes + PATH_OFFSET + 1, 6, "%05x", last);
        int r = abstract_bind(u, &a);
        if (r != -EADDRINUSE) {
            return r;
        }
    }
    return -ENOSPC;
}

/* --- names in the file system --- */

static int path_bind(struct unix_socket *u, const struct walk *walk, const struct socket_addr *a)
{
    char path[sizeof(struct sockaddr_un)];
    struct socket_addr kept = *a;
    struct walk w = *walk;
    AUTO_PATH made = {0};
    struct unix_name *name = NULL;
    size_t size = addr_path(a, path);

    w.flags &= ~WALK_FOLLOW;
    kept.size = (uint32_t)(PATH_OFFSET + size + 1); /* getsockname shows the NUL, given or not */
    kept.bytes[PATH_OFFSET + size] = '\0';
    int r = vfs_mknod(&w, path, S_IFSOCK | (u->base.file->inode->mode & 07777), 0);
    if (r < 0) {
        return r == -EEXIST ? -EADDRINUSE : r;
    }
    if (u->name) {
        r = vfs_unlink(&w, path);
        return r < 0 ? r : -EINVAL;
    }
    r = vfs_lookup(&w, path, &made);
    if (r == 0) {
        r = name_new(&kept, &name);
    }
    if (r < 0) {
        return r;
    }
    /* The walks may have slept: the name may be another's by now, or this socket bound by another thread. */
    struct inode *inode = made.dentry->inode;
    if (u->name || !S_ISSOCK(inode->mode) || inode->bound_socket) {
        unix_name_put(name);
        return u->name ? -EINVAL : -EADDRINUSE;
    }
    inode->bound_socket = u;
    u->name = name;
    u->name_leads_here = true;
    path_copy(&u->path, &made);
    return 0;
}

/**
 * unix_bind - bind(2).
 *
 * Context: may block.
 * Errors:  -EINVAL (form, or it has a name), -EADDRINUSE, and mknod(2)'s.
 */
int unix_bind(struct socket *s, const struct socket_caller *c, const struct socket_addr *a)
{
    struct unix_socket *u = unix_socket(s);

    if (a->size == PATH_OFFSET && a->family == AF_UNIX) {
        return unix_autobind(u);
    }
    int r = unix_check_addr(a);
    if (r < 0) {
        return r;
    }
    if (!is_abstract(a)) {
        return path_bind(u, c->walk, a);
    }
    return u->name ? -EINVAL : abstract_bind(u, a);
}

void unix_unbind(struct unix_socket *u)
{
    if (u->name_leads_here) {
        u->name_leads_here = false;
        if (u->path.dentry) {
            u->path.dentry->inode->bound_socket = NULL;
        } else {
            hash_remove(&g_abstract, &u->name_link);
        }
    }
    path_put(&u->path);
}

/* --- finding --- */

static int path_find(const struct socket_caller *c, const struct socket_addr *a,
                     struct unix_socket **out)
{
    char path[sizeof(struct sockaddr_un)];
    struct walk w = *c->walk;
    AUTO_PATH found = {0};

    addr_path(a, path);
    w.flags |= WALK_FOLLOW;
    int r = vfs_lookup(&w, path, &found);
    if (r < 0) {
        return r;
    }
    struct inode *inode = found.dentry->inode;
    r = inode_permission(inode, c->cred, MAY_WRITE);
    if (r < 0) {
        return r;
    }
    if (!S_ISSOCK(inode->mode) || !inode->bound_socket) {
        return -ECONNREFUSED;
    }
    *out = unix_get(inode->bound_socket);
    return 0;
}

int unix_find(const struct socket_caller *c, const struct socket_addr *a, int type,
              struct unix_socket **out)
{
    struct unix_socket *u;

    if (is_abstract(a)) {
        u = abstract_find(a, type);
        if (!u) {
            return -ECONNREFUSED;
        }
        unix_get(u);
    } else {
        int r = path_find(c, a, &u);
        if (r < 0) {
            return r;
        }
    }
    if (u->base.type != type) {
        unix_put(u);
        return -EPROTOTYPE;
    }
    *out = u;
    return 0;
}

int unix_getname(struct socket *s, bool peer, struct socket_addr *out)
{
    const struct unix_socket *u = unix_socket(s);

    if (peer) {
        u = u->peer;
        if (!u) {
            return -ENOTCONN;
        }
    }
    if (u->name) {
        *out = u->name->addr;
    } else {
        *out = (struct socket_addr){.size = PATH_OFFSET, .family = AF_UNIX};
    }
    return 0;
}
