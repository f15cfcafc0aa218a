/*
 * struct file: an open file description, and the operations behind it. fd numbers are in fdtable.h.
 */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "sentry/mm/uio.h"
#include "sentry/vfs/cred.h"
#include "sentry/vfs/dentry.h"

struct file;
struct file_lease;
struct fd_table;
struct lease_terms;
struct mm;

/* A directory entry sink. Return false to stop (no room): the entry was not taken. */
struct dir_context {
    bool (*emit)(struct dir_context *c, const char *name, size_t size, uint64_t ino,
                 unsigned char type, int64_t next_pos);
    int64_t pos; /* where to begin; advanced to behind the last entry taken */
};
/* What a file mapping needs: a host fd that shows the bytes, and where in it. */
struct file_map {
    int host_fd;          /* borrowed: stays open as long as the file */
    uint64_t host_offset; /* of the file's byte 0 */
};

/* What Linux's files of a kind lack, or have, beside the operations. */
enum file_trait {
    FILE_NO_SPLICE_READ = 1,  /* splice and sendfile don't read it */
    FILE_NO_SPLICE_WRITE = 2, /* ... don't write it */
    FILE_NO_RWF_READ = 4,     /* preadv2 takes no flags for it */
    FILE_NO_RWF_WRITE = 8,    /* pwritev2 */
    FILE_NOWAIT = 16,         /* RWF_NOWAIT is for it: a call as with O_NONBLOCK */
    FILE_PREAD = 32,          /* pread is not refused with ESPIPE, though lseek is */
    FILE_ANY_POSITION = 64,   /* positions are addresses */
};

struct file_ops {
    unsigned traits; /* FILE_* */
    /*
     * Transfer at *pos and advance it (streams ignore it). pos is &f->pos itself for a transfer at the file's own
     * position, and something else for pread/pwrite. Return bytes, 0 at end of file, or -errno; -EAGAIN when
     * f->flags has O_NONBLOCK. NULL: -EINVAL. Context: may block.
     */
    MUST_CHECK ssize_t (*read)(struct file *f, struct uio *dst, int64_t *pos);
    MUST_CHECK ssize_t (*write)(struct file *f, struct uio *src, int64_t *pos);
    /* Events that are ready now (EPOLLIN ...). *out_q (when asked): the queue that is woken on a change. NULL: always
     * ready for reading and writing, and epoll_ctl gives -EPERM. */
    uint32_t (*poll)(struct file *f, struct waitq **out_q);
    /* NULL: generic_llseek for regular files and directories; use no_llseek for streams (-ESPIPE). */
    MUST_CHECK int64_t (*llseek)(struct file *f, int64_t offset, int whence);
    /* Emits entries from c->pos, "." and ".." included. NULL: -ENOTDIR. */
    MUST_CHECK int (*readdir)(struct file *f, struct dir_context *c);
    /* arg is the raw argument. NULL: -ENOTTY. FIONREAD, FIONBIO, FIOCLEX... are handled above. */
    MUST_CHECK long (*ioctl)(struct file *f, struct mm *mm, unsigned cmd, uaddr_t arg);
    /* prot/flags as mmap(2) has them. NULL: -ENODEV. */
    MUST_CHECK int (*mmap)(struct file *f, int prot, int flags, struct file_map *out);
    /* Its bytes change by the kernel only, so that as long as nobody has it open for writing, a copy is as good. NULL: no. */
    bool (*steady)(const struct file *f);
    /*
     * Lets a process serve f by itself, until lease_end takes what it did: the file is size bytes long now, and was last
     * written at mtime_ns (0: not at all). NULL: never. -errno: not now. See sentry/vfs/lease.h. Must not block.
     */
    MUST_CHECK int (*lease)(struct file *f, struct lease_terms *out);
    void (*lease_end)(struct file *f, int64_t size, int64_t mtime_ns);
    /*
     * Room for so many more bytes is kept for f; < 0: that many no longer. So a write that is made known later does not
     * fail. NULL: there is no such thing. Errors: -ENOSPC it is counted, but there is less. Must not block.
     */
    MUST_CHECK int (*reserve)(struct file *f, int64_t bytes);
    MUST_CHECK int (*fsync)(struct file *f, bool data_only); /* NULL: -EINVAL */
    MUST_CHECK int (*fallocate)(struct file *f, int mode, int64_t offset,
                                int64_t size); /* NULL: -EOPNOTSUPP */
    /* One fd of it is being closed (locks are dropped above). NULL: nothing. */
    void (*flush)(struct file *f);
    /* The last reference is gone; frees private. */
    void (*release)(struct file *f);
    /* Text after "pos flags mnt_id ino" in /proc/self/fdinfo/N. NULL: none. */
    void (*show_fdinfo)(struct file *f, struct strbuf *out);
};

/* Something that watches a file (an epoll item, O_ASYNC), on file.watches. */
struct file_watch {
    struct list link;
    /* The last reference to the file goes: removes link, and forgets the file. Must not block. */
    void (*released)(struct file_watch *w);
};

