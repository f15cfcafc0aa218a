/*
 * The typed messages: packing of requests, and the check of every length and text in a reply before
 * it is handed on.
 */
#include "sentry/fs/gofer_client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/host.h"
#include "lib/log.h"
#include "sentry/fs/gofer_call.h"

static uint64_t g_changes;

uint64_t gofer_client_change(void)
{
    return ++g_changes;
}

static int broken(uint32_t type)
{
    log_error("the gofer's reply to %s is malformed", gofer_type_name(type));
    return -EIO;
}

/* A call with its message, whose memory is the caller's. text: NULL for none. */
static int pack(uint32_t type, uint32_t root, const char *path, const char *text,
                const void *fields, size_t fields_size, struct gofer_call *out)
{
    size_t path_size = strlen(path), text_size = text ? strlen(text) : 0;
    if (path_size >= GOFER_MAX_PATH || text_size >= GOFER_MAX_PATH) {
        return -ENAMETOOLONG;
    }
    size_t size = sizeof(struct gofer_request) + fields_size + path_size + text_size;
    uint8_t *m = malloc(size);
    if (!m) {
        return -ENOMEM;
    }
    struct gofer_request h = {type, 0, root, (uint16_t)path_size, (uint16_t)text_size};
    uint8_t *at = m;
    memcpy(at, &h, sizeof(h));
    at += sizeof(h);
    if (fields_size) {
        memcpy(at, fields, fields_size);
        at += fields_size;
    }
    memcpy(at, path, path_size);
    if (text_size) {
        memcpy(at + path_size, text, text_size);
    }
    *out =
        (struct gofer_call){.type = type, .request = m, .request_size = size, .asked = g_changes};
    return 0;
}

/* Has it its fixed fields, and fds only where they may be? */
static int check_reply(struct gofer_call *c, size_t reply_fields)
{
    if (c->reply_size < reply_fields ||
        (c->fd_count > 0 && c->type != GOFER_OPEN && c->type != GOFER_WALK)) {
        free(take(&c->reply));
        gofer_call_close_fds(c);
        return broken(c->type);
    }
    return 0;
}

/*
 * Packs, runs, and checks that the reply has its fixed fields.
 * text: NULL for none. out: the call with its reply and fd, both owned by the caller on success.
 */
static int call(struct gofer_client *g, uint32_t type, uint32_t root, const char *path,
                const char *text, const void *fields, size_t fields_size, size_t reply_fields,
                struct gofer_call *out)
{
    int err = pack(type, root, path, text, fields, fields_size, out);
    if (err < 0) {
        return err;
    }
    err = gofer_call_run(g, out);
    free(take(&out->request));
    return err < 0 ? err : check_reply(out, reply_fields);
}

static size_t tail_size(const struct gofer_call *c, size_t reply_fields)
{
    return c->reply_size - reply_fields;
}

/* A link's text: size bytes at text. *out: malloc'ed. */
static int take_text(const uint8_t *text, size_t size, char **out)
{
    if (size == 0 || size >= GOFER_MAX_PATH || memchr(text, '\0', size)) {
        return -EIO;
    }
    char *s = malloc(size + 1);
    if (!s) {
        return -ENOMEM;
    }
    memcpy(s, text, size);
    s[size] = '\0';
    *out = s;
    return 0;
}

/* Calls whose reply is nothing. */
static int call_plain(struct gofer_client *g, uint32_t type, uint32_t root, const char *path,
                      const char *text, const void *fields, size_t fields_size)
{
    struct gofer_call c;
    int err = call(g, type, root, path, text, fields, fields_size, 0, &c);
    if (err == 0) {
        free(c.reply);
    }
    return err;
}

/* Calls whose reply is the attributes of a new or changed object. */
static int call_attr(struct gofer_client *g, uint32_t type, uint32_t root, const char *path,
                     const char *text, const void *fields, size_t fields_size,
                     struct gofer_attr *out)
{
    struct gofer_call c;
    int err = call(g, type, root, path, text, fields, fields_size, sizeof(*out), &c);
    if (err == 0) {
        memcpy(out, c.reply, sizeof(*out));
        out->asked = c.asked;
        free(c.reply);
    }
    return err;
}

