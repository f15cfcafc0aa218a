/*
 * READDIR: a directory's entries with their attributes, and as much of the tree around it as the sentry
 * wants and the reply has room for. Programs that walk trees (find, ls -R, tar, rm -r) ask for one directory after the
 * other, depth first: one reply that holds the next fifty costs what one of them does.
 *
 * Only whole subdirectories are added; one that has no room left is dropped, and ends the reply. A
 * subdirectory on another file system is left out: nobody has asked yet to touch that one.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "gofer/resolve.h"
#include "gofer/serve.h"
#include "lib/host.h"

#define TREE_DEPTH 24

/* What getdents64(2) returns. */
struct host_dirent {
    uint64_t ino;
    uint64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* A directory whose entries are in the reply, or are being put there. */
struct listing {
    int fd; /* owned */
    bool may_search;
    uint32_t want;
    uint32_t index; /* which struct gofer_listed it is */
    size_t header;  /* where that one is in the tail */
    size_t at;      /* where in its entries the search for subdirectories stands */
};

/* What all directories of a reply have in common. */
struct tree {
    struct gofer_readdir_rep *rep;
    uint32_t want;
    uint64_t dev; /* of the one that was asked for */
};

static bool is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* The attributes of one entry, as far as they are wanted and can be had. */
static bool entry_attr(struct serve *s, const struct listing *l, const struct host_dirent *d,
                       struct gofer_attr *out)
{
    bool wanted = (l->want & GOFER_LIST_ATTRS) || d->type == DT_DIR || d->type == DT_UNKNOWN;
    if (!wanted || !l->may_search || is_dots(d->name) ||
        serve_attr_of(s, l->fd, d->name, out) < 0) {
        return false;
    }
    if ((l->want & GOFER_LIST_XATTRS) && hostfs_listxattrat(l->fd, d->name, NULL, 0) == 0) {
        out->flags |= GOFER_ATTR_NO_XATTR;
    }
    return true;
}

/* One entry into the tail. Return: false when it has no room. */
static bool add_entry(struct serve *s, const struct listing *l, const struct host_dirent *d)
{
    struct gofer_attr attr;
    char target[GOFER_MAX_PATH];
    struct gofer_dirent e = {
        .ino = d->ino, .next = d->next, .type = d->type, .name_size = (uint16_t)strlen(d->name)};
    if (gofer_dirent_size(&e) + sizeof(attr) > serve_tail_left(s)) {
        return false;
    }
    e.has_attr = entry_attr(s, l, d, &attr);
    if (e.has_attr && e.type == DT_UNKNOWN) {
        e.type = (uint8_t)IFTODT(attr.mode);
    }
    if (e.has_attr && S_ISLNK(attr.mode) && (l->want & GOFER_LIST_ATTRS)) {
        ssize_t n = hostfs_readlink(l->fd, d->name, target, sizeof(target));
        e.target_size = n > 0 && (size_t)n < sizeof(target) ? (uint16_t)n : 0;
    }
    size_t size = gofer_dirent_size(&e);
    if (size > serve_tail_left(s)) {
        return false;
    }
    uint8_t *at = s->tail + s->tail_size;
    memset(at + size - 8, 0, 8);
    memcpy(at, &e, sizeof(e));
    at += sizeof(e);
    if (e.has_attr) {
        memcpy(at, &attr, sizeof(attr));
        at += sizeof(attr);
    }
    memcpy(at, d->name, e.name_size);
    memcpy(at + e.name_size, target, e.target_size);
    s->tail_size += size;
    return true;
}

/*
 * Puts the entries of l->fd from its present offset into the tail, behind a header.
 * Return: 1 when that was all of them, 0 when there was no room for more, -errno.
 */
static int add_listing(struct serve *s, const struct listing *l, struct gofer_listed *head)
{
    if (serve_tail_left(s) < sizeof(*head)) {
        return 0;
    }
    s->tail_size += sizeof(*head);
    size_t begin = s->tail_size;
    for (bool full = false; !full && !head->complete;) {
        /* No more than may fit, so that few entries are read and dropped. */
        size_t want = MIN(serve_tail_left(s) / 2 + 512, (size_t)GOFER_SCRATCH_SIZE);
        ssize_t got = hostfs_getdents(l->fd, s->scratch, want);
        if (got < 0) {
            return (int)got;
        }
        head->complete = got == 0;
        for (ssize_t at = 0; at < got && !full;) {
            const struct host_dirent *d = (const void *)(s->scratch + at);
            full = !add_entry(s, l, d);
            if (!full) {
                head->next = d->next;
                head->count++;
            }
            at += d->size;
        }
    }
    head->size = (uint32_t)(s->tail_size - begin);
    memcpy(s->tail + l->header, head, sizeof(*head));
    return (int)head->complete;
}

/* The same for one more directory, which comes whole or not at all. Return: false for not at all. */
static bool add_whole(struct serve *s, const struct listing *l, struct gofer_listed *head,
                      struct tree *t)
{
    if (add_listing(s, l, head) != 1) {
        s->tail_size = l->header;
        return false;
    }
    t->rep->dirs++;
    return true;
}

/*
 * Opens one more directory. ino: which one it has to be; 0: whichever has the name.
 * Return: -errno: it is left out.
 */
static int open_more(struct serve *s, int dir, const char *name, uint64_t ino, const struct tree *t,
                     struct listing *out)
{
    struct statx stx;
    AUTO_FD fd = hostfs_open_beneath(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) {
        return fd;
    }
    int err = hostfs_statx(fd, "", &stx);
    if (err < 0) {
        return err;
    }
    if (makedev(stx.stx_dev_major, stx.stx_dev_minor) != t->dev || (ino && stx.stx_ino != ino)) {
        return -EXDEV;
    }
    bool world_only = s->root->world_readable_only;
    if (world_only && !(stx.stx_mode & S_IROTH)) {
        return -EACCES;
    }
    *out = (struct listing){.fd = take_fd(&fd),
                            .may_search = !world_only || (stx.stx_mode & S_IXOTH),
                            .want = t->want,
                            .index = t->rep->dirs,
                            .header = s->tail_size};
    return 0;
}

/* The next subdirectory of l that can be opened. Return: false when there is none any more. */
static bool next_subdir(struct serve *s, struct listing *l, const struct tree *t,
                        struct listing *out, struct gofer_listed *out_head)
{
    struct gofer_listed head;
    memcpy(&head, s->tail + l->header, sizeof(head));
    const uint8_t *entries = s->tail + l->header + sizeof(head);
    while (l->at < head.size) {
        const struct gofer_dirent *e = (const void *)(entries + l->at);
        *out_head = (struct gofer_listed){.parent = l->index, .entry = (uint32_t)l->at};
        l->at += gofer_dirent_size(e);
        if (!e->has_attr || e->type != DT_DIR) {
            continue;
        }
        struct gofer_attr attr;
        char name[GOFER_MAX_NAME + 1];
        memcpy(&attr, e + 1, sizeof(attr));
        memcpy(name, gofer_dirent_name(e), e->name_size);
        name[e->name_size] = '\0';
        if (attr.dev == t->dev && open_more(s, l->fd, name, attr.ino, t, out) == 0) {
            return true;
        }
    }
    return false;
}

/* All below top, whose own entries are complete. Return: false when the reply is full. */
static bool add_below(struct serve *s, const struct listing *top, struct tree *t)
{
    struct listing stack[TREE_DEPTH];
    struct gofer_listed head;
    size_t depth = 1;
    bool room = true;
    stack[0] = *top;
    while (room && depth > 0) {
        struct listing *l = &stack[depth - 1];
        if (depth < TREE_DEPTH && l->may_search && next_subdir(s, l, t, &stack[depth], &head)) {
            room = add_whole(s, &stack[depth++], &head, t);
        } else if (--depth > 0) { /* top's fd is the caller's */
            host_close(take_fd(&l->fd));
        }
    }
    while (depth > 1) {
        host_close(take_fd(&stack[--depth].fd));
    }
    return room;
}

/* The directories that the request names beside its own, each with all below it. */
static void add_beside(struct serve *s, struct tree *t)
{
    AUTO_FD parent = -1;
    const char *unused;
    if (s->text[0] == '\0' || resolve_parent(s->root, s->path, &parent, &unused) < 0) {
        return;
    }
    char *next = s->text, *name;
    bool room = true;
    while (room && (name = strsep(&next, "/"))) {
        struct listing l;
        struct gofer_listed head = {.parent = GOFER_LISTED_BESIDE,
                                    .entry = (uint32_t)(name - s->text)};
        if (open_more(s, parent, name, 0, t, &l) == 0) {
            room = add_whole(s, &l, &head, t) && add_below(s, &l, t);
            host_close(take_fd(&l.fd));
        }
    }
}

int serve_readdir(struct serve *s, const struct gofer_readdir_req *req,
                  struct gofer_readdir_rep *rep)
{
    if ((req->want & ~GOFER_LIST_ALL) || (req->ahead && req->cookie)) {
        return -EINVAL;
    }
    AUTO_FD dir = -1;
    int err = resolve_dir(s->root, s->path, &dir);
    if (err < 0) {
        return err;
    }
    if (req->cookie && host_lseek(dir, (int64_t)req->cookie, SEEK_SET) < 0) {
        return -EINVAL;
    }
    struct listing top = {
        .fd = dir, .may_search = resolve_may_search(s->root, dir) == 0, .want = req->want};
    struct gofer_listed head = {.next = req->cookie};
    err = add_listing(s, &top, &head);
    if (err < 0) {
        return err;
    }
    rep->dirs = 1;
    struct statx stx;
    if (err == 1 && req->ahead && hostfs_statx(dir, "", &stx) == 0) {
        s->tail_room = MIN(s->tail_room, s->tail_size + req->ahead);
        struct tree t = {
            .rep = rep, .want = req->want, .dev = makedev(stx.stx_dev_major, stx.stx_dev_minor)};
        if (add_below(s, &top, &t)) {
            add_beside(s, &t);
        }
    }
    return 0;
}
