/*
 * The sentry's end of the gofer connection: one typed function a message of gofer/proto.def. Each
 * sends its request, and lets the calling kthread sleep until the events thread has read the reply.
 *
 * Replies are checked before anything believes them: the gofer is trusted to serve files, not to
 * be free of bugs. When it is gone every call, pending or later, gives -EIO.
 *
 * All functions: path is canonical, beneath root ("." is the root itself).
 * Context: may block; kthreads only, while events_loop runs; not interruptible.
 * Errors:  the gofer's -errno; -EIO the gofer is gone or broke the protocol; -ENOMEM;
 *          -ENAMETOOLONG path has more than 4095 bytes.
 */
#pragma once

#include <sys/types.h>

#include "gofer/proto.h"
#include "lib/list.h"
#include "lib/macros.h"

struct gofer_client;
struct statfs;

MUST_CHECK int gofer_client_new(int sock, struct gofer_client **out); /* sock: consumed */
/* No file system uses it any more, and no call is under way. */
void gofer_client_free(struct gofer_client *g);
bool gofer_client_alive(const struct gofer_client *g);

/* Attributes of every component of a walk, as far as it went. */
struct gofer_walked {
    uint32_t count;
    int stop;     /* -errno of component number count; 0: all were walked, or the last is a link */
    char *target; /* owned: text of the link that was found last; NULL */
    struct gofer_attr *attrs; /* owned: count of them */
    int fd;                   /* owned: the last one, opened for reading; -1 */
};
void gofer_walked_free(struct gofer_walked *w);
/* rest: canonical, beneath path. opens: the last one, too, if it is a regular file. */
MUST_CHECK int gofer_client_walk(struct gofer_client *g, uint32_t root, const char *path,
                                 const char *rest, bool opens, struct gofer_walked *out);
/* *out_target: malloc'ed text of a symbolic link, NULL for anything else. */
MUST_CHECK int gofer_client_stat(struct gofer_client *g, uint32_t root, const char *path,
                                 struct gofer_attr *out, char **out_target);
MUST_CHECK int gofer_client_readlink(struct gofer_client *g, uint32_t root, const char *path,
                                     char **out);
/* A regular file's fd. flags: within GOFER_OPEN_FLAGS. */
MUST_CHECK int gofer_client_open(struct gofer_client *g, uint32_t root, const char *path,
                                 uint32_t flags, uint32_t mode, struct gofer_attr *out,
                                 int *out_fd);
/* Regular files that came with one that is opened for reading. */
struct gofer_beside {
    size_t count;
    struct gofer_opened opened[GOFER_MAX_BESIDE]; /* entry is the place of a name in names */
    int fds[GOFER_MAX_BESIDE];                    /* owned by the caller */
};
/* names: of at most GOFER_MAX_BESIDE files, as gofer_files_valid has them. */
MUST_CHECK int gofer_client_open_beside(struct gofer_client *g, uint32_t root, const char *path,
                                        const char *names, struct gofer_attr *out, int *out_fd,
                                        struct gofer_beside *out_beside);

/*
 * Something on the gofer's side has been changed from here. Return: how many changes that makes. What a reply says, and how many there
 * were when it was asked for (struct gofer_attr.asked), tells whether it is older than a change: replies overtake each other.
 */
uint64_t gofer_client_change(void);

/* One READDIR reply; everything in it has been checked. */
struct gofer_dirents {
    uint8_t *reply;                  /* owned */
    const struct gofer_listed **dir; /* owned; in reply: what was asked for, and what came along */
    uint32_t dirs;                   /* at least 1 */
    uint64_t asked;                  /* struct gofer_attr's, for all in it */
};
void gofer_dirents_free(struct gofer_dirents *d);
/* The entry at offset; the next one is gofer_dirent_size further. */
static inline const struct gofer_dirent *gofer_listed_entry(const struct gofer_listed *l,
                                                            size_t offset)
{
    return (const void *)((const uint8_t *)(l + 1) + offset);
}
/* beside: names of directories beside path, with slashes between; "" for none. */
MUST_CHECK int gofer_client_readdir(struct gofer_client *g, uint32_t root, const char *path,
                                    const struct gofer_readdir_req *req, const char *beside,
                                    struct gofer_dirents *out);