void gofer_walked_free(struct gofer_walked *w)
{
    free(take(&w->target));
    free(take(&w->attrs));
    host_close(take_fd(&w->fd));
}

/* Checks the reply, and takes what is in it. */
static int take_walked(const struct gofer_call *c, bool opens, struct gofer_walked *out)
{
    struct gofer_walk_rep rep;
    memcpy(&rep, c->reply, sizeof(rep));
    size_t attrs_size = rep.count * sizeof(struct gofer_attr);
    if (rep.count > GOFER_MAX_WALK || rep.stop > 0 || rep.stop < -EHWPOISON ||
        tail_size(c, sizeof(rep)) != attrs_size + rep.target_size) {
        return -EIO;
    }
    out->count = rep.count;
    out->stop = rep.stop;
    out->attrs = malloc(attrs_size + 1);
    if (!out->attrs) {
        return -ENOMEM;
    }
    memcpy(out->attrs, c->reply + sizeof(rep), attrs_size);
    for (uint32_t i = 0; i < rep.count; i++) {
        out->attrs[i].asked = c->asked;
    }
    uint32_t mode = rep.count > 0 ? out->attrs[rep.count - 1].mode : 0;
    if (c->fd_count > (opens && S_ISREG(mode))) {
        return -EIO;
    }
    const uint8_t *text = c->reply + sizeof(rep) + attrs_size;
    return S_ISLNK(mode) ? take_text(text, rep.target_size, &out->target) : 0;
}

int gofer_client_walk(struct gofer_client *g, uint32_t root, const char *path, const char *rest,
                      bool opens, struct gofer_walked *out)
{
    struct gofer_call c;
    struct gofer_walk_req req = {.opens = opens};
    struct gofer_walked w = {.fd = -1};
    int err =
        call(g, GOFER_WALK, root, path, rest, &req, sizeof(req), sizeof(struct gofer_walk_rep), &c);
    if (err < 0) {
        return err;
    }
    AUTO_FREE uint8_t *reply = c.reply;
    err = take_walked(&c, opens, &w);
    if (err < 0) {
        gofer_call_close_fds(&c);
        gofer_walked_free(&w);
        return err == -EIO ? broken(GOFER_WALK) : err;
    }
    if (c.fd_count > 0) {
        w.fd = c.fds[0];
    }
    *out = w;
    return 0;
}

int gofer_client_stat(struct gofer_client *g, uint32_t root, const char *path,
                      struct gofer_attr *out, char **out_target)
{
    struct gofer_call c;
    struct gofer_stat_rep rep;
    int err = call(g, GOFER_STAT, root, path, NULL, NULL, 0, sizeof(rep), &c);
    if (err < 0) {
        return err;
    }
    AUTO_FREE uint8_t *reply = c.reply;
    memcpy(&rep, reply, sizeof(rep));
    if (tail_size(&c, sizeof(rep)) != rep.target_size) {
        return broken(GOFER_STAT);
    }
    *out_target = NULL;
    if (S_ISLNK(rep.attr.mode)) {
        err = take_text(reply + sizeof(rep), rep.target_size, out_target);
        if (err < 0) {
            return err == -EIO ? broken(GOFER_STAT) : err;
        }
    }
    *out = rep.attr;
    out->asked = c.asked;
    return 0;
}

int gofer_client_readlink(struct gofer_client *g, uint32_t root, const char *path, char **out)
{
    struct gofer_call c;
    struct gofer_readlink_rep rep;
    int err = call(g, GOFER_READLINK, root, path, NULL, NULL, 0, sizeof(rep), &c);
    if (err < 0) {
        return err;
    }
    AUTO_FREE uint8_t *reply = c.reply;
    memcpy(&rep, reply, sizeof(rep));
    if (tail_size(&c, sizeof(rep)) != rep.size) {
        return broken(GOFER_READLINK);
    }
    err = take_text(reply + sizeof(rep), rep.size, out);
    return err == -EIO ? broken(GOFER_READLINK) : err;
}

/* Is o a regular file, with one of the names? */
static bool opened_valid(const struct gofer_opened *o, const char *names)
{
    return S_ISREG(o->attr.mode) && o->entry < strlen(names) && names[o->entry] != '/' &&
           (o->entry == 0 || names[o->entry - 1] == '/');
}

