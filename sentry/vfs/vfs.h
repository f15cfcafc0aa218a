/*
 * Names to files: the path walk (fs/namei.c in Linux) and what the *at system calls do with it.
 * All may block. Names are kernel strings (already copied in, at most PATH_MAX with the NUL).
 */
#pragma once

#include "sentry/vfs/file.h"

struct mount_ns;

/*
 * What file systems above vfs do for it; handed down once at start: vfs_set_special(fifo_open, device_open).
 * Until then FIFOs and devices are -ENXIO.
 */
void vfs_set_special(int (*fifo_open_fn)(struct inode *inode, struct file *f),
                     int (*device_open_fn)(struct inode *inode, struct file *f));

/* What the answer to a lookup depends on, for who wants to keep it (stamp.h). */
#define TRACE_NAMES 3
struct walk_trace {
    uint64_t since;              /* the last stamp given before it began: the caller sets it */
    uint16_t names[TRACE_NAMES]; /* stamps of names that decided; 0: none */
    uint16_t missing;            /* of what is missing where the last of them is */
    unsigned count;
    bool unsteady;  /* it can't be kept */
    bool made_here; /* the last of them is in a directory that is not the host's, nor the root */
    bool last_link; /* a link at the end was followed */
};

/* Where a walk starts and as whom. */
struct walk {
    const struct cred *cred;  /* borrowed: permission by fsuid/fsgid and capabilities */
    const struct path *root;  /* borrowed: the task's root */
    const struct path *start; /* borrowed: cwd, or the dirfd's path */
    uint32_t umask;
    unsigned flags;           /* WALK_* */
    struct walk_trace *trace; /* filled in; NULL: nobody wants it */
};
#define WALK_FOLLOW        1u /* follow a symlink as the last component */
#define WALK_DIRECTORY     2u /* the result must be a directory */
#define WALK_EMPTY_PATH    4u /* "" names start itself */
#define WALK_NO_XDEV       8u /* openat2 RESOLVE_*: */
#define WALK_NO_SYMLINKS   16u
#define WALK_NO_MAGICLINKS 32u
#define WALK_BENEATH       64u
#define WALK_IN_ROOT       128u

/* Errors: -ENOENT -ENOTDIR -ELOOP -EACCES -ENAMETOOLONG -EXDEV; a negative dentry is -ENOENT. */
MUST_CHECK int vfs_lookup(const struct walk *w, const char *name, struct path *out);
/* flags: O_*; all of open(2)'s rules (O_CREAT, O_EXCL, O_TRUNC, O_TMPFILE, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_NOATIME). */
MUST_CHECK int vfs_open(const struct walk *w, const char *name, unsigned flags, uint32_t mode,
                        struct file **out);
/*
 * Makes and opens a file that is not there, in a directory whose inode has reserve_names. The umask has been applied. Doesn't block, and
 * takes no lock: for who knows that nobody sleeps in the middle of a change of that directory (sentry/task/notes_create.c).
 * Errors: -EEXIST -EROFS -EACCES -ENOSPC -ENOMEM.
 */
MUST_CHECK int vfs_create_at_once(const struct path *dir, const struct name *name, unsigned flags,
                                  uint32_t mode, const struct cred *cred, struct file **out);
/* Opens what a path names already (for exec, /proc/self/fd/N), with open(2)'s permission checks. flags may have
 * VFS_O_EXEC (Linux's __FMODE_EXEC): execute permission and a mount without noexec instead of read permission. */
#define VFS_O_EXEC 040u
MUST_CHECK int vfs_open_path(const struct path *p, unsigned flags, const struct cred *cred,
                             struct file **out);
MUST_CHECK int vfs_mkdir(const struct walk *w, const char *name, uint32_t mode);
MUST_CHECK int vfs_mknod(const struct walk *w, const char *name, uint32_t mode, dev_t rdev);
MUST_CHECK int vfs_symlink(const struct walk *w, const char *target, const char *name);
MUST_CHECK int vfs_link(const struct walk *old_w, const char *old_name, const struct walk *new_w,
                        const char *new_name);
MUST_CHECK int vfs_unlink(const struct walk *w, const char *name);
MUST_CHECK int vfs_rmdir(const struct walk *w, const char *name);
MUST_CHECK int vfs_rename(const struct walk *old_w, const char *old_name, const struct walk *new_w,
                          const char *new_name, unsigned flags);
/* *out: malloc'ed. */
MUST_CHECK int vfs_readlink(const struct path *p, const struct cred *cred, char **out);
/* Up-to-date attributes. */
MUST_CHECK int vfs_stat(const struct path *p, struct stat *out);
/* For the lessee itself: its leases go on (sentry/vfs/lease.h). */
MUST_CHECK int vfs_stat_leased(const struct path *p, struct stat *out);
/* chmod/chown/truncate/utimes with their permission rules; p must be writable (mount). */
MUST_CHECK int vfs_chmod(const struct path *p, const struct cred *cred, uint32_t mode);
MUST_CHECK int vfs_chown(const struct path *p, const struct cred *cred, uint32_t uid, uint32_t gid);
MUST_CHECK int vfs_truncate(const struct path *p, const struct cred *cred, int64_t size);
MUST_CHECK int vfs_ftruncate(struct file *f, int64_t size);
/* ns values, or UTIME_NOW_NS / UTIME_OMIT_NS. */
#define UTIME_NOW_NS  INT64_MIN
#define UTIME_OMIT_NS (INT64_MIN + 1)
MUST_CHECK int vfs_utimes(const struct path *p, const struct cred *cred, int64_t atime_ns,
                          int64_t mtime_ns);
/* access(2): may is MAY_* bits; use a cred with real ids. */
MUST_CHECK int vfs_access(const struct path *p, const struct cred *cred, int may);
/* Mounts sb at an existing directory (or file) named by an absolute guest path, making missing directories first when make_dirs. */
MUST_CHECK int vfs_mount_at(struct mount_ns *ns, const char *guest_path, bool make_dirs,
                            struct super_block *sb, unsigned flags, const char *source,
                            const char *options);
