/*
 * Open directories of a gofer tree. Positions are the host's own cookies, so that a position is good
 * whether it is looked up in the kept listing (gofer_listing.c) or given to the gofer.
 */
#include "sentry/fs/gofer_fs.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

/* An open directory. */
struct gofer_dir {
    struct gofer_dirents chunk;    /* one reply, while it is being emitted */
    const struct gofer_dirent *at; /* in chunk: the entry at position pos */
    uint32_t left;                 /* entries from at on */
    int64_t pos;
    int64_t end_pos; /* where the end was found; 0: not yet */
    struct gofer_listing_pos in_listing;
};

/* Brings the reply that begins at pos. Context: may block. */
static int fetch(struct gofer_inode *dir, struct gofer_dir *d, int64_t pos)
{
    struct gofer_dirents chunk;
    int err = gofer_listing_fetch(dir, (uint64_t)pos, &chunk);
    if (err < 0) {
        return err;
    }
    gofer_dirents_free(&d->chunk);
    d->chunk = chunk;
    d->at = gofer_listed_entry(chunk.dir[0], 0);
    d->left = chunk.dir[0]->count;
    d->pos = pos;
    return 0;
}

/* The entry at pos. It lives until the next call. Return: 1, 0 at the end, or -errno. */
static int entry_at(struct gofer_inode *dir, struct gofer_dir *d, int64_t pos,
                    const struct gofer_dirent **out)
{
    int r = gofer_listing_at(dir, &d->in_listing, pos, out);
    if (r >= 0) {
        if (pos == 0) {
            gofer_walk_comes_to(dir);
        }
        return r;
    }
    if (pos != 0 && pos == d->end_pos) {
        return 0;
    }
    if (pos == 0) {
        gofer_walk_lacks(dir);
        r = gofer_listing_at(dir, &d->in_listing, pos, out);
        if (r >= 0) {
            gofer_walk_comes_to(dir);
            return r;
        }
    }
    /* A rewound directory is read afresh. */
    bool here = d->chunk.reply && d->pos == pos && pos != 0;
    if (here && d->left == 0 && d->chunk.dir[0]->complete) {
        gofer_dirents_free(&d->chunk);
        d->end_pos = pos;
        return 0;
    }
    if (!here || d->left == 0) {
        int err = fetch(dir, d, pos);
        if (err < 0) {
            return err;
        }
        r = gofer_fs_of(dir)->frozen ? gofer_listing_at(dir, &d->in_listing, pos, out) : -1;
        if (r >= 0) { /* what came is kept for longer than this reply */
            gofer_dirents_free(&d->chunk);
            d->left = 0;
            return r;
        }
        if (d->left == 0) {
            return 0;
        }
    }
    *out = d->at;
    return 1;
}

static uint64_t dirent_ino(const struct gofer_inode *dir, const struct gofer_dirent *e)
{
    const char *name = gofer_dirent_name(e);
    if (e->name_size == 1 && name[0] == '.') {
        return dir->inode.ino;
    }
    if (e->name_size == 2 && name[0] == '.' && name[1] == '.') {
        /* What lies above the root is the host's affair. */
        return dir->parent ? dir->parent->inode.ino : dir->inode.ino;
    }
    if (!e->has_attr) {
        return e->ino;
    }
    struct gofer_attr attr; /* the number that stat shows: a mount point's own is another one */
    memcpy(&attr, e + 1, sizeof(attr));
    return attr.ino;
}

static int dir_readdir(struct file *f, struct dir_context *c)
{
    struct gofer_inode *dir = gofer_i(f->inode);
    struct gofer_dir *d = f->private;
    for (;;) {
        const struct gofer_dirent *e;
        int r = entry_at(dir, d, c->pos, &e);
        if (r <= 0) {
            return r == -ENOENT && dir->lost ? 0 : r; /* removed while open: it is empty */
        }
        /* emit may sleep, and the listing be dropped meanwhile: nothing of e is used after it. */
        int64_t next = (int64_t)e->next;
        size_t step = e == d->at && d->left ? gofer_dirent_size(e) : 0;
        size_t size = e->name_size;
        char name[GOFER_MAX_NAME];
        memcpy(name, gofer_dirent_name(e), size);
        if (!c->emit(c, name, size, dirent_ino(dir, e), e->type, next)) {
            return 0;
        }
        if (step) {
            d->at = (const void *)((const uint8_t *)d->at + step);
            d->left--;
            d->pos = next;
        }
        c->pos = next;
    }
}

static void dir_release(struct file *f)
{
    struct gofer_dir *d = take(&f->private);
    gofer_dirents_free(&d->chunk);
    free(d);
}

/* A directory's fsync: its names are the host's already. */
static int dir_fsync(struct file *f, bool data_only)
{
    struct gofer_inode *dir = gofer_i(f->inode);
    struct gofer_fs *fs = gofer_fs_of(dir);
    if (fs->read_only) {
        return 0; /* nothing can be dirty */
    }
    AUTO_FREE char *path = NULL;
    int err = gofer_path(dir, NULL, &path);
    if (err == 0) {
        err = gofer_client_fsync(fs->client, fs->root, path, data_only);
    }
    return err == -ENOENT && dir->lost ? 0 : err;
}

const struct file_ops gofer_dir_ops = {
    .readdir = dir_readdir,
    .fsync = dir_fsync,
    .release = dir_release,
};

int gofer_dir_open(struct gofer_inode *dir, struct file *f)
{
    (void)dir;
    struct gofer_dir *d = calloc(1, sizeof(*d));
    if (!d) {
        return -ENOMEM;
    }
    f->private = d;
    f->ops = &gofer_dir_ops;
    return 0;
}
