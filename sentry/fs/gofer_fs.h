/*
 * Inside the gofer file system: shared by gofer_fs.c (inodes, attributes), gofer_lookup.c,
 * gofer_listing.c, gofer_walk.c, gofer_dir.c (open directories), gofer_file.c (donated fds, data) and
 * gofer_names.c (changes). Nobody else includes it.
 *
 * A tree is *frozen* when it is read-only and not shared: then nothing changes under us, and
 * whatever was learnt once is true for ever. Else what was learnt is believed for GOFER_FRESH_NS.
 * DEVIATION: so a change that a host process makes in a shared tree may be seen that much later,
 * which is no more than the granularity of Linux's own time stamps, and lets one RPC serve the
 * several steps of one system call, and "ls -l" a listing.
 */
#pragma once

#include "sentry/fs/gofer_client.h"
#include "sentry/vfs/file.h"

#define GOFER_FRESH_NS   (10 * NSEC_PER_MSEC)
#define GOFER_PRIMED_MAX 32

struct gofer_dev { /* a file system of the host, as the guest sees it */
    uint64_t host;
    dev_t guest;
};
/* An answer that came with another's reply: the next lookup of (dir, name) takes it. */
struct gofer_primed {
    struct inode *dir;   /* ref; NULL: free slot */
    struct inode *inode; /* ref; NULL: no such name */
    char *name;          /* owned */
    int64_t when_ns;
};
struct gofer_fs {                /* sb->private */
    struct gofer_client *client; /* borrowed: the kernel's, outlives every file system */
    struct super_block *sb;      /* borrowed: owns this */
    uint32_t root;
    bool read_only, frozen;
    struct hash_table inodes; /* struct gofer_inode by host identity */
    struct gofer_dev *devs;   /* owned */
    size_t dev_count;
    struct gofer_primed primed[GOFER_PRIMED_MAX];
    unsigned primed_next;
    /* see gofer_listing.c */
    int attr_credit, xattr_credit, ahead_credit, around;
    int open_credit;       /* see gofer_ahead.c */
    struct ahead *opening; /* owned: files that are on their way; NULL */
    struct { /* a listing that is asked for before anybody wants it, see gofer_walk.c */
        struct gofer_call *call; /* owned; NULL: none */
        struct gofer_inode *dir; /* ref */
        char *beside;            /* owned */
        uint32_t want;
        int lean;        /* how often in a row there was no credit for attributes */
        uint64_t serial; /* the newest listing when it was last looked for what comes next */
    } coming;
    uint64_t moves; /* of names, from here: a path that was made before may lead elsewhere */
    bool detached;  /* no mount is left: nothing is kept any more */
    bool freeing;   /* see free_inode */
    struct gofer_inode *put_later;
};

/* A donated fd: users count open files; with none it is idle, and may be evicted. */
struct gofer_fd {
    struct gofer_idle_fd idle;
    struct gofer_fs *fs; /* borrowed */
    int fd;              /* owned; -1 */
    bool write_only;     /* the file's mode let us have no more */
    bool
        ahead; /* a read_fd that nobody asked for: holds a reference to its inode until it is used */
    uint32_t users;
};

struct gofer_inode {
    struct inode inode;
    /* Where the gofer finds it: its name in parent. Renaming a directory changes one of these. */
    struct gofer_inode *parent; /* ref; NULL: the root */
    char *name;                 /* owned */
    bool lost;                  /* no longer there: unlinked, or replaced by the host */

    struct hash_node identity;
    bool hashed;
    uint64_t host_dev, host_ino, mount_id;
    int64_t host_btime_ns;

    int64_t fetched_ns; /* CLOCK_MONOTONIC of the attributes; 0: stale */
    uint64_t
        changed; /* gofer_client_change()'s count when it was changed here; what was asked before counts no more */
    uint8_t may;    /* what the gofer may do with it: MAY_* */
    bool no_xattr;  /* known to have none (while the attributes are fresh) */
    bool no_nowait; /* its host file system can't read without waiting */
    bool big;       /* a directory whose listing is too long to keep */

    char *target;                  /* owned: a link's text; NULL: not known yet */
    struct gofer_listing *listing; /* a directory's, which holds a reference to this; NULL */
    uint32_t misses;               /* lookups that its listing could have answered */
    uint32_t opens;                /* of files in it, that cost an RPC */
    struct gofer_fd read_fd, write_fd;
};

static inline struct gofer_inode *gofer_i(struct inode *inode)
{
    return container_of(inode, struct gofer_inode, inode);
}
static inline struct gofer_fs *gofer_fs_of(const struct gofer_inode *gi)
{
    return gi->inode.sb->private;
}

/* gofer_fs.c */
extern const struct inode_ops gofer_inode_ops;
/* Is what was learnt then still believed? */
bool gofer_fresh(const struct gofer_fs *fs, int64_t when_ns);
/* gi's path beneath the root, or name's in it (NULL: itself). *out: malloc'ed.
 * Errors: -ENOENT it is lost; -ENAMETOOLONG; -ENOMEM. */
