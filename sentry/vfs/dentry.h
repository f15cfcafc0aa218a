/*
 * Dentries (names), mounts and paths, as in Linux. A dentry is a cached fact: "parent has name, and
 * it is this inode" or, with inode NULL, "parent has no such name". On file systems that live in
 * memory the dentry tree is only a cache, too: the file system itself keeps its names.
 */
#pragma once

#include "lib/hash.h"
#include "sentry/vfs/inode.h"

struct dentry {
    struct refcount ref;
    struct dentry *parent;  /* ref; NULL for a root */
    struct inode *inode;    /* ref; NULL: negative */
    struct super_block *sb; /* borrowed: the tree's root keeps it */
    struct hash_node hash;  /* in the kernel's dentry table, by (parent, name) */
    struct list siblings, children;
    struct list
        lru;   /* on the unused list if nobody holds a reference, perhaps also if somebody does */
    bool used; /* since it was the oldest there */
    uint32_t mount_count; /* mounts on it (in any parent mount) */
    bool unhashed;        /* deleted: /proc shows " (deleted)" */
    bool hashed;          /* in the table, which holds a reference of its own */
    bool is_program;      /* a process was told its path */
    uint16_t name_size;
    char *name; /* owned, NUL-terminated */
};
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
DEFINE_AUTO_PUT(dentry)
/* A root dentry for a new file system; inode: consumed. Errors: -ENOMEM. */
MUST_CHECK int dentry_new_root(struct super_block *sb, struct inode *inode, struct dentry **out);
/* A nameless dentry for anonymous files (pipes, eventfds); name is what /proc/self/fd shows. inode: consumed. */
MUST_CHECK int dentry_new_anon(const char *name, struct inode *inode, struct dentry **out);

struct mount {
    struct refcount ref;
    struct mount *parent;      /* borrowed: the mount tree owns its children; NULL for the root */
    struct dentry *mountpoint; /* ref; in parent */
    struct dentry *root;       /* ref */
    struct super_block *sb;    /* ref */
    struct list siblings, children, all;
    unsigned flags; /* MNT_* */
    int id;
    char *source;  /* owned: first field of /proc/mounts */
    char *options; /* owned: extra options text for /proc/mounts, may be "" */
};
#define MNT_RDONLY   1u
#define MNT_NOSUID   2u
#define MNT_NODEV    4u
#define MNT_NOEXEC   8u
#define MNT_NOATIME  16u
#define MNT_RELATIME 32u

struct path {
    struct mount *mnt;     /* ref */
    struct dentry *dentry; /* ref */
};
/* Copies and takes references; *dst must be empty. */
void path_copy(struct path *dst, const struct path *src);
void path_put(struct path *p); /* drops both, and empties *p */
#define AUTO_PATH __attribute__((cleanup(path_put))) struct path
struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m);

struct strbuf;
/* Absolute name of p below root; " (deleted)" appended when it is unlinked. Errors: -ENOMEM. */
MUST_CHECK int path_name(const struct path *p, const struct path *root, struct strbuf *out);

/* The set of mounts of one sandbox (one mount namespace). */
struct mount_ns {
    struct mount *root; /* ref */
    struct list all;    /* in order of mounting */
    int next_id;
};
MUST_CHECK int mount_ns_new(struct mount_ns **out);
/* Unmounts all of it. */
void mount_ns_free(struct mount_ns *ns);
/* umount(2) of one mount. Errors: -EBUSY something is mounted below it, or it is the root, or in use. detach: MNT_DETACH. */
MUST_CHECK int mount_remove(struct mount_ns *ns, struct mount *m, bool detach);
/* Mounts sb on at (NULL dentry: as the root). source/options are copied. */
MUST_CHECK int mount_add(struct mount_ns *ns, const struct path *at, struct super_block *sb,
                         unsigned flags, const char *source, const char *options,
                         struct mount **out_borrowed);
/* A second view of what from names, on at. Flags and texts are those of from's mount. Errors: -ENOMEM -ENOTDIR. */
MUST_CHECK int mount_bind(struct mount_ns *ns, const struct path *at, const struct path *from);
