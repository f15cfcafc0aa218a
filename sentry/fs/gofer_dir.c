/*
 * Directories of a gofer tree: readdir, and the listings that answer lookups.
 *
 * READDIR replies carry the attributes of every entry. They are kept, in the form in which they came,
 * as the directory's listing: then the lstat of each name that "ls -l" and "find" make next costs no
 * RPC, and in a frozen tree a complete listing also knows which names don't exist. Positions are
 * the host's own cookies, so that a position is good whether it is looked up in the listing or
 * given to the gofer. All listings together stay under LISTINGS_BYTES_MAX; the least recently used go.
 */
#include "sentry/fs/gofer_fs.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "sentry/base/timer.h"

#define LISTINGS_BYTES_MAX (2u * 1024 * 1024)
#define LISTING_BYTES_MAX  (512u * 1024)

struct gofer_listing {
    struct list lru;
    struct gofer_inode *dir; /* borrowed: owns this */
    uint8_t *entries;        /* owned: struct gofer_dirent with names, as in a reply */
    size_t size, capacity;
    uint32_t count;
    uint64_t next;     /* cookie of what is not here yet */
    bool complete;     /* nothing is */
    int64_t when_ns;   /* of its first part */
    uint32_t *slots;   /* owned: offset + 1 of entries by hash of name; NULL: to be built */
    size_t slot_count; /* a power of two */
};

/* An open directory. */
struct gofer_dir {
    struct gofer_dirents chunk;    /* one reply, while it is being emitted */
    const struct gofer_dirent *at; /* in chunk: the entry at position pos */
    uint32_t left;                 /* entries from at on */
    int64_t pos;
    int64_t end_pos;       /* where the end was found; 0: not yet */
    size_t listing_offset; /* where in the listing position listing_pos is */
    int64_t listing_pos;
};

/* --- listings --- */

static struct gofer_listings *all_listings(const struct gofer_inode *dir)
{
    return gofer_client_listings(gofer_fs_of(dir)->client);
}

void gofer_listing_drop(struct gofer_inode *dir)
{
    struct gofer_listing *l = take(&dir->listing);
    if (l) {
        all_listings(dir)->bytes -= l->capacity;
        list_del(&l->lru);
        free(l->entries);
        free(l->slots);
        free(l);
    }
}

static struct gofer_listing *valid_listing(struct gofer_inode *dir)
{
    if (dir->listing && !gofer_fresh(gofer_fs_of(dir), dir->listing->when_ns)) {
        gofer_listing_drop(dir);
    }
    return dir->listing;
}

static struct gofer_listing *listing_new(struct gofer_inode *dir)
{
    struct gofer_listing *l = calloc(1, sizeof(*l));
    if (l) {
        l->dir = dir;
        l->when_ns = ktime_monotonic_ns();
        list_add_tail(&l->lru, &all_listings(dir)->lru);
        dir->listing = l;
    }
    return l;
}

/* Makes room for size more bytes. Return: false when the listing would be too long, or there is no memory. */
static bool listing_reserve(struct gofer_listing *l, size_t size)
{
    if (size > LISTING_BYTES_MAX - l->size) {
        l->dir->big = true;
        return false;
    }
    size_t capacity = l->capacity;
    if (l->size + size > capacity) {
        capacity = MIN(MAX(l->size + size, 2 * capacity), (size_t)LISTING_BYTES_MAX);
        uint8_t *entries = realloc(l->entries, capacity);
        if (!entries) {
            return false;
        }
        l->entries = entries;
    }
    struct gofer_listings *all = all_listings(l->dir);
    all->bytes += capacity - l->capacity;
    l->capacity = capacity;
    list_move_tail(&l->lru, &all->lru);
    while (all->bytes > LISTINGS_BYTES_MAX) {
        /* never l itself: it is the newest, and smaller than the limit */
        gofer_listing_drop(list_first_entry(&all->lru, struct gofer_listing, lru)->dir);
    }
    return true;
}

/* Keeps a reply that was asked for with cookie, if it continues what is there. */
static void listing_append(struct gofer_inode *dir, uint64_t cookie, const struct gofer_dirents *d)
{
    struct gofer_listing *l = valid_listing(dir);
    if (dir->big || (l && l->complete) || cookie != (l ? l->next : 0)) {
        return;
    }
    if (!l && !(l = listing_new(dir))) {
        return;
    }
    const struct gofer_dirent *e = (const void *)d->first;
    for (uint32_t i = 0; i < d->count; i++) {
        e = gofer_dirent_next(e);
    }
    size_t size = (size_t)((const uint8_t *)e - d->first);
    if (!listing_reserve(l, size)) {
        gofer_listing_drop(dir);
        return;
    }
    if (size) {
        memcpy(l->entries + l->size, d->first, size);
    }
    l->size += size;
    l->count += d->count;
    l->next = d->next;
    l->complete = d->eof;
    free(take(&l->slots));
}

static uint64_t name_hash(const char *text, size_t size)
{
    return hash_bytes(text, size, 0x676f666572);
}