MUST_CHECK int gofer_path(struct gofer_inode *gi, const struct name *name, char **out);
/* The inode of what dir's name is: an existing one, or a new one. target: consumed. *out: a reference. */
MUST_CHECK int gofer_inode_find(struct gofer_inode *dir, const struct name *name,
                                const struct gofer_attr *attr, char *target,
                                struct gofer_inode **out);
/* The inode of the file that has these attributes, if there is one. Return: borrowed. */
struct gofer_inode *gofer_inode_known(struct gofer_fs *fs, const struct gofer_attr *attr);
/*
 * gofer_stat - STAT of gi (name: NULL), or of a name in it; again if names were moved meanwhile, since it may be about another file then.
 * @out_target: malloc'ed, of a link; else NULL.
 */
MUST_CHECK int gofer_stat(struct gofer_inode *gi, const struct name *name, struct gofer_attr *out,
                          char **out_target);
/* Takes over what the gofer said, unless gi has been changed from here since it was asked: then it is to be asked again. */
void gofer_attr_apply(struct gofer_inode *gi, const struct gofer_attr *attr);
/* gi has been changed from here; what is known of it is no longer true. */
void gofer_inode_changed(struct gofer_inode *gi);
bool gofer_is_named(const struct gofer_inode *gi, const struct gofer_inode *dir,
                    const struct name *name);
/* Are these the attributes of the file that gi is? */
bool gofer_inode_is(const struct gofer_inode *gi, const struct gofer_attr *attr);
/* The host put another regular file under gi's name, and no fd of the old one is in use: gi is that now. */
void gofer_inode_adopt(struct gofer_inode *gi, const struct gofer_attr *attr);
/* Moves gi to (dir, name). Errors: -ENOMEM; -ELOOP dir lies beneath gi. */
MUST_CHECK int gofer_inode_move(struct gofer_inode *gi, struct gofer_inode *dir,
                                const struct name *name);
/* The name no longer leads to gi; idle fds are closed when it was the last. */
void gofer_inode_lose(struct gofer_inode *gi);

/* gofer_lookup.c */
MUST_CHECK int gofer_lookup(struct inode *dir, const struct name *name, struct inode **out);
bool gofer_revalidate(struct inode *dir, const struct name *name, struct inode *inode);
void gofer_walk_ahead(struct inode *dir, const char *text, bool opens);
/* Answers for later lookups. inode: NULL for "no such name"; a reference is taken. */
void gofer_prime(struct gofer_fs *fs, struct inode *dir, const struct name *name,
                 struct inode *inode);
void gofer_unprime(struct gofer_fs *fs, const struct inode *dir, const struct name *name);
void gofer_unprime_all(struct gofer_fs *fs);

/* gofer_dir.c */
extern const struct file_ops gofer_dir_ops;
MUST_CHECK int gofer_dir_open(struct gofer_inode *dir, struct file *f);

/* gofer_listing.c */
/* What dir's listing knows of name. Return: 1 found (*out), 0 surely absent, -1 not known.
 * *out_target: malloc'ed text if it is a link and the text is known, else untouched; NULL: not wanted. */
int gofer_listing_find(struct gofer_inode *dir, const struct name *name, struct gofer_attr *out,
                       char **out_target);
/* Where a reader of a listing stands. */
struct gofer_listing_pos {
    uint64_t serial;
    int64_t pos;
    size_t offset;
};
/* The entry at position pos; it lives until the next sleep. Return: 1, 0 at the end, -1 when the listing
 * can't tell. */
int gofer_listing_at(struct gofer_inode *dir, struct gofer_listing_pos *p, int64_t pos,
                     const struct gofer_dirent **out);
/* dir's listing in order, while nobody sleeps: where name's entry is (0: nowhere). Return: false if it does not tell all. */
bool gofer_listing_seek(struct gofer_inode *dir, const struct name *name, size_t *at);
/* The entry at *at, which becomes the next one's place. NULL: there is none. */
const struct gofer_dirent *gofer_listing_next(struct gofer_inode *dir, size_t *at);
/* struct inode_ops.names_after: names whose attributes are known, too. */
MUST_CHECK size_t gofer_listing_names(struct gofer_inode *dir, const struct name *after,
                                      char *names, size_t size, size_t max);
/* Has dir a complete listing with want? */
bool gofer_listing_has(const struct gofer_inode *dir, uint32_t want);
uint64_t gofer_listing_serial(const struct gofer_inode *dir); /* 0: it has none */
void gofer_listing_drop(struct gofer_inode *dir);
void gofer_listing_drop_all(struct gofer_fs *fs);

/* gofer_listing_fetch.c */
void gofer_listing_init(struct gofer_fs *fs);
/* Asks for what begins at cookie, and keeps it if it can be of use. Context: may block. */
MUST_CHECK int gofer_listing_fetch(struct gofer_inode *dir, uint64_t cookie,
                                   struct gofer_dirents *out);
