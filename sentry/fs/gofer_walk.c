/*
 * Who walks a tree wants directory after directory, and each reply of the gofer has the listings of tens of them (gofer_listing.c). So
 * while the process goes through what came last, the gofer makes the next reply: the first directory in the walk's order that has no
 * listing yet is asked for, with all that comes behind it. Analogous to Linux's readahead of files.
 *
 *      the process                the sentry                          the gofer
 *      reads a directory of
 *      the newest reply      ->   posts a READDIR for the next   ->   reads directories
 *      reads the others                                               the reply waits in the socket
 *      comes to one that has
 *      no listing            ->   takes the reply, keeps it
 *
 * One is under way at most, and only while what came ahead is used (gofer_fs.ahead_credit). Nobody is woken for the reply. When
 * the walk has gone elsewhere, the next one that lacks a listing takes it all the same, or the end of the file system does.
 */
#include "sentry/fs/gofer_fs.h"

#include <dirent.h>
#include <string.h>

#define CREDIT_MIN 32768 /* bytes that may come without being used */
#define LOOKED_MAX 1024u /* entries, for what is next */
#define DEPTH_MAX  16u
#define LEVELS_UP  8u

struct search {
    uint64_t dev; /* the host's */
    uint32_t want;
    unsigned looked;
};

/*
 * The first directory without a listing that would do, among dir's entries from at on and below. *out: a reference.
 * Return: false, there is none, or it can't be told.
 */
static bool find_below(struct search *s, struct gofer_inode *dir, size_t at, unsigned depth,
                       struct gofer_inode **out)
{
    const struct gofer_dirent *e;
    while (s->looked < LOOKED_MAX && (e = gofer_listing_next(dir, &at))) {
        struct gofer_attr attr;
        s->looked++;
        if (!e->has_attr || e->type != DT_DIR) {
            continue;
        }
        memcpy(&attr, e + 1, sizeof(attr));
        struct gofer_inode *sub = gofer_inode_known(gofer_fs_of(dir), &attr);
        if (attr.dev != s->dev || !(attr.flags & MAY_READ) || (sub && sub->big)) {
            continue;
        }
        if (!sub || !gofer_listing_has(sub, s->want)) {
            return gofer_listing_subdir(dir, e, out) == 0;
        }
        if (depth > 0 && sub->parent == dir && find_below(s, sub, 0, depth - 1, out)) {
            return true;
        }
    }
    return false;
}

/* What a walk that has come to dir wants next. *out: a reference. */
static bool find_next(struct gofer_inode *dir, uint32_t want, struct gofer_inode **out)
{
    struct search s = {.dev = dir->host_dev, .want = want};
    size_t at = 0;
    for (unsigned i = 0; i < LEVELS_UP; i++) {
        if (find_below(&s, dir, at, DEPTH_MAX, out)) {
            return true;
        }
        if (!dir->parent) {
            return false;
        }
        const struct name self = {dir->name, strlen(dir->name)};
        dir = dir->parent;
        if (!gofer_listing_seek(dir, &self, &at) || !gofer_listing_next(dir, &at)) {
            return false;
        }
    }
    return false;
}

static void post_next(struct gofer_fs *fs, struct gofer_inode *from)
{
    struct gofer_inode *dir;
    struct gofer_listing_ask ask;
    struct gofer_call *call;
    uint32_t want = gofer_listing_wanted(fs);
    if (!find_next(from, want, &dir)) {
        return;
    }
    if (gofer_listing_ask_ahead(dir, want, &ask) < 0) {
        inode_put(&dir->inode);
        return;
    }
    if (gofer_client_readdir_post(fs->client, fs->root, ask.path, &ask.req, ask.beside, &call) ==
        0) {
        fs->coming.call = call;
        fs->coming.dir = dir;
        fs->coming.beside = take(&ask.beside);
        fs->coming.want = want;
    } else {
        inode_put(&dir->inode);
    }
    gofer_listing_ask_free(&ask);
}

void gofer_walk_comes_to(struct gofer_inode *dir)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    if (!fs->detached && !fs->coming.call && fs->ahead_credit >= CREDIT_MIN &&
        gofer_listing_serial(dir) > fs->coming.serial && gofer_listing_in_walk(dir)) {
        fs->coming.serial = gofer_client_listings(fs->client)->last_serial;
        post_next(fs, dir);
    }
}

void gofer_walk_lacks(struct gofer_inode *dir)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    if (!fs->coming.call || !gofer_listing_in_walk(dir)) {
        return;
    }
    struct gofer_inode *top = take(&fs->coming.dir); /* ref */
    AUTO_FREE char *beside = take(&fs->coming.beside);
    struct gofer_call *call = take(&fs->coming.call);
    struct gofer_dirents d;
    uint32_t want = fs->coming.want;
    if (gofer_client_readdir_take(fs->client, call, beside, &d) == 0) {
        gofer_listing_came(top, want, &d, beside, top == dir);
        gofer_dirents_free(&d);
        if (top == dir) {
            gofer_listing_fetch_rest(dir);
        }
    }
    inode_put(&top->inode);
}

void gofer_walk_forget(struct gofer_fs *fs)
{
    if (fs->coming.call) {
        gofer_call_abandon(take(&fs->coming.call));
        free(take(&fs->coming.beside));
        inode_put(&take(&fs->coming.dir)->inode);
    }
}
