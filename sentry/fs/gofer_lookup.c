/*
 * Lookups in a gofer tree. Where an answer may come from, cheapest first: the dentry cache above us;
 * an answer that came along with an earlier reply (primed by walk_ahead); a directory listing; one
 * STAT. Negative answers are kept like others.
 */
#include "sentry/fs/gofer_fs.h"

#include <errno.h>
#include <string.h>

#include "sentry/base/timer.h"

static struct gofer_primed *find_primed(struct gofer_fs *fs, const struct inode *dir,
                                        const struct name *name)
{
    for (size_t i = 0; i < GOFER_PRIMED_MAX; i++) {
        struct gofer_primed *p = &fs->primed[i];
        if (p->dir == dir && strlen(p->name) == name->size &&
            memcmp(p->name, name->text, name->size) == 0) {
            return p;
        }
    }
    return NULL;
}

static void primed_clear(struct gofer_primed *p)
{
    struct gofer_primed old = *p;
    *p = (struct gofer_primed){0};
    free(old.name);
    if (old.inode) {
        inode_put(old.inode);
    }
    if (old.dir) {
        inode_put(old.dir);
    }
}

void gofer_prime(struct gofer_fs *fs, struct inode *dir, const struct name *name,
                 struct inode *inode)
{
    gofer_unprime(fs, dir, name);
    struct gofer_primed *p = &fs->primed[fs->primed_next++ % GOFER_PRIMED_MAX];
    primed_clear(p);
    char *copy = strndup(name->text, name->size);
    if (!copy) {
        return;
    }
    *p = (struct gofer_primed){.dir = inode_get(dir),
                               .inode = inode ? inode_get(inode) : NULL,
                               .name = copy,
                               .when_ns = ktime_monotonic_ns()};
}

void gofer_unprime(struct gofer_fs *fs, const struct inode *dir, const struct name *name)
{
    struct gofer_primed *p = find_primed(fs, dir, name);
    if (p) {
        primed_clear(p);
    }
}

void gofer_unprime_all(struct gofer_fs *fs)
{
    for (size_t i = 0; i < GOFER_PRIMED_MAX; i++) {
        primed_clear(&fs->primed[i]);
    }
}

/* Return: 1 with a reference in *out, 0 surely absent, -1 not known. */
static int take_primed(struct gofer_fs *fs, struct inode *dir, const struct name *name,
                       struct inode **out)
{
    struct gofer_primed *p = find_primed(fs, dir, name);
    if (!p) {
        return -1;
    }
    int r = -1;
    if (gofer_fresh(fs, p->when_ns)) {
        r = p->inode != NULL;
        *out = p->inode ? inode_get(p->inode) : NULL;
    }
    primed_clear(p);
    return r;
}

/* One STAT, or more. Context: may block. */
static int ask(struct gofer_inode *dir, const struct name *name, struct gofer_inode **out)
{
    char *target;
    struct gofer_attr attr;
    int err = gofer_stat(dir, name, &attr, &target);
    if (err < 0) {
        return err == -ELOOP ? -ENOENT : err; /* a directory on the way became a link: gone */
    }
    return gofer_inode_find(dir, name, &attr, target, out);
}

int gofer_lookup(struct inode *inode, const struct name *name, struct inode **out)
{
    struct gofer_inode *dir = gofer_i(inode), *found = NULL;
    struct gofer_fs *fs = gofer_fs_of(dir);
    if (!S_ISDIR(inode->mode)) {
        return -ENOTDIR;
    }
    int known = take_primed(fs, inode, name, out);
    if (known >= 0) {
        return known ? 0 : -ENOENT;
    }
    struct gofer_attr attr;
    char *target = NULL;
    known = gofer_listing_find(dir, name, &attr, &target);
    if (known < 0 && gofer_listing_around(dir, GOFER_LIST_ATTRS)) {
        known = gofer_listing_find(dir, name, &attr, &target);
    }
    if (known == 0) {
        return -ENOENT;
    }
    int err =
        known == 1 ? gofer_inode_find(dir, name, &attr, target, &found) : ask(dir, name, &found);
    if (err == 0) {
        *out = &found->inode;
    }
    return err;
}