/* A lookup or so failed to find what a listing with want (GOFER_LIST_*) would tell. Fetches one if that
 * happens often enough. Return: there is a listing now. Context: may block. */
bool gofer_listing_around(struct gofer_inode *dir, uint32_t want);
/* It told about extended attributes, and somebody wanted to know. */
void gofer_listing_xattr_used(struct gofer_fs *fs);

/* gofer_listing_fetch.c, for gofer_walk.c */
struct gofer_listing_ask { /* what to ask for with a directory */
    struct gofer_readdir_req req;
    char *path, *beside; /* owned */
};
/* dir from its beginning, and what a walk wants with it. */
MUST_CHECK int gofer_listing_ask_ahead(struct gofer_inode *dir, uint32_t want,
                                       struct gofer_listing_ask *a);
void gofer_listing_ask_free(struct gofer_listing_ask *a);
/* Keeps the reply to that. wanted: somebody waits for top's own listing. */
void gofer_listing_came(struct gofer_inode *top, uint32_t want, const struct gofer_dirents *d,
                        const char *beside, bool wanted);
/* Brings what is missing of a listing that has begun. Context: may block. */
void gofer_listing_fetch_rest(struct gofer_inode *dir);
/* May somebody be walking a tree that dir belongs to? */
bool gofer_listing_in_walk(const struct gofer_inode *dir);
/* GOFER_LIST_* for what a walk wants next. */
uint32_t gofer_listing_wanted(struct gofer_fs *fs);
/* The inode of dir's subdirectory e. *out: a reference. */
MUST_CHECK int gofer_listing_subdir(struct gofer_inode *dir, const struct gofer_dirent *e,
                                    struct gofer_inode **out);

/* gofer_walk.c: dir is read, and has its listing: perhaps what comes next is asked for. Context: does not block. */
void gofer_walk_comes_to(struct gofer_inode *dir);
/* dir is read, and lacks it: what was asked for is kept, and may be just that. Context: may block. */
void gofer_walk_lacks(struct gofer_inode *dir);
/* Nobody waits for it any more. */
void gofer_walk_forget(struct gofer_fs *fs);

/* gofer_ahead.c: has what will be wanted after gi opened, if little of it is left. */
void gofer_open_more(struct gofer_inode *gi);
/* If gi may be among what is on its way, that has come. Context: may block. */
void gofer_ahead_wait(struct gofer_inode *gi);
/* Is gi open for reading, now that what has come is taken? Context: does not block. */
bool gofer_ahead_has_come(struct gofer_inode *gi);
/* Nobody waits for what is on its way any more. */
void gofer_ahead_forget(struct gofer_fs *fs);
/* gofer_ahead.c: OPEN for reading, perhaps with files that will be wanted next. Context: may block. */
MUST_CHECK int gofer_open_ahead(struct gofer_inode *gi, const char *path, struct gofer_attr *out,
                                int *out_fd);
/* What came ahead is used. */
void gofer_ahead_used(struct gofer_fs *fs);

/* gofer_file.c */
extern const struct file_ops gofer_file_ops;
MUST_CHECK int gofer_file_open(struct gofer_inode *gi, struct file *f);
void gofer_fd_init(struct gofer_fd *d, struct gofer_fs *fs);
/* A fresh fd that no file uses yet. fd: consumed. */
void gofer_fd_store(struct gofer_fd *d, int fd);
/* Closes it if nobody uses it. */
void gofer_fd_drop_idle(struct gofer_fd *d);
/* Size, times and link count through an fd that is open anyway. Return: 0, or -EBADF when none is. */
MUST_CHECK int gofer_file_getattr(struct gofer_inode *gi);

/* gofer_names.c: the changing half of gofer_inode_ops */
MUST_CHECK int gofer_create(struct inode *dir, const struct name *name, uint32_t mode,
                            const struct cred *cred, struct inode **out);
MUST_CHECK int gofer_mkdir(struct inode *dir, const struct name *name, uint32_t mode,
                           const struct cred *cred, struct inode **out);
MUST_CHECK int gofer_mknod(struct inode *dir, const struct name *name, uint32_t mode, dev_t rdev,
                           const struct cred *cred, struct inode **out);
MUST_CHECK int gofer_symlink(struct inode *dir, const struct name *name, const char *target,
                             const struct cred *cred, struct inode **out);
MUST_CHECK int gofer_link(struct inode *dir, const struct name *name, struct inode *inode);
MUST_CHECK int gofer_unlink(struct inode *dir, const struct name *name, struct inode *inode);
MUST_CHECK int gofer_rmdir(struct inode *dir, const struct name *name, struct inode *inode);
MUST_CHECK int gofer_rename(struct inode *old_dir, const struct name *old_name, struct inode *inode,
                            struct inode *new_dir, const struct name *new_name,
                            struct inode *target, unsigned flags);
MUST_CHECK int gofer_setattr(struct inode *inode, const struct inode_attr *attr);