static bool index_names(struct gofer_listing *l)
{
    size_t count = 16;
    while (count < 2 * (size_t)l->count) {
        count *= 2;
    }
    l->slots = calloc(count, sizeof(*l->slots));
    if (!l->slots) {
        return false;
    }
    l->slot_count = count;
    for (size_t at = 0; at < l->size;) {
        const struct gofer_dirent *e = (const void *)(l->entries + at);
        size_t i = name_hash(gofer_dirent_name(e), e->name_size) & (count - 1);
        while (l->slots[i]) {
            i = (i + 1) & (count - 1);
        }
        l->slots[i] = (uint32_t)at + 1;
        at += gofer_dirent_size(e->name_size);
    }
    return true;
}

int gofer_listing_find(struct gofer_inode *dir, const struct name *name, struct gofer_attr *out)
{
    struct gofer_listing *l = valid_listing(dir);
    if (!l || (!l->slots && !index_names(l))) {
        return -1;
    }
    list_move_tail(&l->lru, &all_listings(dir)->lru);
    size_t i = name_hash(name->text, name->size) & (l->slot_count - 1);
    for (; l->slots[i]; i = (i + 1) & (l->slot_count - 1)) {
        const struct gofer_dirent *e = (const void *)(l->entries + l->slots[i] - 1);
        if (e->name_size == name->size && !memcmp(gofer_dirent_name(e), name->text, name->size)) {
            if (!e->has_attr) {
                return -1;
            }
            *out = e->attr;
            return 1;
        }
    }
    /* A directory that we may not search tells names, but not which others exist. */
    bool sure = l->complete && gofer_fs_of(dir)->frozen && (dir->may & MAY_EXEC);
    return sure ? 0 : -1;
}

/* The entry at position pos. Return: 1, 0 at the end, -1 when the listing can't tell. */
static int listing_at(struct gofer_inode *dir, struct gofer_dir *d, int64_t pos,
                      const struct gofer_dirent **out)
{
    struct gofer_listing *l = valid_listing(dir);
    if (!l || !l->complete) {
        return -1;
    }
    size_t at = 0;
    if (pos != 0 && d->listing_pos == pos && d->listing_offset <= l->size) {
        at = d->listing_offset;
    } else if (pos != 0) {
        bool found = false;
        while (!found && at < l->size) {
            const struct gofer_dirent *e = (const void *)(l->entries + at);
            found = (int64_t)e->next == pos;
            at += gofer_dirent_size(e->name_size);
        }
        if (!found) {
            return -1;
        }
    }
    if (at == l->size) {
        return 0;
    }
    const struct gofer_dirent *e = (const void *)(l->entries + at);
    d->listing_pos = (int64_t)e->next;
    d->listing_offset = at + gofer_dirent_size(e->name_size);
    *out = e;
    return 1;
}

/* --- open directories --- */

/* Brings the reply that begins at pos. Context: may block. */
static int fetch(struct gofer_inode *dir, struct gofer_dir *d, int64_t pos)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    AUTO_FREE char *path = NULL;
    struct gofer_dirents chunk;
    int err = gofer_path(dir, NULL, &path);
    if (err == 0) {
        err = gofer_client_readdir(fs->client, fs->root, path, (uint64_t)pos, &chunk);
    }
    if (err < 0) {
        return err;
    }
    listing_append(dir, (uint64_t)pos, &chunk);
    gofer_dirents_free(&d->chunk);
    d->chunk = chunk;
    d->at = (const void *)chunk.first;
    d->left = chunk.count;
    d->pos = pos;
    return 0;
}

/* The entry at pos. It lives until the next call. Return: 1, 0 at the end, or -errno. */
static int entry_at(struct gofer_inode *dir, struct gofer_dir *d, int64_t pos,
                    const struct gofer_dirent **out)
{
    int r = listing_at(dir, d, pos, out);
    if (r >= 0) {
        return r;
    }
    if (pos != 0 && pos == d->end_pos) {
        return 0;
    }
    /* A rewound directory is read afresh. */
    bool here = d->chunk.reply && d->pos == pos && pos != 0;
    if (here && d->left == 0 && d->chunk.eof) {
        gofer_dirents_free(&d->chunk);
        d->end_pos = pos;
        return 0;
    }
    if (!here || d->left == 0) {
        int err = fetch(dir, d, pos);
        if (err < 0) {
            return err;
        }
        if (d->left == 0) {
            return 0;
        }
    }
    *out = d->at;
    return 1;
}

static unsigned char dirent_type(const struct gofer_dirent *e)
{
    return e->type == DT_UNKNOWN && e->has_attr ? (unsigned char)IFTODT(e->attr.mode) : e->type;
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
    return e->has_attr ? e->attr.ino : e->ino;
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
        const struct gofer_dirent *after = e == d->at && d->left ? gofer_dirent_next(e) : NULL;
        size_t size = e->name_size;
        char name[GOFER_MAX_NAME];
        memcpy(name, gofer_dirent_name(e), size);
        if (!c->emit(c, name, size, dirent_ino(dir, e), dirent_type(e), next)) {
            return 0;
        }
        if (after) {
            d->at = after;
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
