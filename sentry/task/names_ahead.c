/*
 * Kept lookups (names.c) that nobody has asked for yet.
 *
 * A program that goes through a directory (ls -l, git status) asks for name after name in the directory's order. When it
 * does, what it will ask next is kept for it, too: 8 names, 16, 32 ... Once that was of use, a directory's first name brings others at once,
 * on a credit that shrinks with what was told and grows with what was used of it. What is told ahead is
 * never asked of the gofer, and counts from the same stamp as the lookup that led to it. Who gets the entries of a directory with its open
 * (lease_directory.c) gets the first of those names with them.
 */
#include "sentry/task/names_internal.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "sentry/task/lease_internal.h"
#include "sentry/vfs/dcache.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/stamp.h"

#define WINDOW_FIRST 8
#define WINDOW_HABIT 24 /* of a process that goes through directories */
#define WINDOW_MAX   64
#define OPENS_MAX    32 /* the same, of names that are prepared to be opened */
#define USES_HABIT   8  /* of names told ahead: the process goes through files, and reads them */
#define COPY_NEXT    LEASE_ROOM /* bytes of a file that is copied ahead, */
#define AHEAD_BYTES  8192
#define LISTED_MAX   64 /* entries of a directory, looked at when it is opened */
#define SCORE_MAX    4
#define CREDIT_FIRST 64 /* names told ahead that need not be used */
#define CREDIT_MAX   512
#define CREDIT_USE   2  /* what is used pays for so many more */
#define OPENS_WORTH  4  /* of the credit for opens: for fewer it is not begun */
#define OPENS_RETRY  32 /* opens that were asked for are one more */

bool name_prepare(struct task *t, const struct path *p, size_t copy_max, struct platform_name *n)
{
    bool held = stamps_hold(n->since, n->deps, NAME_DEPS);
    n->open = (uint8_t)lease_open_prepare(t, p, n->hash, copy_max);
    n->since = held ? g_last_stamp : n->since; /* preparing stamps, but changes nothing of this */
    return n->open > 0;
}

/* --- what comes next --- */

static struct stream *stream_of(struct name_table *table, const struct dentry *dir, int dirfd,
                                bool opens, bool *out_new)
{
    *out_new = false;
    for (size_t i = 0; i < STREAMS; i++) {
        struct stream *s = &table->streams[i];
        if (s->dir == dir && s->dirfd == dirfd && s->opens == opens) {
            return s;
        }
    }
    struct stream *s = &table->streams[table->next_stream++ % STREAMS];
    *s = (struct stream){.dir = dir, .dirfd = dirfd, .opens = opens};
    *out_new = true;
    return s;
}

/* now: the guest's word, of which we have seen *seen. */
static unsigned earned(uint32_t now, uint32_t *seen)
{
    uint32_t more = MIN(now - *seen, (uint32_t)CREDIT_MAX) * CREDIT_USE;
    *seen = now;
    return more;
}

static void earn(struct name_table *table)
{
    const volatile struct platform_names *page = table->page;
    table->credit += earned(page->ahead_uses, &table->uses_seen);
    table->credit = MIN(table->credit, (unsigned)CREDIT_MAX);
    table->open_credit += earned(page->ahead_opens, &table->opens_seen);
    table->open_credit = MIN(table->open_credit, (unsigned)CREDIT_MAX);
}

bool names_opens_in_order(struct name_table *table)
{
    earn(table);
    table->open_credit += ++table->open_trips % OPENS_RETRY == 0;
    return table->open_credit >= OPENS_WORTH;
}

static uint64_t hash_of(const struct name *name)
{
    return hash_bytes(name->text, name->size, 0) | 1;
}

/* Notes which names may come next: the first of those in text, or of what is opened one of the first. */
static void expect(const struct stream *s, uint64_t near[NEAR], const char *text, size_t count)
{
    for (size_t i = 0; i < NEAR; i++) {
        bool is_one = i < count && (i == 0 || s->opens);
        size_t size = is_one ? strlen(text) : 0;
        near[i] = is_one ? hash_of(&(struct name){text, size}) : 0;
        text += is_one ? size + 1 : 0;
    }
}

