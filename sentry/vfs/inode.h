/*
 * Inodes and file systems: Linux's object model. A file system embeds struct inode first in its
 * own inode, and answers inode_ops. Directories' ops are called with the directory's lock held
 * (kmutex: it holds across an RPC). Permission has been checked by the caller (namei, vfs.h).
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "lib/list.h"
#include "lib/refcount.h"
#include "sentry/base/waitq.h"

struct cred;
struct dentry;
struct file;
struct inode;
struct inotify_marks;
struct path;
struct pipe;
struct statfs;
struct super_block;

struct name { /* one path component; not NUL-terminated */
    const char *text;
    size_t size;
};

struct super_ops {
    /* Frees a file system's inode (the base is cleared by inode_put). */
    void (*free_inode)(struct inode *inode);
    MUST_CHECK int (*statfs)(struct inode *root, struct statfs *out);
    /* The last mount is gone. NULL: nothing to do. */
    void (*put)(struct super_block *sb);
};
struct super_block {
    struct refcount ref;
    const struct super_ops *ops;
    const char *type_name; /* "tmpfs", "proc" ...: for /proc/mounts */
    dev_t dev;             /* st_dev */
    uint64_t next_ino;
    unsigned flags;            /* SB_* */
    struct dentry *root;       /* ref */
    uint32_t magic;            /* f_type */
    uint32_t active;           /* mounts (and overlays) that use it; see super_activate */
    struct kmutex rename_lock; /* held while a directory moves to another parent */
    void *private;             /* the file system's; free()d with the super_block */
};
#define SB_RDONLY     1u
#define SB_NO_DCACHE  2u /* names may appear and vanish by themselves (proc): never cache lookups */
#define SB_REVALIDATE 4u /* shared with the host: cached names and attributes need asking again */
#define SB_STEADY                                                                                  \
    8u /* names and attributes change only by our hand: answers may be kept (stamp.h) */

struct inode_attr { /* for setattr: which fields are meant */
    unsigned valid;
#define ATTR_MODE  1u
#define ATTR_UID   2u
#define ATTR_GID   4u
#define ATTR_SIZE  8u
#define ATTR_ATIME 16u
#define ATTR_MTIME 32u
#define ATTR_CTIME 64u
    uint32_t mode, uid, gid;
    int64_t size, atime_ns, mtime_ns, ctime_ns;
};

