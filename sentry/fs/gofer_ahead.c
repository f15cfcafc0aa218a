/*
 * Opening files before they are asked for. In a frozen tree, when one file of a directory is opened after the other
 * (grep -r, tar), the gofer is asked for the next ones, too: a trip costs ten times what it does for one file.
 *
 * The next ones are those that a walk of the tree comes to: the rest of the directory in the order of its listing, and what was passed
 * over in it; once that has paid off for a while, also what is in the directories below that have been listed already, and
 * what follows this one in those above it. What comes has to earn its keep, see open_credit. If it does, more is fetched before it
 * is wanted: the gofer works while the process reads what it has, and nobody waits for it.
 */
#include "sentry/fs/gofer_fs.h"

#include <dirent.h>
#include <string.h>

#include "lib/host.h"

#define CREDIT_MAX  64 /* opens ahead that pay off, or don't */
#define CREDIT_USE  2
#define CREDIT_WIDE 16 /* with so much, other directories, too */
#define FILES_FIRST 4u
#define FILES_MORE  62u  /* opened before they are wanted, ... */
#define FILES_LACK  8u   /* ... when so many are missing ... */
#define LOOKED_NEAR 96u  /* ... among so many entries that come next */
#define LOOKED_AT   256u /* entries, for one trip */
#define DIRS_MAX    32u
#define DEPTH_MAX   8u
#define LEVELS_UP   8u

struct ahead {
    struct gofer_fs *fs;
    char text[GOFER_MAX_PATH]; /* as gofer_files_valid has it */
    size_t size;
    unsigned files, files_max, looked, looked_max;
    struct {
        struct gofer_inode *dir; /* ref */
        size_t start, end;       /* of its names */
    } dirs[DIRS_MAX];
    unsigned dir_count;
    struct gofer_beside came;
    struct gofer_call *call; /* owned: of what was asked for before anybody waits; NULL */
};

/* Are more files going to be opened? While that turned out to be so, it is believed at once; after it was wrong, the longer it takes. */
static bool wants_ahead(struct gofer_inode *dir)
{
    const struct gofer_fs *fs = gofer_fs_of(dir);
    int patience = fs->open_credit > 0 ? 0 : 2 - fs->open_credit / 8;
    if (!fs->frozen || fs->detached || ++dir->opens <= (uint32_t)patience) {
        return false;
    }
    dir->opens = 0;
    return true;
}

void gofer_ahead_used(struct gofer_fs *fs)
{
    fs->open_credit = MIN(fs->open_credit + CREDIT_USE, CREDIT_MAX);
}

/* Return: false when there is no room. */
static bool append(struct ahead *a, const char *text, size_t size)
{
    if (a->size + size >= sizeof(a->text)) {
        return false;
    }
    memcpy(a->text + a->size, text, size);
    a->size += size;
    a->text[a->size] = '\0';
    return true;
}

/* Names of dir follow. */
static bool begin_dir(struct ahead *a, struct gofer_inode *dir)
{
    if (a->dir_count > 0 && a->dirs[a->dir_count - 1].dir == dir) {
        return true;
    }
    if (a->dir_count == DIRS_MAX) {
        return false;
    }
    size_t end = a->size;
    if (a->dir_count > 0) {
        AUTO_FREE char *path = NULL;
        if (gofer_path(dir, NULL, &path) < 0 || !append(a, "//", 2) ||
            !append(a, path, strlen(path)) || !append(a, "//", 2)) {
            return false;
        }
        a->dirs[a->dir_count - 1].end = end;
    }
    inode_get(&dir->inode);
    a->dirs[a->dir_count].dir = dir;
    a->dirs[a->dir_count].end = SIZE_MAX;
    a->dirs[a->dir_count++].start = a->size;
    return true;
}