struct file {
    struct refcount ref;
    const struct file_ops *ops;
    struct path path;    /* refs; mnt may be NULL (anonymous) */
    struct inode *inode; /* ref */
    unsigned flags;      /* O_* status flags; access mode in O_ACCMODE; O_PATH */
    int64_t pos;
    struct kmutex pos_lock;   /* read/write/lseek of one description are atomic to each other */
    struct cred *cred;        /* ref: the opener's */
    void *private;            /* the file system's */
    struct list watches;      /* struct file_watch: epoll items that watch it, sentry/fs/epoll.c */
    bool counted_writer;      /* it is one of inode->writers */
    bool lax_writer;          /* ... and of inode->lax_writers */
    struct file_lease *lease; /* whom it serves without asking; NULL: sentry/vfs/lease.h */
    const struct fd_table *lease_files; /* ... as this table's lease_fd */
    int lease_fd;
    struct file_lease *noted; /* its process notes calls on it; NULL: sentry/task/notes.c */
    bool created;             /* the open that made it made its inode, too */
    int lease_heat;           /* calls that a lease would have saved; < 0: it is not worth one */
    int owner, owner_sig, owner_type; /* F_SETOWN, F_SETSIG: sentry/task/sigio.c */
    uint32_t owner_uid, owner_euid;   /* who named the owner */
};
static inline bool file_readable(const struct file *f)
{
    return (f->flags & O_ACCMODE) != O_WRONLY && !(f->flags & O_PATH);
}
static inline bool file_writable(const struct file *f)
{
    return (f->flags & O_ACCMODE) != O_RDONLY && !(f->flags & O_PATH);
}

/* An anonymous file ("anon_inode:[eventfd]", "pipe:"): takes the inode's reference. cred: borrowed. */
MUST_CHECK int file_new_anon(const struct file_ops *ops, const char *name,
                             struct inode *inode_consumed, unsigned flags, const struct cred *cred,
                             void *private, struct file **out);
/* A fresh anonymous inode on the kernel's anon_inodefs. mode: S_IFIFO|0600, 0600 ... */
MUST_CHECK int inode_new_anon(uint32_t mode, const struct cred *cred, struct inode **out);
/* Opens inode without a name (an overlay's lower file). Context: may block. */
MUST_CHECK int file_open_inode(struct inode *inode, unsigned flags, const struct cred *cred,
                               struct file **out);
/* Opens inode as path names it: what vfs_open does last. No permission checks. path.mnt may be NULL. May block. */
MUST_CHECK int file_open_path(const struct path *path, unsigned flags, const struct cred *cred,
                              struct file **out);
/* relatime, Linux's default: atime moves when it is not newer than the last change, or a day old. now: CLOCK_REALTIME. */
bool atime_is_due(const struct inode *inode, int64_t now);
/* The object was read: atime, by the mount's and the file's rules (relatime). */
void path_accessed(const struct path *p);
void file_accessed(struct file *f);
/* Would it change atime if f were read now? */
bool file_access_counts(const struct file *f);
struct file *file_get(struct file *f);
void file_put(struct file *f);
DEFINE_AUTO_PUT(file)

/* read(2)/write(2) at the file's own position; pread/pwrite with pos. They check mode, limits and ops. May block. */
MUST_CHECK ssize_t file_read(struct file *f, struct uio *dst);
MUST_CHECK ssize_t file_write(struct file *f, struct uio *src);
MUST_CHECK ssize_t file_pread(struct file *f, struct uio *dst, int64_t pos);
MUST_CHECK ssize_t file_pwrite(struct file *f, struct uio *src, int64_t pos);
/* RWF_NOAPPEND: like file_write (pos NULL) and file_pwrite, but not at the end, whatever O_APPEND says. */
MUST_CHECK ssize_t file_write_here(struct file *f, struct uio *src, const int64_t *pos);
/* Has it positions for pread and pwrite? If not, they are -ESPIPE. */
bool file_has_positions(const struct file *f);
/* Linux's rw_verify_area. Errors: -EINVAL pos is negative, or the end is not a position. */
MUST_CHECK int file_check_range(const struct file *f, int64_t pos, size_t size);
/* Kernel memory from a file (the loader, sendfile). */
MUST_CHECK ssize_t file_kernel_read(struct file *f, void *buf, size_t size, int64_t pos);
MUST_CHECK int64_t file_llseek(struct file *f, int64_t offset, int whence);
MUST_CHECK int64_t generic_llseek(struct file *f, int64_t offset, int whence);
MUST_CHECK int64_t no_llseek(struct file *f, int64_t offset, int whence);
/* For streams that lseek leaves alone without an error (eventfd, epoll): position 0, and pread is -ESPIPE. */
MUST_CHECK int64_t noop_llseek(struct file *f, int64_t offset, int whence);
uint32_t file_poll(struct file *f, struct waitq **out_q);