struct inode_ops {
    /* Finds name in dir. 0 with a reference in *out, or -ENOENT ... NULL: not a directory. */
    MUST_CHECK int (*lookup)(struct inode *dir, const struct name *name, struct inode **out);
    /* These make a new inode, linked into dir as name; owner and mode (umask applied) as given. NULL: -EPERM. */
    MUST_CHECK int (*create)(struct inode *dir, const struct name *name, uint32_t mode,
                             const struct cred *cred, struct inode **out);
    MUST_CHECK int (*mkdir)(struct inode *dir, const struct name *name, uint32_t mode,
                            const struct cred *cred, struct inode **out);
    MUST_CHECK int (*mknod)(struct inode *dir, const struct name *name, uint32_t mode, dev_t rdev,
                            const struct cred *cred, struct inode **out);
    MUST_CHECK int (*symlink)(struct inode *dir, const struct name *name, const char *target,
                              const struct cred *cred, struct inode **out);
    MUST_CHECK int (*link)(struct inode *dir, const struct name *name, struct inode *inode);
    MUST_CHECK int (*unlink)(struct inode *dir, const struct name *name, struct inode *inode);
    MUST_CHECK int (*rmdir)(struct inode *dir, const struct name *name, struct inode *inode);
    /* Both directories are locked. target: NULL or what new_name names now. flags: RENAME_*. */
    MUST_CHECK int (*rename)(struct inode *old_dir, const struct name *old_name,
                             struct inode *inode, struct inode *new_dir,
                             const struct name *new_name, struct inode *target, unsigned flags);
    /* *out: malloc'ed text, NUL-terminated. NULL: not a symbolic link. */
    MUST_CHECK int (*readlink)(struct inode *inode, char **out);
    /* A link that jumps (/proc/self/exe, /proc/self/fd/N): *out gets references. NULL: follow readlink. */
    MUST_CHECK int (*get_link_path)(struct inode *inode, const struct cred *cred, struct path *out);
    /* Brings the base's attributes up to date before stat. NULL: they always are. May block. */
    MUST_CHECK int (*getattr)(struct inode *inode);
    /* Applies attr to the file system and to the base's fields. ATTR_SIZE truncates. NULL: -EPERM. */
    MUST_CHECK int (*setattr)(struct inode *inode, const struct inode_attr *attr);
    /* Makes the open file: sets f->ops and f->private. NULL: -ENXIO. May block. flags: O_*. */
    MUST_CHECK int (*open)(struct inode *inode, struct file *f);
    /* Extended attributes. value/list: kernel memory of size bytes; size 0 asks how much. NULL: -EOPNOTSUPP. */
    MUST_CHECK ssize_t (*getxattr)(struct inode *inode, const char *name, void *value, size_t size);
    MUST_CHECK int (*setxattr)(struct inode *inode, const char *name, const void *value,
                               size_t size, int flags);
    MUST_CHECK ssize_t (*listxattr)(struct inode *inode, char *list, size_t size);
    MUST_CHECK int (*removexattr)(struct inode *inode, const char *name);
    /* A cached name of a SB_REVALIDATE or proc directory: still true? NULL: yes. */
    bool (*revalidate)(struct inode *dir, const struct name *name, struct inode *inode);
    /* Extra permission rule beside mode bits (proc, gofer). NULL: mode bits alone. */
    MUST_CHECK int (*permission)(struct inode *inode, const struct cred *cred, int may);
    /*
     * A hint: text, a path's rest as the caller wrote it, is about to be walked from dir. The file system may
     * fetch all of it in one trip, for the lookups that follow. opens: what it leads to will be opened for reading.
     * Called without dir's lock. NULL: nothing to gain.
     */
    void (*walk_ahead)(struct inode *dir, const char *text, bool opens);
    /* O_TMPFILE: a regular file in dir's file system without a name (nlink 0). NULL: -EOPNOTSUPP. */
    MUST_CHECK int (*tmpfile)(struct inode *dir, uint32_t mode, const struct cred *cred,
                              struct inode **out);
    /*
     * What comes after the name `after` in dir, in readdir's order, as far as it is known without asking anybody: at
     * most max names into names (size bytes), each with its NUL. Return: how many. NULL: none. Doesn't block.
     */
    MUST_CHECK size_t (*names_after)(struct inode *dir, const struct name *after, char *names,
                                     size_t size, size_t max);
    /*
     * Files may be made in dir without sleeping. Keeps room for so many more, and as many pages; < 0: no longer. Errors: -ENOSPC: it
     * is counted, but there is less. NULL: no.
     */
    MUST_CHECK int (*reserve_names)(struct inode *dir, int count);
    /* Tells each name in dir, if there are at most max. Return: false when there are more. NULL: not known. Doesn't block. */
    MUST_CHECK bool (*each_name)(const struct inode *dir, size_t max,
                                 void (*tell)(void *to, const struct name *name), void *to);
    /* A regular file whose bytes are steady, and that can be opened for reading without asking anybody. NULL: no. Doesn't block. */
    bool (*opens_at_once)(struct inode *inode);
    /* Has opened what is going to be opened after inode, if that is known, so that it opens at once. NULL: nothing to gain. Context: may block for moments. */
    void (*open_more)(struct inode *inode);
    /* It has no extended attributes; false: it has, or that is not known without asking. NULL: not known. Doesn't block. */
    bool (*lacks_xattrs)(struct inode *inode);
};