static bool is_in(const uint64_t near[NEAR], uint64_t name)
{
    bool found = false;
    for (size_t i = 0; i < NEAR; i++) {
        found |= near[i] == name;
    }
    return found;
}

/* Whoever goes through dir's files and opens them is about to open name: that tells what comes then. */
static bool opens_next(const struct name_table *table, const struct dentry *dir, int dirfd,
                       uint64_t name)
{
    for (size_t i = 0; i < STREAMS; i++) {
        const struct stream *s = &table->streams[i];
        if (s->dir == dir && s->dirfd == dirfd && s->opens && s->window > 0) {
            return is_in(s->expected, name);
        }
    }
    return false;
}

/* How many names to tell after one that had to be asked for. */
static unsigned window_for(struct name_table *table, struct stream *s, bool is_new, uint64_t name)
{
    unsigned window = 0, max = WINDOW_MAX;
    earn(table);
    if (s->opens) {
        max = table->open_credit < OPENS_WORTH ? 0 : MIN(table->open_credit, (unsigned)OPENS_MAX);
    }
    if (is_in(s->expected, name) || is_in(s->next, name)) {
        window = MIN(MAX(2 * s->window, (unsigned)WINDOW_FIRST), max);
        table->credit = MAX(table->credit, (unsigned)CREDIT_FIRST);
    } else if (is_new) {
        window = MIN(MIN(table->credit, (unsigned)WINDOW_HABIT), max);
    }
    table->credit -= MIN(table->credit, window);
    table->open_credit -= s->opens ? window : 0;
    return window;
}

enum told { TOLD, PASSED, TOLD_ALL };

/* Where names are told of, and what all their entries have. */
struct place {
    struct mount *mnt;
    struct dentry *dir;        /* locked; both borrowed */
    struct platform_name like; /* but for the name's own stamp */
    const char *text;          /* what stands before each name, prefix bytes */
    size_t prefix;
    bool follow; /* links, in the call that led here */
};

/*
 * Return: PASSED, it is none of those that are told; TOLD_ALL, it could not be prepared to be opened. Context: may block for locks
 * of lower directories.
 */
static enum told keep_one(struct task *t, struct name_table *table, const struct place *at,
                          const struct name *name, bool opens)
{
    struct platform_name n = at->like;
    AUTO_PUT(dentry) d = NULL;
    if (dentry_lookup_locked(at->dir, name, &d) < 0 || t->mm->names != table || t->must_exit ||
        table->creds_differ || !d->inode || d->mount_count > 0 ||
        (opens && !S_ISREG(d->inode->mode) && !S_ISDIR(d->inode->mode))) {
        return PASSED;
    }
    bool link = S_ISLNK(d->inode->mode);
    n.deps[3] = stamp_of_name(at->dir->inode, name->text, name->size);
    const struct path p = {.mnt = at->mnt, .dentry = d};
    n.flags = (n.flags & NAME_ACCESS) | NAME_AHEAD;
    n.may = n.no_label = n.no_acl = 0;
    n.classes = link ? NAME_NOFOLLOW : NAME_FOLLOW | NAME_NOFOLLOW;
    if ((link && at->follow) || !name_set_path(&n, at->text, at->prefix, name) ||
        !name_describe(t, &p, &n)) {
        return opens ? TOLD_ALL : PASSED;
    }
    n.open = (uint8_t)lease_open_known(t, d->inode, n.hash);
    bool habit = table->uses_seen >= USES_HABIT, file = S_ISREG(d->inode->mode);
    if (opens && file && !n.open && !name_prepare(t, &p, habit ? COPY_NEXT : 0, &n)) {
        return TOLD_ALL;
    }
    name_keep(table, &n);
    return opens && !file ? PASSED
                          : TOLD; /* who walks a tree asks for a directory's attributes first */
}

