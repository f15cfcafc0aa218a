/*
 * What READDIR replies brought, kept to answer lookups: for each directory its listing, in the form in
 * which it came. A lstat of each name, as "ls -l" and "find" make them next, then costs no RPC, and in
 * a frozen tree a complete listing also knows which names don't exist.
 *
 * A listing holds its directory's inode, so that one that came ahead of its directory's first lookup
 * waits for it. All listings together stay under LISTINGS_BYTES_MAX; the least recently used go.
 *
 * How much is asked for follows from what was of use before. An entry's attributes cost the gofer about
 * 2 us, an RPC 40: so what nobody uses must soon not be asked for any more.
 *   attributes            at first always; no more when too many came that nobody looked at
 *   extended attributes   once somebody asks for one
 *   directories around    in a frozen tree, for a directory whose parent was listed, too: perhaps somebody
 *                         is walking all of it. A little at first, more while it is used
 *   a listing at all      also for lookups, after some unknown names in the same directory: the bigger it is
 *                         the more of them ("git status" asks for each file that it knows)
 */
#include "sentry/fs/gofer_fs.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "sentry/base/timer.h"

#define LISTINGS_BYTES_MAX (16u * 1024 * 1024)
#define LISTING_BYTES_MAX  (1024u * 1024)
#define CREDIT_MAX         1024 /* entries whose attributes may come without being used */
#define CREDIT_USE         4    /* what is used pays for so much that is not */
#define AHEAD_FIRST        8192 /* bytes of listings that may come ahead without being used */
#define AHEAD_MAX          65536
#define AHEAD_MIN          1024
#define AROUND_MAX         8
#define AROUND_COST        3     /* lookups that a listing made for lookups must answer */
#define BYTES_A_MISS       1365u /* of a directory: one unknown name more for each */
#define BYTES_A_MISS_HOT   8192u /* the same, after such listings were of use */
#define NAMES_A_MISS       16u
#define BESIDE_MAX         128u
#define LEAN_MAX           4

struct gofer_listing {
    struct list lru;
    struct gofer_inode *dir; /* ref */
    uint8_t *entries;        /* owned: struct gofer_dirent with what follows each, as in a reply */
    size_t size, capacity;
    uint32_t count;
    uint32_t want;     /* the GOFER_LIST_* it was asked for with */
    uint64_t next;     /* cookie of what is not here yet */
    bool complete;     /* nothing is */
    bool around;       /* was fetched for lookups */
    bool ahead;        /* came unasked, and was not used yet */
    uint64_t serial;   /* no other has the same */
    int64_t when_ns;   /* of its first part */
    uint64_t asked;    /* the same: struct gofer_attr's */
    uint32_t *slots;   /* owned: offset + 1 of entries by hash of name; NULL: to be built */
    size_t slot_count; /* a power of two */
};

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

static struct gofer_listing *valid_listing(struct gofer_inode *dir)
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