/* Only shared trees are asked. */
bool gofer_revalidate(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct gofer_inode *gi = inode ? gofer_i(inode) : NULL;
    struct gofer_fs *fs = dir->sb->private;
    if (gi && gofer_is_named(gi, gofer_i(dir), name) && gofer_fresh(fs, gi->fetched_ns)) {
        return true;
    }
    struct gofer_inode *now = NULL;
    int err = ask(gofer_i(dir), name, &now);
    if (err < 0) {
        /* Other failures than absence say nothing about the name: the lookup that follows tells. */
        return err == -ENOENT && !inode;
    }
    bool same = now == gi;
    if (!same) {
        gofer_prime(fs, dir, name, &now->inode); /* for the lookup that follows */
    }
    inode_put(&now->inode);
    return same;
}

/* Stores what a WALK from dir said. rest: canonical, writable. */
static void prime_walk(struct gofer_inode *dir, char *rest, struct gofer_walked *w)
{
    struct gofer_fs *fs = gofer_fs_of(dir);
    struct inode *at = inode_get(&dir->inode);
    char *next = rest, *text;
    for (uint32_t i = 0; i <= w->count && (text = strsep(&next, "/")); i++) {
        struct name name = {text, strlen(text)};
        if (i == w->count) {
            if (w->stop == -ENOENT) {
                gofer_prime(fs, at, &name, NULL);
            }
            break;
        }
        struct gofer_inode *found;
        char *target = i + 1 == w->count ? take(&w->target) : NULL;
        if (!S_ISDIR(at->mode)) {
            free(target);
            break;
        }
        if (gofer_inode_find(gofer_i(at), &name, &w->attrs[i], target, &found) < 0) {
            break;
        }
        if (i + 1 == w->count && w->fd >= 0) {
            gofer_fd_store(&found->read_fd, take_fd(&w->fd));
        }
        gofer_prime(fs, at, &name, &found->inode);
        inode_put(at);
        at = &found->inode;
    }
    inode_put(at);
}

/* The canonical part of a walk's text: up to the first "." or "..". Return: its names. */
static size_t canonical(const char *text, char *out)
{
    size_t names = 0, size = 0;
    while (names < GOFER_PRIMED_MAX / 2) {
        text += strspn(text, "/");
        size_t n = strcspn(text, "/");
        if (n == 0 || n > GOFER_MAX_NAME || (n == 1 && text[0] == '.') ||
            (n == 2 && text[0] == '.' && text[1] == '.') || size + n + 2 > GOFER_MAX_PATH) {
            break;
        }
        if (size) {
            out[size++] = '/';
        }
        memcpy(out + size, text, n);
        size += n;
        text += n;
        names++;
    }
    out[size] = '\0';
    return names;
}

/* One trip for all of a path that nothing is known of yet, the opening of the file at its end included. */
void gofer_walk_ahead(struct inode *inode, const char *text, bool opens)
{
    struct gofer_inode *dir = gofer_i(inode);
    struct gofer_fs *fs = gofer_fs_of(dir);
    AUTO_FREE char *rest = malloc(GOFER_MAX_PATH);
    size_t names = rest ? canonical(text, rest) : 0;
    if (names == 0 || (names == 1 && !opens)) {
        return; /* a single name: the lookup's own STAT is as good */
    }
    struct name first = {rest, strcspn(rest, "/")};
    struct gofer_attr attr;
    if (find_primed(fs, inode, &first) || gofer_listing_find(dir, &first, &attr, NULL) >= 0) {
        return;
    }
    if (names == 1 && gofer_listing_around(dir, GOFER_LIST_ATTRS)) {
        return;
    }
    AUTO_FREE char *path = NULL;
    struct gofer_walked w;
    if (gofer_path(dir, NULL, &path) == 0 &&
        gofer_client_walk(fs->client, fs->root, path, rest, opens, &w) == 0) {
        prime_walk(dir, rest, &w);
        gofer_walked_free(&w);
    }
}
