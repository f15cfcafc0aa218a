/*
 * What READDIR replies brought, kept to answer lookups: for each directory its listing, in the form in
 * which it came. A lstat of each name, as "ls -l" and "find" make them next, then costs no RPC, and in
 * a frozen tree a complete listing also knows which names don't exist.
 *
 * A listing holds its directory's inode, so that one that came ahead of its directory's first lookup
 * waits for it. All listings together stay under LISTINGS_BYTES_MAX; the least recently used go. What
 * is asked for, and when: gofer_listing_fetch.c.
 */
#include "sentry/fs/gofer_listing.h"

#include <string.h>

#include "sentry/base/timer.h"

#define LISTINGS_BYTES_MAX (16u * 1024 * 1024)
#define LISTING_BYTES_MAX  (1024u * 1024)

/* What a listing is reckoned to need beside its entries. */
#define LISTING_COST (sizeof(struct gofer_listing) + sizeof(struct gofer_inode))

static struct gofer_listings *all_listings(const struct gofer_inode *dir)
{
    return gofer_client_listings(gofer_fs_of(dir)->client);
}

void gofer_listing_drop(struct gofer_inode *dir)
{
    struct gofer_listing *l = take(&dir->listing);
    if (l) {
        all_listings(dir)->bytes -= l->capacity + LISTING_COST;
        list_del(&l->lru);
        free(l->entries);
        free(l->slots);
        free(l);
        inode_put(&dir->inode);
    }
}

void gofer_listing_drop_all(struct gofer_fs *fs)
{
    struct gofer_listing *l, *tmp;
    fs->detached = true;
    gofer_walk_forget(fs);
    gofer_ahead_forget(fs);
    list_for_each_entry_safe (l, tmp, &gofer_client_listings(fs->client)->lru, lru) {
        if (gofer_fs_of(l->dir) == fs) {
            gofer_listing_drop(l->dir);
        }
    }
}

struct gofer_listing *gofer_listing_valid(struct gofer_inode *dir)
{
    if (dir->listing && !gofer_fresh(gofer_fs_of(dir), dir->listing->when_ns)) {
        gofer_listing_drop(dir);
    }
    return dir->listing;
}

/* An empty one in place of what there is. NULL: out of memory. */
static struct gofer_listing *listing_new(struct gofer_inode *dir, uint32_t want)
{
    struct gofer_listings *all = all_listings(dir);
    inode_get(&dir->inode); /* the old listing's reference may be the last one */
    gofer_listing_drop(dir);
    struct gofer_listing *l = calloc(1, sizeof(*l));
    if (!l) {
        inode_put(&dir->inode);
        return NULL;
    }
    l->dir = dir;
    l->want = want;
    l->serial = ++all->last_serial;
    l->when_ns = ktime_monotonic_ns();
    all->bytes += LISTING_COST;
    list_add_tail(&l->lru, &all->lru);
    dir->listing = l;
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
        /* The first part is mostly all of it. */
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

void gofer_listing_append(struct gofer_inode *dir, uint64_t cookie, uint32_t want,
                          const struct gofer_listed *d, uint64_t asked)
{
    struct gofer_listing *l = gofer_listing_valid(dir);
    if (dir->big || gofer_fs_of(dir)->detached || asked < dir->changed) {
        return;
    }
    if (cookie == 0) {
        l = listing_new(dir, want);
        if (l) {
            l->asked = asked;
        }
    } else if (l && (l->complete || l->next != cookie || l->want != want)) {
        return;
    }
    if (!l) {
        return;
    }
    if (!listing_reserve(l, d->size)) {
        gofer_listing_drop(dir);
        return;
    }
    if (d->size) {
        memcpy(l->entries + l->size, gofer_listed_entry(d, 0), d->size);
    }
    l->size += d->size;
    l->count += d->count;
    l->next = d->next;
    l->complete = d->complete;
    free(take(&l->slots));
}

/* --- lookups --- */

static uint64_t name_hash(const char *text, size_t size)
{
    return hash_bytes(text, size, 0x676f666572);
}

/* Return: false when there is no memory for it. */
static bool index_names(struct gofer_listing *l)
{
    size_t count = 16;
    if (l->slots) {
        return true;
    }
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
        at += gofer_dirent_size(e);
    }
    return true;
}

static const struct gofer_dirent *find_entry(const struct gofer_listing *l, const struct name *name)
{
    size_t i = name_hash(name->text, name->size) & (l->slot_count - 1);
    for (; l->slots[i]; i = (i + 1) & (l->slot_count - 1)) {
        const struct gofer_dirent *e = (const void *)(l->entries + l->slots[i] - 1);
        if (e->name_size == name->size && !memcmp(gofer_dirent_name(e), name->text, name->size)) {
            return e;
        }
    }
    return NULL;
}

const struct gofer_dirent *gofer_listing_entry(struct gofer_listing *l, const struct name *name)
{
    return index_names(l) ? find_entry(l, name) : NULL;
}

