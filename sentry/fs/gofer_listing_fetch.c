/*
 * What READDIR is asked for, and when.
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
#include "sentry/fs/gofer_listing.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define AHEAD_FIRST      8192 /* bytes of listings that may come ahead without being used */
#define AHEAD_MIN        1024
#define AROUND_COST      3     /* lookups that a listing made for lookups must answer */
#define BYTES_A_MISS     1365u /* of a directory: one unknown name more for each */
#define BYTES_A_MISS_HOT 8192u /* the same, after such listings were of use */
#define NAMES_A_MISS     16u
#define BESIDE_MAX       128u
#define LEAN_MAX         4

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

bool gofer_listing_in_walk(const struct gofer_inode *dir)
{
    return gofer_fs_of(dir)->frozen && dir->parent &&
           gofer_listing_is_enough(dir->parent->listing, 0);
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
    const struct gofer_dirent *e = gofer_listing_entry(l, &self);
    size_t at = e ? (size_t)((const uint8_t *)e - l->entries) + gofer_dirent_size(e) : l->size;
    for (unsigned names = 0; at < l->size && names < BESIDE_MAX; at += gofer_dirent_size(e)) {
        struct gofer_attr attr;
        e = (const void *)(l->entries + at);
        if (!e->has_attr || e->type != DT_DIR || size + e->name_size + 2 > GOFER_MAX_PATH) {
            continue;
        }
        memcpy(&attr, e + 1, sizeof(attr));
        const struct gofer_inode *known = gofer_inode_known(gofer_fs_of(dir), &attr);
        if (known && gofer_listing_is_enough(known->listing, want)) {
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
    struct gofer_listing *l = parent ? gofer_listing_valid(parent) : NULL;
    const struct name name = {text, strcspn(text, "/")};
    const struct gofer_dirent *e = l ? gofer_listing_entry(l, &name) : NULL; /* dropped meanwhile */
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
        if (!gofer_listing_is_enough(inodes[i]->listing, want)) {
            charge(fs, want, l);
            fs->ahead_credit = MAX(fs->ahead_credit - (int)l->size, 0);
            gofer_listing_append(inodes[i], 0, want, l, d->asked);
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
    const struct gofer_listing *l = gofer_listing_valid(dir);
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
    gofer_listing_append(dir, cookie, want, d->dir[0], d->asked);
    if (d->dirs > 1) {
        keep_tree(dir, want, d, beside);
    }
}

void gofer_listing_came(struct gofer_inode *top, uint32_t want, const struct gofer_dirents *d,
                        const char *beside, bool wanted)
{
    struct gofer_fs *fs = gofer_fs_of(top);
    bool had = gofer_listing_is_enough(top->listing, want);
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
    const struct gofer_listing *l = gofer_listing_valid(dir);
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
