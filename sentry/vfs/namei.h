/*
 * The path walk as the files of sentry/vfs use it among themselves. Analogous to Linux's struct
 * nameidata. From outside, use vfs.h.
 */
#pragma once

#include "sentry/vfs/vfs.h"

#define NAME_SIZE_MAX 255
#define PATH_SIZE_MAX 4096 /* with the NUL */
#define MAX_LINKS     40

enum last_kind {
    LAST_NORM,
    LAST_DOT,
    LAST_DOTDOT,
    LAST_NONE, /* no component is left: "/", "", or a link that jumped */
};

/* Text that is still to be walked: the name itself, and link texts nested in it. */
struct namei_piece {
    const char *rest;
    char *owned; /* NULL for the caller's name */
};

struct namei {
    const struct walk *w;
    struct path root;    /* refs: where ".." stops and absolute links begin */
    struct path at;      /* refs: the directory reached */
    enum last_kind kind; /* of the last component ... */
    struct name last;    /* ... and its text; valid until the walk goes on */
    bool slash;          /* it had a trailing slash: it must be a directory */
    bool opens; /* the caller is going to read what the name leads to; false from namei_start */
    unsigned links;
    size_t depth;
    struct namei_piece pieces[MAX_LINKS + 1];
};

/* Begins a walk; namei_end always follows. Errors: -ENOENT -ENAMETOOLONG -ENOTDIR -EXDEV. */
MUST_CHECK int namei_start(struct namei *n, const struct walk *w, const char *name);
void namei_end(struct namei *n);
#define AUTO_NAMEI __attribute__((cleanup(namei_end))) struct namei
/* Walks to the parent of the last component: n->at, n->kind, n->last. Search permission of the
 * parent has been checked. May block. */
MUST_CHECK int namei_parent(struct namei *n);
/* What a dentry in n->at means: mounts on it crossed. d: consumed. */
MUST_CHECK int namei_enter(struct namei *n, struct dentry *d, struct path *out);
/* Follows a symbolic link found in n->at, then namei_parent goes on. May block. */
MUST_CHECK int namei_follow(struct namei *n, const struct path *link);
/* "." or ".." or nothing as the last component: n->at becomes the result. */
MUST_CHECK int namei_dots(struct namei *n);
/* n->w->trace: what is found depends on a name in the directory reached: that it is there, missing, or a link. */
void namei_trace_name(const struct namei *n, const struct name *name);
/* Walks to the end: n->at. */
MUST_CHECK int namei_finish(struct namei *n, bool follow);

static inline bool path_equal(const struct path *a, const struct path *b)
{
    return a->mnt == b->mnt && a->dentry == b->dentry;
}
/* The mount that covers d of parent, borrowed, or NULL. */
struct mount *mount_covering(const struct mount *parent, const struct dentry *d);
/* -EROFS when nothing may be changed through this path. mnt may be NULL. */
MUST_CHECK int path_want_write(const struct path *p);

/* Rules for names in directories (modify.c). isdir: rmdir's rules, else unlink's. */
MUST_CHECK int may_create(struct inode *dir, const struct cred *cred);
MUST_CHECK int may_delete(struct inode *dir, const struct dentry *victim, const struct cred *cred,
                          bool isdir);
/* Clears set-id bits as a write by cred does. inode->lock is held. May block. */
MUST_CHECK int inode_drop_privileges(struct inode *inode, const struct cred *cred);
/* ATTR_SIZE and the times, under inode->lock. May block. */
MUST_CHECK int inode_truncate(struct inode *inode, const struct cred *cred, int64_t size);
MUST_CHECK int inode_setattr(struct inode *inode, const struct inode_attr *attr);
/* ETXTBSY accounting. */
MUST_CHECK int inode_get_write(struct inode *inode);
void inode_put_write(struct inode *inode);