/* Return: false when no more can be asked for. */
static bool add_file(struct ahead *a, struct gofer_inode *dir, const struct gofer_dirent *e)
{
    struct gofer_attr attr;
    memcpy(&attr, e + 1, sizeof(attr));
    const struct gofer_inode *known = gofer_inode_known(a->fs, &attr);
    if ((known && known->read_fd.fd >= 0) || !(attr.flags & MAY_READ)) {
        return true;
    }
    size_t size = a->size;
    unsigned dirs = a->dir_count;
    bool added = begin_dir(a, dir) &&
                 (a->size == a->dirs[a->dir_count - 1].start || append(a, "/", 1)) &&
                 append(a, gofer_dirent_name(e), e->name_size);
    if (!added) { /* nothing half of it */
        a->text[a->size = size] = '\0';
        if (a->dir_count > dirs) {
            inode_put(&a->dirs[--a->dir_count].dir->inode);
            if (dirs > 0) {
                a->dirs[dirs - 1].end = SIZE_MAX;
            }
        }
        return false;
    }
    return ++a->files < a->files_max;
}

/*
 * Files among dir's entries from at to end, and, so deep, of the directories among them, as far as they are listed: in the order in which
 * a walk of the tree comes to them. self: none of them. Return: as add_file.
 */
static bool add_entries(struct ahead *a, const struct gofer_inode *self, struct gofer_inode *dir,
                        size_t at, size_t end, unsigned depth)
{
    const struct gofer_dirent *e;
    while (at < end && (e = gofer_listing_next(dir, &at))) {
        struct gofer_attr attr;
        bool is_self = self && strlen(self->name) == e->name_size &&
                       memcmp(self->name, gofer_dirent_name(e), e->name_size) == 0;
        if (++a->looked > a->looked_max) {
            return false;
        }
        if (!e->has_attr || is_self) {
            continue;
        }
        if (e->type == DT_REG && !add_file(a, dir, e)) {
            return false;
        }
        if (e->type == DT_DIR && depth > 0) {
            memcpy(&attr, e + 1, sizeof(attr));
            struct gofer_inode *sub = gofer_inode_known(a->fs, &attr);
            if (sub && sub->parent == dir && !add_entries(a, NULL, sub, 0, SIZE_MAX, depth - 1)) {
                return false;
            }
        }
    }
    return true;
}

static void choose(struct ahead *a, const struct gofer_inode *gi)
{
    struct gofer_inode *dir = gi->parent;
    const struct name self = {gi->name, strlen(gi->name)};
    unsigned depth = a->fs->open_credit < CREDIT_WIDE ? 0 : DEPTH_MAX;
    size_t at;
    if (!gofer_listing_seek(dir, &self, &at) || !begin_dir(a, dir) ||
        !add_entries(a, gi, dir, at, SIZE_MAX, depth) || !add_entries(a, gi, dir, 0, at, 0) ||
        depth == 0) {
        return;
    }
    for (unsigned i = 0; i < LEVELS_UP && dir->parent; i++) {
        const struct name name = {dir->name, strlen(dir->name)};
        dir = dir->parent;
        if (!gofer_listing_seek(dir, &name, &at) || !gofer_listing_next(dir, &at) ||
            !add_entries(a, NULL, dir, at, SIZE_MAX, depth)) {
            return;
        }
    }
}

/* Whose name stands at entry in the text? NULL: nobody's. */
static struct gofer_inode *dir_of(const struct ahead *a, uint32_t entry)
{
    unsigned i = a->dir_count;
    while (i > 0 && a->dirs[i - 1].start > entry) {
        i--;
    }
    /* behind the end: within the path of the next directory */
    return i > 0 && entry < a->dirs[i - 1].end ? a->dirs[i - 1].dir : NULL;
}

/* Keeps what came. The fds are consumed. */
static void keep(struct ahead *a)
{
    struct gofer_fs *fs = a->fs;
    for (size_t i = 0; i < a->came.count; i++) {
        const struct gofer_opened *o = &a->came.opened[i];
        const char *text = a->text + o->entry;
        const struct name name = {text, strcspn(text, "/")};
        struct gofer_inode *dir = dir_of(a, o->entry), *gi;
        if (!dir || fs->detached || gofer_inode_find(dir, &name, &o->attr, NULL, &gi) < 0) {
            host_close(a->came.fds[i]);
            continue;
        }
        fs->open_credit = MAX(fs->open_credit - 1, -CREDIT_MAX);
        if (gi->read_fd.fd >= 0) {
            host_close(a->came.fds[i]);
            inode_put(&gi->inode);
            continue;
        }
        gi->read_fd.ahead = true; /* has the reference */
        gofer_fd_store(&gi->read_fd, a->came.fds[i]);
    }
}

