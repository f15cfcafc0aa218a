/*
 * Kept lookups (platform/names_page.h): what a path's attributes are, or that there is no such name, as the guest's side
 * may answer it from then on without a trip.
 *
 * An answer holds as long as its stamps do (sentry/vfs/stamp.h): that of the file, of each directory in which a name
 * or a link decided, of the fd or working directory where the walk began, of the root. Who asks is not in the key.
 * So a table is for tasks with the same fds, root, working directory and credentials: others that share
 * the memory ask (PLATFORM_ASK_NAMES), and a change of credentials empties it. Only file systems are in it that nobody
 * else changes (SB_STEADY), and no file that some process writes without telling us: with a lease, or a mapping.
 *
 * A program that goes through a directory (ls -l, git status) asks for name after name in the directory's order. When it
 * does, what it will ask next is put there, too: 8 names, 16, 32 ... Once that was of use, a directory's first name brings others at once,
 * on a credit that shrinks with what was told and grows with what was used of it. What is told ahead is
 * never asked of the gofer, and counts from the same stamp as the lookup that led to it. Who gets the entries of a directory with its open
 * (lease_directory.c) gets the first of those names with them.
 */
#include "sentry/task/names.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/hash.h"
#include "platform/platform.h"
#include "sentry/task/lease_internal.h"
#include "sentry/vfs/dcache.h"
#include "sentry/vfs/fdtable.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/stamp.h"

#define WORTH_IT 8 /* lookups of a process: keeping costs pages */
#define OPENS_WORTH_IT                                                                             \
    20 /* the same, if the last one was an open: programs open some files when they start */
#define SETS_FIRST     12 /* a table that is hardly used stays on few pages */
#define KEPT_FIRST     32 /* ... until so many were kept */
#define STREAMS        8
#define WINDOW_FIRST   8
#define WINDOW_HABIT   16 /* of a process that goes through directories */
#define WINDOW_MAX     64
#define OPENS_MAX      32 /* the same, of names that are prepared to be opened */
#define REOPENED       8  /* a name that is opened again before so many others is prepared */
#define USES_HABIT     8  /* of names told ahead: the process goes through files, and reads them */
#define COPY_NEXT      LEASE_ROOM  /* bytes of a file that is copied ahead, */
#define COPY_AGAIN     (64u << 10) /* ... when it was opened before */
#define NEAR           4 /* names that may be passed over by who opens files: there are other things, too */
#define AHEAD_BYTES    8192
#define LISTED_MAX     64 /* entries of a directory, looked at when it is opened */
#define SCORE_MAX      4
#define CREDIT_FIRST   64 /* names told ahead that need not be used */
#define CREDIT_MAX     512
#define CREDIT_USE     2  /* what is used pays for so many more */
#define OPENS_FIRST    16 /* the same for what is prepared to be opened, which costs more */
#define OPENS_WORTH    4  /* of that credit: for fewer it is not begun */
#define OPENS_RETRY    32 /* opens that were asked for are one more */
#define RETRY_INTERVAL 64 /* lookups until credentials that differed are compared again */

_Static_assert(sizeof(struct stamps) == sizeof(struct platform_stamps) &&
                   offsetof(struct stamps, of) == offsetof(struct platform_stamps, of),
               "the platform shows them as they are");
_Static_assert(2 + TRACE_DIRS < NAME_DEPS, "room for the file's, the start's and the root's");
_Static_assert(MAY_READ == R_OK && MAY_WRITE == W_OK && MAY_EXEC == X_OK, "platform_name.may");

/* A directory that a process goes through. */
struct stream {
    const struct dentry *dir; /* borrowed, only compared */
    int dirfd;
    bool opens;              /* its files are opened */
    uint64_t next[NEAR];     /* hashes of names that come after the last one asked for; 0: none */
    uint64_t expected[NEAR]; /* ... after those that were told ahead */
    unsigned window;         /* how many those were, the last time */
};

struct name_table {
    struct platform_names *page;
    const struct fd_table *files; /* borrowed, only compared: whose fds ... */
    const struct fs_context *fs;  /* ... root and working directory they begin at */
    uint32_t seq, kept;
    bool creds_differ; /* perhaps */
    unsigned retry;
    bool wants_xattrs; /* the process asks for them */
    unsigned credit;
    uint32_t uses_seen; /* of page->ahead_uses */
    int lists_score;    /* > 0: it asks for names that begin at directories that it reads */
    int opens_score;    /* the same, and opens them */
    unsigned listed;    /* names that were told with the last directory */
    unsigned open_credit, open_trips;
    uint32_t opens_seen; /* of page->ahead_opens */
    unsigned next_stream;
    struct stream streams[STREAMS];
    uint32_t opened[REOPENED]; /* hashes of names that were opened last */
    unsigned next_opened;
    uint8_t next_way[NAME_SETS_MAX];
    uint32_t keys[NAME_SETS_MAX][NAME_WAYS]; /* what lies where, roughly */
};