/* Context: may block for locks of lower directories. */
static void tell_names(struct task *t, struct name_table *table, struct stream *s,
                       const struct platform_name *like, const struct name_lookup *l,
                       const struct path *p, size_t prefix, unsigned window, const char *at,
                       size_t count)
{
    struct dentry *dir = p->dentry->parent;
    const struct place place = {.mnt = p->mnt,
                                .dir = dir,
                                .like = *like,
                                .text = l->text,
                                .prefix = prefix,
                                .follow = l->follow};
    const bool opens = s->opens;
    unsigned told = 0;
    s->window = window;
    memset(s->expected, 0, sizeof(s->expected));
    kmutex_lock(&dir->inode->lock);
    while (count > 0 && told < window && t->mm->names == table) {
        const struct name next = {at, strlen(at)};
        enum told how = keep_one(t, table, &place, &next, opens);
        if (how == TOLD_ALL) {
            break;
        }
        told += !(opens && how == PASSED);
        at += next.size + 1;
        count--;
    }
    if (t->mm->names == table) {
        expect(s, s->expected, at, count);
        table->credit += opens ? window - told : 0; /* it was not the process's fault */
        table->open_credit += opens ? window - told : 0;
    }
    kmutex_unlock(&dir->inode->lock);
    if (opens && told > 0) {
        lease_open_offer(t);
    }
}

void names_look_ahead(struct task *t, struct name_table *table, const struct platform_name *like,
                      const struct name_lookup *l, const struct path *p, bool opens)
{
    struct dentry *dir = p->dentry->parent;
    const struct name name = {p->dentry->name, p->dentry->name_size};
    size_t size = strlen(l->text), prefix = size - name.size;
    if (l->trace.count != 1 || l->trace.last_link || !dir || p->dentry == p->mnt->root ||
        !dir->inode->ops->names_after || dir->inode->lock.owner || size < name.size ||
        memcmp(l->text + prefix, name.text, name.size) != 0 ||
        (prefix > 0 && l->text[prefix - 1] != '/')) {
        return;
    }
    if (inode_permission(dir->inode, t->cred, MAY_READ) < 0) {
        return; /* its names are nothing that the process may know */
    }
    bool is_new;
    struct stream *s = stream_of(table, dir, (int)like->dirfd, opens, &is_new);
    bool opened_next = !opens && opens_next(table, dir, (int)like->dirfd, hash_of(&name));
    unsigned window = opened_next ? 0 : window_for(table, s, is_new, hash_of(&name));
    char few[NAME_MAX + 1];
    AUTO_FREE char *several = window > 0 ? malloc(AHEAD_BYTES) : NULL;
    char *names = several ? several : few;
    window = several ? window : 0;
    size_t count =
        dir->inode->ops->names_after(dir->inode, &name, names, several ? AHEAD_BYTES : sizeof(few),
                                     (size_t)window + (opens ? NEAR : 1));
    expect(s, s->next, names, count);
    if (name_is_keyed(like)) {
        table->lists_score = MIN(table->lists_score + 1, SCORE_MAX);
        bool file = opens && S_ISREG(p->dentry->inode->mode);
        table->opens_score = MIN(table->opens_score + (file && is_new), SCORE_MAX);
    }
    if (opens && t->mm->leases) {
        t->mm->leases->reads_opened = window > 0 && table->uses_seen >= USES_HABIT;
    }
    if (window > 0 && opens && p->dentry->inode->ops->open_more) {
        p->dentry->inode->ops->open_more(p->dentry->inode);
        if (t->mm->names != table) {
            return;
        }
    }
    if (window > 0) { /* else one of those told ahead was pushed out, or this is the first */
        tell_names(t, table, s, like, l, p, prefix, window, names, count);
    }
}

/* --- what comes first --- */