static void forget_chosen(struct ahead *a)
{
    while (a->dir_count > 0) {
        inode_put(&a->dirs[--a->dir_count].dir->inode);
    }
    a->text[0] = '\0';
    a->size = a->files = a->looked = 0;
}

static void ahead_free(struct ahead *a)
{
    forget_chosen(a);
    free(a);
}

/* What comes after gi, at most so many; NULL: not even files_min of the next few, or no memory. */
static struct ahead *choose_after(struct gofer_inode *gi, unsigned files_min, unsigned files_max)
{
    struct ahead *a = malloc(sizeof(*a));
    if (!a) {
        return NULL;
    }
    a->fs = gofer_fs_of(gi);
    a->dir_count = 0;
    a->came.count = 0;
    a->call = NULL;
    a->files_max = files_max;
    a->looked_max = LOOKED_NEAR;
    forget_chosen(a);
    if (files_min > 0) {
        choose(a, gi);
        if (a->files < files_min) {
            ahead_free(a);
            return NULL;
        }
        forget_chosen(a);
    }
    a->looked_max = LOOKED_AT;
    choose(a, gi);
    return a;
}

int gofer_open_ahead(struct gofer_inode *gi, const char *path, struct gofer_attr *out, int *out_fd)
{
    struct gofer_fs *fs = gofer_fs_of(gi);
    unsigned files_max = MIN(FILES_FIRST + (unsigned)MAX(fs->open_credit, 0), GOFER_MAX_BESIDE);
    struct ahead *a = gi->parent && wants_ahead(gi->parent) ? choose_after(gi, 0, files_max) : NULL;
    if (!a) {
        return gofer_client_open(fs->client, fs->root, path, O_RDONLY, 0, out, out_fd);
    }
    int err = gofer_client_open_beside(fs->client, fs->root, path, a->text, out, out_fd, &a->came);
    if (err == 0) {
        keep(a);
    }
    ahead_free(a);
    return err;
}

/* --- before anybody waits for it --- */

/* What was asked for, and what may have come meanwhile. Context: may block, unless the call is done. */
static void take_opened(struct gofer_fs *fs)
{
    struct ahead *a = take(&fs->opening);
    if (gofer_client_open_take(fs->client, take(&a->call), a->text, &a->came) == 0) {
        keep(a);
    }
    ahead_free(a);
}

void gofer_ahead_forget(struct gofer_fs *fs)
{
    if (fs->opening) {
        struct ahead *a = take(&fs->opening);
        gofer_call_abandon(take(&a->call));
        ahead_free(a);
    }
}

void gofer_open_more(struct gofer_inode *gi)
{
    struct gofer_fs *fs = gofer_fs_of(gi);
    if (fs->opening && gofer_call_is_done(fs->client, fs->opening->call)) {
        take_opened(fs);
    }
    if (!fs->frozen || fs->detached || fs->opening || !gi->parent ||
        fs->open_credit < CREDIT_WIDE) {
        return;
    }
    AUTO_FREE char *path = NULL;
    struct ahead *a = choose_after(gi, FILES_LACK, FILES_MORE);
    if (!a) {
        return;
    }
    if (gofer_path(gi, NULL, &path) == 0 &&
        gofer_client_open_post(fs->client, fs->root, path, a->text, &a->call) == 0) {
        fs->opening = a;
    } else {
        ahead_free(a);
    }
}

/* Files of gi's directory are on their way. */
static bool is_coming(const struct gofer_inode *gi)
{
    const struct ahead *a = gofer_fs_of(gi)->opening;
    for (unsigned i = 0; a && i < a->dir_count; i++) {
        if (a->dirs[i].dir == gi->parent) {
            return true;
        }
    }
    return false;
}

void gofer_ahead_wait(struct gofer_inode *gi)
{
    if (is_coming(gi)) {
        take_opened(gofer_fs_of(gi));
    }
}

bool gofer_ahead_has_come(struct gofer_inode *gi)
{
    struct gofer_fs *fs = gofer_fs_of(gi);
    if (gi->read_fd.fd < 0 && is_coming(gi) && gofer_call_is_done(fs->client, fs->opening->call)) {
        take_opened(fs);
    }
    return gi->read_fd.fd >= 0;
}