static void note_ahead_use(struct gofer_listing *l)
{
    struct gofer_fs *fs = gofer_fs_of(l->dir);
    if (l->ahead) {
        l->ahead = false;
        fs->ahead_credit = MIN(fs->ahead_credit + CREDIT_USE * (int)l->size, AHEAD_MAX);
    }
}

static void note_use(struct gofer_listing *l, bool dir_entry)
{
    struct gofer_fs *fs = gofer_fs_of(l->dir);
    list_move_tail(&l->lru, &all_listings(l->dir)->lru);
    if (!dir_entry) { /* those come anyway */
        fs->attr_credit = MIN(fs->attr_credit + CREDIT_USE, CREDIT_MAX);
    }
    note_ahead_use(l);
    if (l->around) {
        fs->around = MIN(fs->around + 1, AROUND_MAX);
    }
}

int gofer_listing_find(struct gofer_inode *dir, const struct name *name, struct gofer_attr *out,
                       char **out_target)
{
    struct gofer_listing *l = gofer_listing_valid(dir);
    if (!l || !index_names(l)) {
        return -1;
    }
    const struct gofer_dirent *e = find_entry(l, name);
    if (!e) {
        /* A directory that we may not search tells names, but not which others exist. */
        bool sure = l->complete && gofer_fs_of(dir)->frozen && (dir->may & MAY_EXEC);
        if (sure) {
            note_use(l, false);
        }
        return sure ? 0 : -1;
    }
    if (!e->has_attr) {
        return -1;
    }
    memcpy(out, e + 1, sizeof(*out));
    out->asked = l->asked;
    if (out_target && e->target_size) { /* out of memory only means that it is asked for later */
        *out_target = strndup(gofer_dirent_name(e) + e->name_size, e->target_size);
    }
    note_use(l, S_ISDIR(out->mode));
    return 1;
}

/* --- listings in order --- */

int gofer_listing_at(struct gofer_inode *dir, struct gofer_listing_pos *p, int64_t pos,
                     const struct gofer_dirent **out)
{
    struct gofer_listing *l = gofer_listing_valid(dir);
    if (!l || !l->complete) {
        return -1;
    }
    size_t at = 0;
    if (pos != 0 && p->serial == l->serial && p->pos == pos) {
        at = p->offset;
    } else if (pos != 0) {
        bool found = false;
        while (!found && at < l->size) {
            const struct gofer_dirent *e = (const void *)(l->entries + at);
            found = (int64_t)e->next == pos;
            at += gofer_dirent_size(e);
        }
        if (!found) {
            return -1;
        }
    }
    note_ahead_use(l);
    if (at == l->size) {
        return 0;
    }
    const struct gofer_dirent *e = (const void *)(l->entries + at);
    *p = (struct gofer_listing_pos){
        .serial = l->serial, .pos = (int64_t)e->next, .offset = at + gofer_dirent_size(e)};
    *out = e;
    return 1;
}

bool gofer_listing_has(const struct gofer_inode *dir, uint32_t want)
{
    return gofer_listing_is_enough(dir->listing, want);
}

uint64_t gofer_listing_serial(const struct gofer_inode *dir)
{
    return dir->listing ? dir->listing->serial : 0;
}

bool gofer_listing_seek(struct gofer_inode *dir, const struct name *name, size_t *at)
{
    struct gofer_listing *l = gofer_listing_valid(dir);
    if (!gofer_listing_is_enough(l, GOFER_LIST_ATTRS) || !index_names(l)) {
        return false;
    }
    const struct gofer_dirent *e = find_entry(l, name);
    *at = e ? (size_t)((const uint8_t *)e - l->entries) : 0;
    return true;
}

const struct gofer_dirent *gofer_listing_next(struct gofer_inode *dir, size_t *at)
{
    struct gofer_listing *l = gofer_listing_valid(dir);
    if (!gofer_listing_is_enough(l, GOFER_LIST_ATTRS) || *at >= l->size) {
        return NULL;
    }
    const struct gofer_dirent *e = (const void *)(l->entries + *at);
    *at += gofer_dirent_size(e);
    return e;
}

size_t gofer_listing_names(struct gofer_inode *dir, const struct name *after, char *names,
                           size_t size, size_t max)
{
    struct gofer_listing *l = gofer_listing_valid(dir);
    if (!l || !index_names(l)) {
        return 0;
    }
    const struct gofer_dirent *e = after ? find_entry(l, after) : NULL;
    if (after && !e) {
        return 0;
    }
    size_t count = 0;
    size_t at = e ? (size_t)((const uint8_t *)e - l->entries) + gofer_dirent_size(e) : 0;
    for (; at < l->size && count < max; at += gofer_dirent_size(e)) {
        e = (const void *)(l->entries + at);
        if (e->name_size + 1U > size) {
            break;
        }
        if (e->has_attr) {
            memcpy(names, gofer_dirent_name(e), e->name_size);
            names[e->name_size] = '\0';
            names += e->name_size + 1U;
            size -= e->name_size + 1U;
            count++;
        }
    }
    return count;
}