/* The files beside the first: as many as have come with an fd. Return: false when that makes no sense. */
static bool take_beside(struct gofer_call *c, uint32_t count, const char *names,
                        struct gofer_beside *out)
{
    const uint8_t *tail = c->reply + sizeof(struct gofer_open_rep);
    if (count > (out ? GOFER_MAX_BESIDE : 0) || c->fd_count > count + 1 ||
        tail_size(c, sizeof(struct gofer_open_rep)) != count * sizeof(struct gofer_opened)) {
        return false;
    }
    for (size_t i = 0; i + 1 < c->fd_count; i++) {
        memcpy(&out->opened[i], tail + i * sizeof(out->opened[i]), sizeof(out->opened[i]));
        out->opened[i].attr.asked = c->asked;
        if (!opened_valid(&out->opened[i], names)) {
            return false;
        }
    }
    for (; c->fd_count > 1; c->fd_count--) {
        out->fds[c->fd_count - 2] = c->fds[c->fd_count - 1];
        out->count++;
    }
    return true;
}

static int call_open(struct gofer_client *g, uint32_t root, const char *path,
                     struct gofer_open_req *req, const char *names, struct gofer_attr *out,
                     int *out_fd, struct gofer_beside *out_beside)
{
    for (;;) {
        struct gofer_call c;
        struct gofer_open_rep rep;
        int err = call(g, GOFER_OPEN, root, path, names, req, sizeof(*req), sizeof(rep), &c);
        if (err < 0) {
            return err;
        }
        memcpy(&rep, c.reply, sizeof(rep));
        bool valid = S_ISREG(rep.attr.mode) && take_beside(&c, rep.count, names, out_beside);
        free(c.reply);
        if (!valid) {
            gofer_call_close_fds(&c);
            return broken(GOFER_OPEN);
        }
        if (c.fd_count > 0) {
            *out = rep.attr;
            out->asked = c.asked;
            *out_fd = c.fds[0];
            return 0;
        }
        /* The fd got lost on the way: this process has too many. Idle ones go first. */
        if (!gofer_idle_shrink(g)) {
            return -ENFILE;
        }
        req->flags &= ~(uint32_t)O_EXCL; /* the file has been made */
    }
}

int gofer_client_open(struct gofer_client *g, uint32_t root, const char *path, uint32_t flags,
                      uint32_t mode, struct gofer_attr *out, int *out_fd)
{
    struct gofer_open_req req = {flags, mode};
    return call_open(g, root, path, &req, NULL, out, out_fd, NULL);
}

int gofer_client_open_beside(struct gofer_client *g, uint32_t root, const char *path,
                             const char *names, struct gofer_attr *out, int *out_fd,
                             struct gofer_beside *out_beside)
{
    struct gofer_open_req req = {.flags = O_RDONLY};
    out_beside->count = 0;
    return call_open(g, root, path, &req, names, out, out_fd, out_beside);
}

/* Packs and sends. *out: malloc'ed. */
static int post(struct gofer_client *g, uint32_t type, uint32_t root, const char *path,
                const char *text, const void *fields, size_t fields_size, struct gofer_call **out)
{
    AUTO_FREE struct gofer_call *c = malloc(sizeof(*c));
    int err = c ? pack(type, root, path, text, fields, fields_size, c) : -ENOMEM;
    if (err < 0) {
        return err;
    }
    err = gofer_call_post(g, c);
    if (err < 0) {
        free(c->request);
        return err;
    }
    *out = take(&c);
    return 0;
}

/* The reply to a posted call, checked as call() does. */
static int take_posted(struct gofer_client *g, struct gofer_call *c, size_t reply_fields)
{
    int err = gofer_call_wait(g, c);
    return err < 0 ? err : check_reply(c, reply_fields);
}

int gofer_client_open_post(struct gofer_client *g, uint32_t root, const char *path,
                           const char *names, struct gofer_call **out)
{
    struct gofer_open_req req = {.flags = O_RDONLY};
    return post(g, GOFER_OPEN, root, path, names, &req, sizeof(req), out);
}