/* The type of the entry with that name, of those from *at on; DT_UNKNOWN: there is none. */
static uint8_t type_of(const struct dirents *entries, size_t *at, const char *name)
{
    while (*at < entries->size) {
        struct dirent64 e;
        memcpy(&e, entries->bytes + *at, offsetof(struct dirent64, d_name));
        const char *is = entries->bytes + *at + offsetof(struct dirent64, d_name);
        *at += e.d_reclen;
        if (strcmp(is, name) == 0) {
            return e.d_type;
        }
    }
    return DT_UNKNOWN;
}

/*
 * Of the count names: directories, and first files to be opened, so many of each. Return: the last of those, or NULL. Context: as
 * keep_one.
 */
static const char *tell_first(struct task *t, struct name_table *table, const struct place *at,
                              const struct dirents *entries, const char *name, size_t count,
                              unsigned window)
{
    const unsigned files_max = MIN(window, table->open_credit);
    bool opens = table->opens_score > 0 && files_max > 0, is_new;
    const char *last = NULL;
    unsigned files = 0, directories = 0;
    size_t entry = 0;
    for (; count > 0 && t->mm->names == table && files < window; count--) {
        const struct name next = {name, strlen(name)};
        uint8_t type = type_of(entries, &entry, name);
        if (type == DT_DIR && directories < window) {
            directories += keep_one(t, table, at, &next, false) == TOLD;
        } else if (type == DT_REG && opens) {
            enum told how = keep_one(t, table, at, &next, true);
            files += how == TOLD;
            last = how == TOLD ? name : last;
            opens = how != TOLD_ALL && files < files_max;
        }
        name += next.size + 1;
    }
    if (t->mm->names != table) {
        return NULL;
    }
    if (files > 0) {
        struct stream *s = stream_of(table, at->dir, (int)at->like.dirfd, true, &is_new);
        s->window = files;
        expect(s, s->expected, name, count);
        lease_open_offer(t);
    }
    table->listed = files + directories;
    table->credit -= MIN(table->credit, table->listed);
    table->open_credit -= MIN(table->open_credit, files);
    return last;
}

void names_list(struct task *t, const struct path *p, uint32_t key, uint64_t since,
                const struct dirents *entries)
{
    struct name_table *table = t->mm->names;
    struct inode *dir = p->dentry->inode;
    if (!table || table->creds_differ || names_are_foreign(t) || !dir->ops->names_after ||
        dir->lock.owner || inode_permission(dir, t->cred, MAY_READ | MAY_EXEC) < 0) {
        return;
    }
    uint32_t used = *(volatile uint32_t *)&table->page->ahead_uses - table->uses_seen;
    if (table->listed > 0) {
        int more = 2 * used >= table->listed ? 1 : -1;
        table->opens_score = MAX(MIN(table->opens_score + more, SCORE_MAX), 0);
        table->lists_score = MAX(MIN(table->lists_score + more, SCORE_MAX), 0);
    }
    earn(table);
    table->listed = 0;
    unsigned window = table->lists_score > 0 ? MIN(table->credit, (unsigned)WINDOW_HABIT) : 0;
    AUTO_FREE char *names = window > 0 ? malloc(AHEAD_BYTES) : NULL;
    size_t count = names ? dir->ops->names_after(dir, NULL, names, AHEAD_BYTES, LISTED_MAX) : 0;
    if (count == 0) {
        return;
    }
    struct place at = {.mnt = p->mnt, .dir = p->dentry, .text = ""};
    at.like = (struct platform_name){.since = since, .dirfd = key};
    at.like.flags = names_cred_is_real(t->cred) ? NAME_ACCESS : 0;
    at.like.deps[2] = stamp_of_id(t->fs->root_stamp);
    kmutex_lock(&dir->lock);
    const char *last = tell_first(t, table, &at, entries, names, count, window);
    AUTO_PUT(dentry) d = NULL;
    int r =
        last ? dentry_lookup_locked(p->dentry, &(struct name){last, strlen(last)}, &d) : -ENOENT;
    kmutex_unlock(&dir->lock);
    if (r == 0 && d->inode && d->inode->ops->open_more) {
        d->inode->ops->open_more(d->inode);
    }
}