void names_begin(struct name_lookup *l)
{
    l->trace = (struct walk_trace){.since = g_last_stamp};
}

/* --- for whom --- */

bool names_are_foreign(const struct task *t)
{
    const struct name_table *table = t->mm ? t->mm->names : NULL;
    return t->tg->vm_borrowed || (table && (table->files != t->files || table->fs != t->fs));
}

/* All that live in t's address space are threads of its process, and alike. */
static bool all_alike(const struct task *t)
{
    const struct task *other;
    if (t->tg->vm_borrowed || t->mm->ref.n != (uint32_t)t->tg->live_threads) {
        return false;
    }
    list_for_each_entry (other, &t->tg->threads, group_link) {
        if (other->mm && (other->files != t->files || other->fs != t->fs ||
                          (other->cred != t->cred && !cred_same(other->cred, t->cred)))) {
            return false;
        }
    }
    return true;
}

/* Whether something can be kept for t; opens: because it opened a file. */
static struct name_table *table_of(struct task *t, bool opens)
{
    struct mm *mm = t->mm;
    struct name_table *table = mm->names;
    if (table) {
        if (table->creds_differ && table->retry++ % RETRY_INTERVAL == 0) {
            table->creds_differ = !all_alike(t);
        }
        return table->creds_differ || names_are_foreign(t) ? NULL : table;
    }
    if (++mm->name_heat < (opens ? OPENS_WORTH_IT : WORTH_IT)) {
        return NULL;
    }
    struct platform_lease_page *page = platform_lease_page(mm->space);
    struct platform_stamps *stamps = platform_stamps();
    if (!page || !stamps || !all_alike(t)) {
        mm->name_heat = 0;
        return NULL;
    }
    stamps_start((struct stamps *)stamps);
    table = mm->names = calloc(1, sizeof(*table));
    if (table) {
        table->page = &page->names;
        table->files = t->files;
        table->fs = t->fs;
        table->open_credit = OPENS_FIRST;
    }
    return NULL; /* the next lookup begins with stamps being given */
}

void names_cred_changed(struct task *t)
{
    struct name_table *table = t->mm ? t->mm->names : NULL;
    if (!table) {
        return;
    }
    for (uint32_t i = 0; table->kept > 0 && i < NAME_SETS_MAX * NAME_WAYS; i++) {
        struct platform_name *n = &table->page->kept[i / NAME_WAYS][i % NAME_WAYS];
        table->seq += 2;
        __atomic_store_n(&n->seq, table->seq - 1, __ATOMIC_SEQ_CST);
        memset(&n->hash, 0, sizeof(*n) - offsetof(struct platform_name, hash));
        __atomic_store_n(&n->seq, table->seq, __ATOMIC_SEQ_CST);
    }
    memset(table->keys, 0, sizeof(table->keys));
    table->kept = 0;
    table->creds_differ = true; /* until all threads have followed */
    table->retry = 0;
}

/* --- one name --- */

bool names_cred_is_real(const struct cred *c)
{
    uint64_t real = c->uid == 0 ? c->cap_permitted : 0;
    return c->uid == c->fsuid && c->gid == c->fsgid &&
           (c->securebits & 4 /* SECBIT_NO_SETUID_FIXUP */ || c->cap_effective == real);
}

/* Does the kernel hear of whatever changes it? */
static bool is_steady(const struct inode *inode)
{
    const struct file_lease *l;
    if (!(inode->sb->flags & SB_STEADY) || inode->i_flags & INODE_UNSTEADY ||
        (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode))) {
        return false;
    }
    list_for_each_entry (l, &inode->leases, inode_link) {
        if (l->writes) {
            return false;
        }
    }
    return true;
}

static void set_time(struct platform_name *n, int i, int64_t ns)
{
    int64_t rest = ns % NSEC_PER_SEC;
    rest += rest < 0 ? NSEC_PER_SEC : 0;
    n->seconds[i] = (ns - rest) / NSEC_PER_SEC;
    n->nanoseconds[i] = (uint32_t)rest;
}

static void set_xattrs(struct platform_name *n, struct inode *inode)
{
    const struct inode_ops *ops = inode->ops;
    if (ops->getxattr && ops->lacks_xattrs && ops->lacks_xattrs(inode)) {
        ssize_t label = ops->getxattr(inode, "security.selinux", NULL, 0);
        ssize_t acl = ops->getxattr(inode, "system.posix_acl_access", NULL, 0);
        n->no_label = label < 0 ? (uint8_t)-label : 0;
        n->no_acl = acl < 0 ? (uint8_t)-acl : 0;
    }
}