/*
 * The same in two steps: what is asked for now is there when it is taken. Nobody is woken for it; posting does not block. posted:
 * consumed. Errors of posting: -EAGAIN the socket is full.
 */
struct gofer_call;
MUST_CHECK int gofer_client_readdir_post(struct gofer_client *g, uint32_t root, const char *path,
                                         const struct gofer_readdir_req *req, const char *beside,
                                         struct gofer_call **out);
MUST_CHECK int gofer_client_readdir_take(struct gofer_client *g, struct gofer_call *posted,
                                         const char *beside, struct gofer_dirents *out);
/* The same for the files beside one that is opened for nothing else. */
MUST_CHECK int gofer_client_open_post(struct gofer_client *g, uint32_t root, const char *path,
                                      const char *names, struct gofer_call **out);
MUST_CHECK int gofer_client_open_take(struct gofer_client *g, struct gofer_call *posted,
                                      const char *names, struct gofer_beside *out);
/* Has its reply come? Context: does not block. */
bool gofer_call_is_done(struct gofer_client *g, struct gofer_call *posted);
void gofer_call_abandon(struct gofer_call *posted);

MUST_CHECK int gofer_client_statfs(struct gofer_client *g, uint32_t root, const char *path,
                                   struct statfs *out);
/* Return: bytes that are now in the host's page cache. */
MUST_CHECK ssize_t gofer_client_readahead(struct gofer_client *g, uint32_t root, const char *path,
                                          uint64_t offset, uint64_t size);
/* As getxattr(2): size 0 asks for the length. */
MUST_CHECK ssize_t gofer_client_getxattr(struct gofer_client *g, uint32_t root, const char *path,
                                         const char *name, void *value, size_t size);
MUST_CHECK ssize_t gofer_client_listxattr(struct gofer_client *g, uint32_t root, const char *path,
                                          char *list, size_t size);

/* Changes; *out: the new object's attributes. */
MUST_CHECK int gofer_client_mkdir(struct gofer_client *g, uint32_t root, const char *path,
                                  uint32_t mode, struct gofer_attr *out);
MUST_CHECK int gofer_client_mknod(struct gofer_client *g, uint32_t root, const char *path,
                                  uint32_t mode, struct gofer_attr *out);
MUST_CHECK int gofer_client_symlink(struct gofer_client *g, uint32_t root, const char *path,
                                    const char *target, struct gofer_attr *out);
MUST_CHECK int gofer_client_link(struct gofer_client *g, uint32_t root, const char *path,
                                 const char *new_path, struct gofer_attr *out);
MUST_CHECK int gofer_client_unlink(struct gofer_client *g, uint32_t root, const char *path);
MUST_CHECK int gofer_client_rmdir(struct gofer_client *g, uint32_t root, const char *path);
MUST_CHECK int gofer_client_rename(struct gofer_client *g, uint32_t root, const char *path,
                                   const char *new_path, uint32_t flags);
MUST_CHECK int gofer_client_setattr(struct gofer_client *g, uint32_t root, const char *path,
                                    const struct gofer_setattr_req *set, struct gofer_attr *out);
MUST_CHECK int gofer_client_fsync(struct gofer_client *g, uint32_t root, const char *path,
                                  bool data_only);

/* Directory listings kept in memory: their bytes over all trees of this connection, oldest use first. */
struct gofer_listings {
    struct list lru;
    size_t bytes;
    uint64_t last_serial;
};
struct gofer_listings *gofer_client_listings(struct gofer_client *g);

/*
 * Donated fds that no open file uses, kept for the next open: the newest of them, over all trees
 * of this connection. An idle one is closed by its owner's callback.
 */
struct gofer_idle_fd {
    struct list link;  /* on the list while idle */
    const void *owner; /* the file system; for gofer_idle_drop_owner */
    /* Closes the fd; the entry is off the list already. */
    void (*evict)(struct gofer_idle_fd *e);
};
void gofer_idle_add(struct gofer_client *g, struct gofer_idle_fd *e);
void gofer_idle_remove(struct gofer_client *g, struct gofer_idle_fd *e);
void gofer_idle_drop_owner(struct gofer_client *g, const void *owner);