int gofer_client_open_take(struct gofer_client *g, struct gofer_call *c, const char *names,
                           struct gofer_beside *out)
{
    struct gofer_open_rep rep;
    out->count = 0;
    int err = take_posted(g, c, sizeof(rep));
    if (err == 0) {
        memcpy(&rep, c->reply, sizeof(rep));
        if (!S_ISREG(rep.attr.mode) || !take_beside(c, rep.count, names, out)) {
            err = broken(GOFER_OPEN);
        }
    }
    gofer_call_abandon(c); /* it is done: that frees it, and closes the first fd */
    return err;
}

/* Checks the reply, which is consumed. */
static int take_dirents(struct gofer_call *c, const char *beside, struct gofer_dirents *out)
{
    struct gofer_readdir_rep rep;
    int err = 0;
    memcpy(&rep, c->reply, sizeof(rep));
    size_t size = tail_size(c, sizeof(rep));
    struct gofer_dirents d = {.reply = take(&c->reply), .dirs = rep.dirs, .asked = c->asked};
    if (d.dirs == 0 || d.dirs > size / sizeof(struct gofer_listed)) {
        err = broken(GOFER_READDIR);
    } else if (!(d.dir = calloc(d.dirs, sizeof(const struct gofer_listed *)))) {
        err = -ENOMEM;
    } else if (!gofer_dirents_valid(&d, d.reply + sizeof(rep), size, beside)) {
        err = broken(GOFER_READDIR);
    }
    if (err < 0) {
        gofer_dirents_free(&d);
        return err;
    }
    *out = d;
    return 0;
}

int gofer_client_readdir(struct gofer_client *g, uint32_t root, const char *path,
                         const struct gofer_readdir_req *req, const char *beside,
                         struct gofer_dirents *out)
{
    struct gofer_call c;
    int err = call(g, GOFER_READDIR, root, path, beside, req, sizeof(*req),
                   sizeof(struct gofer_readdir_rep), &c);
    return err < 0 ? err : take_dirents(&c, beside, out);
}

int gofer_client_readdir_post(struct gofer_client *g, uint32_t root, const char *path,
                              const struct gofer_readdir_req *req, const char *beside,
                              struct gofer_call **out)
{
    return post(g, GOFER_READDIR, root, path, beside, req, sizeof(*req), out);
}

int gofer_client_readdir_take(struct gofer_client *g, struct gofer_call *c, const char *beside,
                              struct gofer_dirents *out)
{
    int err = take_posted(g, c, sizeof(struct gofer_readdir_rep));
    if (err == 0) {
        err = take_dirents(c, beside, out);
    }
    gofer_call_abandon(c); /* it is done: that frees it */
    return err;
}

int gofer_client_statfs(struct gofer_client *g, uint32_t root, const char *path, struct statfs *out)
{
    struct gofer_call c;
    struct gofer_statfs_rep rep;
    int err = call(g, GOFER_STATFS, root, path, NULL, NULL, 0, sizeof(rep), &c);
    if (err < 0) {
        return err;
    }
    memcpy(&rep, c.reply, sizeof(rep));
    free(c.reply);
    *out = (struct statfs){
        .f_type = (__fsword_t)rep.type,
        .f_bsize = (__fsword_t)rep.bsize,
        .f_blocks = rep.blocks,
        .f_bfree = rep.bfree,
        .f_bavail = rep.bavail,
        .f_files = rep.files,
        .f_ffree = rep.ffree,
        .f_namelen = (__fsword_t)rep.namelen,
        .f_frsize = (__fsword_t)rep.frsize,
        .f_flags = (__fsword_t)rep.flags,
    };
    return 0;
}

ssize_t gofer_client_readahead(struct gofer_client *g, uint32_t root, const char *path,
                               uint64_t offset, uint64_t size)
{
    struct gofer_call c;
    struct gofer_readahead_req req = {offset, size};
    struct gofer_readahead_rep rep;
    int err = call(g, GOFER_READAHEAD, root, path, NULL, &req, sizeof(req), sizeof(rep), &c);
    if (err < 0) {
        return err;
    }
    memcpy(&rep, c.reply, sizeof(rep));
    free(c.reply);
    return rep.size > GOFER_MAX_READ ? broken(GOFER_READAHEAD) : (ssize_t)rep.size;
}