/* Return: false when it can't be kept. */
static bool describe(const struct task *t, const struct path *p, struct platform_name *n)
{
    struct inode *inode = p->dentry->inode;
    struct stat st;
    if (!is_steady(inode) || lease_touches_elsewhere(t->mm->leases, inode) ||
        vfs_stat_leased(p, &st) < 0) {
        return false;
    }
    n->deps[0] = stamp_of_inode(inode);
    n->dev = st.st_dev;
    n->ino = st.st_ino;
    n->size = (uint64_t)st.st_size;
    n->blocks = (uint64_t)st.st_blocks;
    n->mode = st.st_mode;
    n->nlink = (uint32_t)st.st_nlink;
    n->uid = st.st_uid;
    n->gid = st.st_gid;
    n->blksize = (uint32_t)st.st_blksize;
    set_time(n, 0, inode->atime_ns);
    set_time(n, 1, inode->mtime_ns);
    set_time(n, 2, inode->ctime_ns);
    set_time(n, 3, inode->btime_ns);
    n->flags |= inode->btime_ns ? NAME_HAS_BTIME : 0;
    n->flags |= p->dentry == p->mnt->root ? NAME_MOUNT_ROOT : 0;
    n->mount_id = (uint32_t)p->mnt->id;
    if (t->mm->names->wants_xattrs) {
        set_xattrs(n, inode);
    }
    return true;
}

/* None of what n depends on has changed since. */
static bool holds_now(const struct platform_name *n)
{
    bool holds = g_stamps->everything <= n->since;
    for (unsigned i = 0; i < NAME_DEPS; i++) {
        holds &= g_stamps->of[n->deps[i]] <= n->since;
    }
    return holds;
}

/* text, prefix bytes of it and then name. Return: false when it is too long. */
static bool set_path(struct platform_name *n, const char *text, size_t prefix,
                     const struct name *name)
{
    char path[NAME_WORDS * 8] = {0};
    size_t size = prefix + name->size;
    if (size >= sizeof(path)) {
        return false;
    }
    memcpy(path, text, prefix);
    memcpy(path + prefix, name->text, name->size);
    memcpy(n->path, path, sizeof(path));
    n->hash = platform_name_hash(n->path, (unsigned)size / 8 + 1, n->dirfd);
    return true;
}

/* Publishes n. Its words are ordered by the machine; the compiler must not move them out of between the marks. */
static void keep(struct name_table *table, const struct platform_name *n)
{
    uint32_t sets = ++table->kept > KEPT_FIRST ? NAME_SETS_MAX : SETS_FIRST;
    table->page->sets = sets; /* what lies elsewhere is not found any more */
    uint32_t set = platform_name_set(n->hash, sets), way;
    uint32_t key = n->hash ^ (uint32_t)n->classes << 30;
    for (way = 0; way < NAME_WAYS && table->keys[set][way] != key; way++) {
    }
    if (way == NAME_WAYS) {
        way = table->next_way[set]++ % NAME_WAYS;
    }
    table->keys[set][way] = key;
    struct platform_name *to = &table->page->kept[set][way];
    table->seq += 2;
    __atomic_store_n(&to->seq, table->seq - 1, __ATOMIC_SEQ_CST);
    memcpy(&to->hash, &n->hash, sizeof(*n) - offsetof(struct platform_name, hash));
    __atomic_store_n(&to->seq, table->seq, __ATOMIC_SEQ_CST);
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

/* Whether what it will open next may be worth telling, after it has asked for an open. */
static bool opens_in_order(struct name_table *table)
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
    struct dentry *dir; /* locked; both borrowed */
    struct platform_name like;
    const char *text; /* what stands before each name, prefix bytes */
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
        !d->inode || d->mount_count > 0 ||
        (opens && !S_ISREG(d->inode->mode) && !S_ISDIR(d->inode->mode))) {
        return PASSED;
    }
    bool link = S_ISLNK(d->inode->mode);
    const struct path p = {.mnt = at->mnt, .dentry = d};
    n.flags = (n.flags & NAME_ACCESS) | NAME_AHEAD;
    n.may = n.no_label = n.no_acl = 0;
    n.classes = link ? NAME_NOFOLLOW : NAME_FOLLOW | NAME_NOFOLLOW;
    if ((link && at->follow) || !set_path(&n, at->text, at->prefix, name) || !describe(t, &p, &n)) {
        return opens ? TOLD_ALL : PASSED;
    }
    n.open = (uint8_t)lease_open_known(t, d->inode, n.hash);
    bool habit = table->uses_seen >= USES_HABIT, file = S_ISREG(d->inode->mode);
    bool held = holds_now(&n);
    if (opens && file && !n.open &&
        !(n.open = (uint8_t)lease_open_prepare(t, &p, n.hash, habit ? COPY_NEXT : 0))) {
        return TOLD_ALL;
    }
    n.since = held ? g_last_stamp : n.since; /* preparing stamps, but changes nothing of this */
    keep(table, &n);
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