struct inode {
    struct refcount ref;
    struct super_block *sb; /* ref */
    const struct inode_ops *ops;
    uint64_t ino;
    uint32_t mode, nlink, uid, gid;
    dev_t rdev;
    int64_t size;
    uint64_t blocks; /* of 512 bytes */
    dev_t dev;       /* st_dev: sb->dev, unless the file system shows several (host trees) */
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns; /* CLOCK_REALTIME */
    uint32_t blksize;
    uint32_t i_flags;   /* INODE_* */
    bool lease_pending; /* somebody is mapping it for a lease */
    uint32_t seals;     /* F_SEAL_*: with INODE_SEALABLE; sentry/vfs/seal.c */
    struct kmutex lock; /* directories: names; files: size and data against writers */
    struct list leases; /* file_lease.inode_link: processes that serve it themselves */
    struct list locks;  /* POSIX and flock locks: sentry/vfs/locks.c */
    struct waitq lock_wait;
    struct pipe *fifo;     /* a FIFO's pipe while it is open; sentry/fs/pipe.c */
    void *bound_socket;    /* a bound AF_UNIX socket: sentry/net/unix.c */
    uint32_t write_denied; /* > 0: being executed: open for writing is -ETXTBSY */
    uint32_t writers;      /* open for writing */
    uint32_t
        lax_writers; /* of these: what memfd_create returned, which doesn't keep it from being executed */
    uint8_t write_hint;          /* F_SET_RW_HINT: kept, and nothing else */
    struct inotify_marks *marks; /* who watches it: sentry/fs/inotify.c; NULL: nobody */
};

/* i_flags */
#define INODE_DEAD     1u /* a directory that was removed: takes no new names */
#define INODE_LINKABLE 2u /* made by O_TMPFILE without O_EXCL: link(2) may give it its first name */
#define INODE_SEALABLE 4u /* made by memfd_create: fcntl(F_ADD_SEALS) applies */
#define INODE_FROZEN   8u /* a regular file whose bytes and size change with inode_end_leases only */
#define INODE_UNSTEADY                                                                             \
    16u /* mapped so that writing does not come to us: SB_STEADY does not hold for it */
#define INODE_MAPPED 32u /* somebody has mapped it privately, as programs do with libraries */

/* may bits for permission checks */
#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4

/* Sets up an embedded base: one reference, fresh ino, times now. sb: a reference is taken. */
void inode_init(struct inode *inode, struct super_block *sb, const struct inode_ops *ops,
                uint32_t mode, uint32_t uid, uint32_t gid);
struct inode *inode_get(struct inode *inode);
void inode_put(struct inode *inode);
DEFINE_AUTO_PUT(inode)
void inode_touch(struct inode *inode, unsigned attrs); /* ATTR_ATIME|MTIME|CTIME := now */
MUST_CHECK int inode_permission(struct inode *inode, const struct cred *cred, int may);
/* A generic setattr that only stores into the base. */
MUST_CHECK int inode_setattr_simple(struct inode *inode, const struct inode_attr *attr);

/* Owner and mode of a new inode in dir, with BSD group semantics where dir is set-gid. For create, mkdir, ... */
void inode_init_owner(const struct inode *dir, const struct cred *cred, uint32_t *mode,
                      uint32_t *uid, uint32_t *gid);
/* fsuid owns it, or CAP_FOWNER. */
bool inode_owner_or_capable(const struct inode *inode, const struct cred *cred);

MUST_CHECK int super_new(struct super_block **out, const struct super_ops *ops,
                         const char *type_name, uint32_t magic);
struct super_block *super_get(struct super_block *sb);
void super_put(struct super_block *sb);
/*
 * References keep the struct; being active keeps the file system. Each mount activates its
 * super_block; when the last one deactivates, ops->put runs and the dentry tree is dropped.
 */
void super_activate(struct super_block *sb);
void super_deactivate(struct super_block *sb);