/* Keeps what was asked for with cookie and want, if it begins a listing or continues the one there is. */
static void listing_append(struct gofer_inode *dir, uint64_t cookie, uint32_t want,
                           const struct gofer_listed *d, uint64_t asked)
{
    struct gofer_listing *l = valid_listing(dir);
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
    struct gofer_listing *l = valid_listing(dir);
    if (!l || (!l->slots && !index_names(l))) {
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
    struct gofer_listing *l = valid_listing(dir);
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

/* --- fetching --- */

static uint32_t wanted_attrs(const struct gofer_fs *fs)
{
    return (fs->attr_credit > 0 || fs->xattr_credit > 0 ? GOFER_LIST_ATTRS : 0) |
           (fs->xattr_credit > 0 ? GOFER_LIST_XATTRS : 0);
}

/* In a walk much of what came last is still to be used: a few times without credit there are attributes all the same. */
uint32_t gofer_listing_wanted(struct gofer_fs *fs)
{
    uint32_t want = wanted_attrs(fs);
    fs->coming.lean = want & GOFER_LIST_ATTRS ? 0 : MIN(fs->coming.lean + 1, LEAN_MAX);
    return want | (fs->coming.lean < LEAN_MAX ? GOFER_LIST_ATTRS : 0);
}

static bool is_enough(const struct gofer_listing *l, uint32_t want)
{
    return l && l->complete && (l->want & want) == want;
}

/* May somebody be walking a tree that dir belongs to? */
bool gofer_listing_in_walk(const struct gofer_inode *dir)
{
    return gofer_fs_of(dir)->frozen && dir->parent && is_enough(dir->parent->listing, 0);
}

/* The attributes that came have to be used, or no more will be asked for. */
static void charge(struct gofer_fs *fs, uint32_t want, const struct gofer_listed *d)
{
    if (want & GOFER_LIST_ATTRS) {
        fs->attr_credit = MAX(fs->attr_credit - (int)d->count, 0);
    }
    if (want & GOFER_LIST_XATTRS) {
        fs->xattr_credit = MAX(fs->xattr_credit - (int)d->count, 0);
    }
}

/*
 * The directories that come after dir in its parent, and have no listing yet that would do.
 * beside: GOFER_MAX_PATH bytes for their names, with slashes between.
 */
static void find_beside(const struct gofer_inode *dir, uint32_t want, char *beside)
{
    struct gofer_listing *l = dir->parent->listing;
    const struct name self = {dir->name, strlen(dir->name)};
    size_t size = 0;
    if (!l->slots && !index_names(l)) {
        return;
    }
    const struct gofer_dirent *e = find_entry(l, &self);
    size_t at = e ? (size_t)((const uint8_t *)e - l->entries) + gofer_dirent_size(e) : l->size;
    for (unsigned names = 0; at < l->size && names < BESIDE_MAX; at += gofer_dirent_size(e)) {
        struct gofer_attr attr;
        e = (const void *)(l->entries + at);
        if (!e->has_attr || e->type != DT_DIR || size + e->name_size + 2 > GOFER_MAX_PATH) {
            continue;
        }
        memcpy(&attr, e + 1, sizeof(attr));
        const struct gofer_inode *known = gofer_inode_known(gofer_fs_of(dir), &attr);
        if (known && is_enough(known->listing, want)) {
            continue;
        }
        if (size > 0) {
            beside[size++] = '/';
        }
        memcpy(beside + size, gofer_dirent_name(e), e->name_size);
        size += e->name_size;
        names++;
    }
    beside[size] = '\0';
}

bool gofer_listing_has(const struct gofer_inode *dir, uint32_t want)
{
    return is_enough(dir->listing, want);
}

uint64_t gofer_listing_serial(const struct gofer_inode *dir)
{
    return dir->listing ? dir->listing->serial : 0;
}

bool gofer_listing_seek(struct gofer_inode *dir, const struct name *name, size_t *at)
{
    struct gofer_listing *l = valid_listing(dir);
    if (!is_enough(l, GOFER_LIST_ATTRS) || (!l->slots && !index_names(l))) {
        return false;
    }
    const struct gofer_dirent *e = find_entry(l, name);
    *at = e ? (size_t)((const uint8_t *)e - l->entries) : 0;
    return true;
}

const struct gofer_dirent *gofer_listing_next(struct gofer_inode *dir, size_t *at)
{
    struct gofer_listing *l = valid_listing(dir);
    if (!is_enough(l, GOFER_LIST_ATTRS) || *at >= l->size) {
        return NULL;
    }
    const struct gofer_dirent *e = (const void *)(l->entries + *at);
    *at += gofer_dirent_size(e);
    return e;
}

size_t gofer_listing_names(struct gofer_inode *dir, const struct name *after, char *names,
                           size_t size, size_t max)
{
    struct gofer_listing *l = valid_listing(dir);
    if (!l || (!l->slots && !index_names(l))) {
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

int gofer_listing_subdir(struct gofer_inode *dir, const struct gofer_dirent *e,
                         struct gofer_inode **out)
{
    struct gofer_attr attr;
    const struct name name = {gofer_dirent_name(e), e->name_size};
    memcpy(&attr, e + 1, sizeof(attr));
    attr.asked = dir->listing ? dir->listing->asked : 0;
    return gofer_inode_find(dir, &name, &attr, NULL, out);
}

/* The inode of a directory beside top, whose name is the first in text. *out: a reference. */
static int beside_inode(struct gofer_inode *top, const char *text, struct gofer_inode **out)
{
    struct gofer_inode *parent = top->parent;
    struct gofer_listing *l = parent ? valid_listing(parent) : NULL;
    const struct name name = {text, strcspn(text, "/")};
    if (!l || (!l->slots && !index_names(l))) {
        return -ENOENT; /* dropped meanwhile */
    }
    const struct gofer_dirent *e = find_entry(l, &name);
    return e && e->has_attr && e->type == DT_DIR ? gofer_listing_subdir(parent, e, out) : -ENOENT;
}

/* Keeps the listings of all the directories in d. */
static void keep_tree(struct gofer_inode *top, uint32_t want, const struct gofer_dirents *d,
                      const char *beside)
{
    struct gofer_fs *fs = gofer_fs_of(top);
    AUTO_FREE struct gofer_inode **inodes = calloc(d->dirs, sizeof(*inodes));
    if (!inodes) {
        return;
    }
    inodes[0] = top;
    inode_get(&top->inode);
    for (uint32_t i = 1; i < d->dirs; i++) {
        const struct gofer_listed *l = d->dir[i];
        int err = -ENOENT;
        if (l->parent == GOFER_LISTED_BESIDE) {
            err = beside_inode(top, beside + l->entry, &inodes[i]);
        } else if (inodes[l->parent]) {
            const struct gofer_listed *parent = d->dir[l->parent];
            err = gofer_listing_subdir(inodes[l->parent], gofer_listed_entry(parent, l->entry),
                                       &inodes[i]);
        }
        if (err < 0) {
            continue;
        }
        if (!is_enough(inodes[i]->listing, want)) {
            charge(fs, want, l);
            fs->ahead_credit = MAX(fs->ahead_credit - (int)l->size, 0);
            listing_append(inodes[i], 0, want, l, d->asked);
            if (inodes[i]->listing) {
                inodes[i]->listing->ahead = true;
            }
        }
    }
    for (uint32_t i = 0; i < d->dirs; i++) {
        if (inodes[i]) {
            inode_put(&inodes[i]->inode);
        }
    }
}

/*
 * How many bytes of other directories are worth having with dir's? While there is no credit, each directory
 * that might have come ahead adds to it.
 */
static uint32_t ahead_bytes(const struct gofer_inode *dir)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    if (!gofer_listing_in_walk(dir)) {
        return 0;
    }
    if (fs->ahead_credit < AHEAD_MIN) {
        fs->ahead_credit += AHEAD_MIN / 4;
        return 0;
    }
    return (uint32_t)fs->ahead_credit;
}

void gofer_listing_ask_free(struct gofer_listing_ask *a)
{
    free(take(&a->path));
    free(take(&a->beside));
}

static int ask_for(struct gofer_inode *dir, uint64_t cookie, uint32_t want, bool walking,
                   struct gofer_listing_ask *a)
{
    const struct gofer_listing *l = valid_listing(dir);
    *a = (struct gofer_listing_ask){.req.cookie = cookie};
    a->req.want = cookie && l ? l->want : want;
    a->req.ahead = cookie == 0 && walking ? ahead_bytes(dir) : 0;
    a->beside = calloc(1, a->req.ahead ? GOFER_MAX_PATH : 1);
    int err = a->beside ? gofer_path(dir, NULL, &a->path) : -ENOMEM;
    if (err == 0 && a->req.ahead) {
        find_beside(dir, a->req.want, a->beside);
    }
    return err;
}

int gofer_listing_ask_ahead(struct gofer_inode *dir, uint32_t want, struct gofer_listing_ask *a)
{
    int err = ask_for(dir, 0, want, true, a);
    if (err < 0) {
        gofer_listing_ask_free(a);
    }
    return err;
}

/* Keeps all that is in d. */
static void keep_reply(struct gofer_inode *dir, uint64_t cookie, uint32_t want,
                       const struct gofer_dirents *d, const char *beside)
{
    charge(gofer_fs_of(dir), want, d->dir[0]);
    listing_append(dir, cookie, want, d->dir[0], d->asked);
    if (d->dirs > 1) {
        keep_tree(dir, want, d, beside);
    }
}

void gofer_listing_came(struct gofer_inode *top, uint32_t want, const struct gofer_dirents *d,
                        const char *beside, bool wanted)
{
    struct gofer_fs *fs = gofer_fs_of(top);
    bool had = is_enough(top->listing, want);
    keep_reply(top, 0, want, d, beside);
    if (!wanted && !had && top->listing) {
        fs->ahead_credit = MAX(fs->ahead_credit - (int)top->listing->size, 0);
        top->listing->ahead = true;
    }
}

static int fetch(struct gofer_inode *dir, uint64_t cookie, bool walking, struct gofer_dirents *out)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    struct gofer_listing_ask a;
    bool ahead = walking && cookie == 0 && gofer_listing_in_walk(dir);
    int err =
        ask_for(dir, cookie, ahead ? gofer_listing_wanted(fs) : wanted_attrs(fs), walking, &a);
    if (err == 0) {
        err = gofer_client_readdir(fs->client, fs->root, a.path, &a.req, a.beside, out);
    }
    if (err == 0) {
        keep_reply(dir, cookie, a.req.want, out, a.beside);
    }
    gofer_listing_ask_free(&a);
    return err;
}

void gofer_listing_fetch_rest(struct gofer_inode *dir)
{
    struct gofer_dirents d;
    uint64_t last = 0;
    while (dir->listing && !dir->listing->complete && dir->listing->next != last) {
        last = dir->listing->next;
        if (fetch(dir, last, true, &d) < 0) {
            return;
        }
        gofer_dirents_free(&d);
    }
}

int gofer_listing_fetch(struct gofer_inode *dir, uint64_t cookie, struct gofer_dirents *out)
{
    return fetch(dir, cookie, true, out);
}

/* All of dir, for lookups. Context: may block. */
static void fetch_all(struct gofer_inode *dir)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    uint64_t cookie = 0;
    bool complete = false, hot = fs->around > 0;
    fs->around = MAX(fs->around - AROUND_COST, -AROUND_MAX);
    while (!complete && !dir->big) {
        struct gofer_dirents d;
        if (fetch(dir, cookie, hot, &d) < 0) {
            return;
        }
        cookie = d.dir[0]->next;
        complete = d.dir[0]->complete;
        gofer_dirents_free(&d);
        if (!dir->listing) {
            return; /* no room for it */
        }
        dir->listing->around = true;
    }
}

/* Has dir been asked often enough for what its listing lacks? A small one soon, a big one late. */
static bool worth_fetching(struct gofer_inode *dir, uint32_t want)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    const struct gofer_listing *l = valid_listing(dir);
    uint64_t patience;
    if (!fs->frozen || fs->detached || dir->big || dir->lost || !(dir->may & MAY_READ)) {
        return false;
    }
    if (l && l->complete) {
        if ((l->want & want) == want) {
            return false; /* it has all that can be had */
        }
        patience = l->count / NAMES_A_MISS;
    } else {
        patience = fs->around > 0 ? (uint64_t)dir->inode.size / BYTES_A_MISS_HOT
                                  : (uint64_t)dir->inode.size / BYTES_A_MISS;
    }
    return ++dir->misses > patience;
}

bool gofer_listing_around(struct gofer_inode *dir, uint32_t want)
{
    if (!worth_fetching(dir, want)) {
        return false;
    }
    struct gofer_fs *fs = gofer_fs_of(dir);
    fs->attr_credit = CREDIT_MAX;
    if (want & GOFER_LIST_XATTRS) {
        fs->xattr_credit = CREDIT_MAX;
    }
    dir->misses = 0;
    fetch_all(dir);
    return dir->listing != NULL;
}

void gofer_listing_xattr_used(struct gofer_fs *fs)
{
    if (fs->xattr_credit > 0) {
        fs->xattr_credit = MIN(fs->xattr_credit + CREDIT_USE, CREDIT_MAX);
    }
}

void gofer_listing_init(struct gofer_fs *fs)
{
    fs->attr_credit = CREDIT_MAX;
    fs->ahead_credit = AHEAD_FIRST;
}