/* It begins at a leased directory. */
static bool is_keyed(const struct platform_name *n)
{
    return n->dirfd != (uint32_t)AT_FDCWD && n->dirfd & NAME_KEY;
}

static void look_ahead(struct task *t, struct name_table *table, const struct platform_name *like,
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
    if (is_keyed(like)) {
        table->lists_score = MIN(table->lists_score + 1, SCORE_MAX);
        table->opens_score = MIN(table->opens_score + (opens && is_new), SCORE_MAX);
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
    bool opens = table->opens_score > 0, is_new;
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
            opens = how != TOLD_ALL;
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
    at.like.deps[3] = stamp_of_names(dir);
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

/* n, p's name, was opened. If that happens again and again, the process may do it by itself. */
static void open_again(struct task *t, struct name_table *table, const struct platform_name *as,
                       const struct path *p)
{
    struct platform_name again = *as, *n = &again;
    for (size_t i = 0; i < REOPENED; i++) {
        if (table->opened[i] == n->hash) {
            if (p->mnt && p->dentry->inode->i_flags & INODE_FROZEN && describe(t, p, n) &&
                (n->open = (uint8_t)lease_open_prepare(t, p, n->hash, COPY_AGAIN)) > 0) {
                keep(table, n);
                lease_open_offer(t);
            }
            return;
        }
    }
    table->opened[table->next_opened++ % REOPENED] = n->hash;
}

void names_keep(struct task *t, const struct name_lookup *l, int result, const struct path *p,
                enum name_use use)
{
    if (l->trace.unsteady || (result < 0 && result != -ENOENT) || t->must_exit || !t->mm) {
        return;
    }
    struct name_table *table = table_of(t, use == NAME_USE_OPEN);
    if (!table) {
        return;
    }
    if (use == NAME_USE_OPEN && !opens_in_order(table) &&
        !(p->dentry->inode->i_flags & INODE_FROZEN)) {
        lease_open_retract(t);
        return;
    }
    const struct name all = {l->text, strlen(l->text)};
    bool link = result == 0 && S_ISLNK(p->dentry->inode->mode);
    struct platform_name n = {
        .since = l->trace.since,
        .dirfd = l->text[0] == '/' ? (uint32_t)AT_FDCWD : lease_directory_key(t, l->dirfd),
        .flags = (result < 0 ? NAME_ABSENT : 0) | (names_cred_is_real(t->cred) ? NAME_ACCESS : 0),
    };
    n.classes = link                              ? NAME_NOFOLLOW
                : l->follow && l->trace.last_link ? NAME_FOLLOW
                                                  : NAME_FOLLOW | NAME_NOFOLLOW;
    n.deps[1] = n.dirfd == (uint32_t)AT_FDCWD ? stamp_of_id(t->fs->cwd_stamp)
                : is_keyed(&n)                ? 0
                                              : stamp_of_fd(fd_table_id(t->files), (int)n.dirfd);
    n.deps[2] = stamp_of_id(t->fs->root_stamp);
    memcpy(n.deps + 3, l->trace.dirs, sizeof(l->trace.dirs));
    table->wants_xattrs |= use == NAME_USE_XATTR;
    if (use == NAME_USE_OPEN) {
        if (set_path(&n, l->text, 0, &all)) {
            open_again(t, table, &n, p);
        }
        look_ahead(t, table, &n, l, p, true);
        return;
    }
    if (result == 0) {
        notes_give_way(p->dentry->inode);
    }
    if (!set_path(&n, l->text, 0, &all) || (result == 0 && (!p->mnt || !describe(t, p, &n)))) {
        return;
    }
    n.open = result == 0 ? (uint8_t)lease_open_known(t, p->dentry->inode, n.hash) : 0;
    if (result == 0 && use == NAME_USE_ACCESS) {
        for (int may = MAY_EXEC; may <= MAY_READ; may *= 2) {
            n.may |= vfs_access(p, t->cred, may) == 0 ? (uint8_t)may : 0;
        }
    }
    keep(table, &n);
    if (result == 0) {
        look_ahead(t, table, &n, l, p, false);
    }
}