ssize_t gofer_client_getxattr(struct gofer_client *g, uint32_t root, const char *path,
                              const char *name, void *value, size_t size)
{
    struct gofer_call c;
    struct gofer_getxattr_req req = {.max_size = (uint32_t)MIN(size, (size_t)GOFER_MAX_MESSAGE)};
    struct gofer_getxattr_rep rep;
    int err = call(g, GOFER_GETXATTR, root, path, name, &req, sizeof(req), sizeof(rep), &c);
    if (err < 0) {
        return err;
    }
    AUTO_FREE uint8_t *reply = c.reply;
    memcpy(&rep, reply, sizeof(rep));
    size_t tail = tail_size(&c, sizeof(rep));
    if (rep.size > GOFER_MAX_MESSAGE || (size && (tail != rep.size || tail > size))) {
        return broken(GOFER_GETXATTR);
    }
    if (size) {
        memcpy(value, reply + sizeof(rep), tail);
    }
    return (ssize_t)rep.size;
}

ssize_t gofer_client_listxattr(struct gofer_client *g, uint32_t root, const char *path, char *list,
                               size_t size)
{
    struct gofer_call c;
    struct gofer_listxattr_rep rep;
    int err = call(g, GOFER_LISTXATTR, root, path, NULL, NULL, 0, sizeof(rep), &c);
    if (err < 0) {
        return err;
    }
    AUTO_FREE uint8_t *reply = c.reply;
    memcpy(&rep, reply, sizeof(rep));
    size_t tail = tail_size(&c, sizeof(rep));
    if (tail != rep.size || (tail > 0 && reply[c.reply_size - 1] != '\0')) {
        return broken(GOFER_LISTXATTR);
    }
    if (size && size < tail) {
        return -ERANGE;
    }
    if (size) {
        memcpy(list, reply + sizeof(rep), tail);
    }
    return (ssize_t)tail;
}

int gofer_client_mkdir(struct gofer_client *g, uint32_t root, const char *path, uint32_t mode,
                       struct gofer_attr *out)
{
    struct gofer_mkdir_req req = {.mode = mode};
    return call_attr(g, GOFER_MKDIR, root, path, NULL, &req, sizeof(req), out);
}

int gofer_client_mknod(struct gofer_client *g, uint32_t root, const char *path, uint32_t mode,
                       struct gofer_attr *out)
{
    struct gofer_mknod_req req = {.mode = mode};
    return call_attr(g, GOFER_MKNOD, root, path, NULL, &req, sizeof(req), out);
}

int gofer_client_symlink(struct gofer_client *g, uint32_t root, const char *path,
                         const char *target, struct gofer_attr *out)
{
    return call_attr(g, GOFER_SYMLINK, root, path, target, NULL, 0, out);
}

int gofer_client_link(struct gofer_client *g, uint32_t root, const char *path, const char *new_path,
                      struct gofer_attr *out)
{
    return call_attr(g, GOFER_LINK, root, path, new_path, NULL, 0, out);
}

int gofer_client_unlink(struct gofer_client *g, uint32_t root, const char *path)
{
    return call_plain(g, GOFER_UNLINK, root, path, NULL, NULL, 0);
}

int gofer_client_rmdir(struct gofer_client *g, uint32_t root, const char *path)
{
    return call_plain(g, GOFER_RMDIR, root, path, NULL, NULL, 0);
}

int gofer_client_rename(struct gofer_client *g, uint32_t root, const char *path,
                        const char *new_path, uint32_t flags)
{
    struct gofer_rename_req req = {.flags = flags};
    return call_plain(g, GOFER_RENAME, root, path, new_path, &req, sizeof(req));
}

int gofer_client_setattr(struct gofer_client *g, uint32_t root, const char *path,
                         const struct gofer_setattr_req *set, struct gofer_attr *out)
{
    return call_attr(g, GOFER_SETATTR, root, path, NULL, set, sizeof(*set), out);
}

int gofer_client_fsync(struct gofer_client *g, uint32_t root, const char *path, bool data_only)
{
    struct gofer_fsync_req req = {.data_only = data_only};
    return call_plain(g, GOFER_FSYNC, root, path, NULL, &req, sizeof(req));
}
