/*
 * Kept lookups (platform/names_page.h): what a path's attributes are, or that there is no such name, as the guest's side
 * may answer it from then on without a trip.
 *
 * An answer holds as long as its stamps do (sentry/vfs/stamp.h): that of the file, of each name or link that decided, of the fd or working directory where the walk began, of the root. Who asks is not in the key.
 * So a table is for tasks with the same fds, root, working directory and credentials: others that share
 * the memory ask (PLATFORM_ASK_NAMES), and a change of credentials empties it. Only file systems are in it that nobody
 * else changes (SB_STEADY), and no file that some process writes without telling us: with a lease, or a mapping.
 *
 * What a process will probably ask next is put there, too: names_ahead.c.
 */
#include "sentry/task/names_internal.h"

#include <errno.h>
#include <string.h>

#include "platform/platform.h"
#include "sentry/task/lease_internal.h"
#include "sentry/task/ptrace.h"
#include "sentry/vfs/dcache.h"
#include "sentry/vfs/fdtable.h"
#include "sentry/vfs/stamp.h"

#define WORTH_IT 8 /* lookups of a process: keeping costs pages */
#define OPENS_WORTH_IT                                                                             \
    20 /* the same, if the last one was an open: programs open some files when they start */
#define SETS_FEW       3           /* of a program that looks up what its loader does: one page */
#define SETS_FIRST     12          /* a table that is hardly used stays on few pages */
#define KEPT_FIRST     32          /* ... until so many were kept */
#define COPY_AGAIN     (64u << 10) /* ... when it was opened before */
#define SMALL_MAX      (16 << 10)  /* bytes of a memory file that is prepared when it is opened, */
#define SMALL_HABIT    6           /* ... after so many, */
#define ASTRAY         4           /* opens in a row that had not been prepared */
#define ASTRAY_RETRY   32          /* the same, until that is tried again */
#define SMALL_TIRED    64          /* ... or so many more, when that failed */
#define RETRY_INTERVAL 64          /* lookups until credentials that differed are compared again */

_Static_assert(sizeof(struct stamps) == sizeof(struct platform_stamps) &&
                   offsetof(struct stamps, of) == offsetof(struct platform_stamps, of),
               "the platform shows them as they are");
_Static_assert(2 + TRACE_NAMES < NAME_DEPS, "room for the file's, the start's and the root's");
_Static_assert(MAY_READ == R_OK && MAY_WRITE == W_OK && MAY_EXEC == X_OK, "platform_name.may");

void names_begin(struct name_lookup *l)
{
    l->trace = (struct walk_trace){.since = g_last_stamp};
}

/* --- for whom --- */

bool names_are_foreign(const struct task *t)
{
    const struct name_table *table = t->mm ? t->mm->names : NULL;
    return t->tg->vm_borrowed ||
           (table && (table->files != fd_table_id(t->files) || table->fs != t->fs->cwd_stamp));
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

struct name_table *names_table_make(struct task *t, unsigned count)
{
    struct platform_lease_page *page = platform_lease_page(t->mm->space);
    struct platform_stamps *stamps = platform_stamps();
    struct name_table *table = NULL;
    if (page && stamps && !t->mm->names && all_alike(t) && (table = calloc(1, sizeof(*table)))) {
        stamps_start((struct stamps *)stamps);
        table->page = &page->names;
        table->files = fd_table_id(t->files);
        table->fs = t->fs->cwd_stamp;
        table->open_credit = OPENS_FIRST;
        table->sets = count <= SETS_FEW * 2 ? SETS_FEW : SETS_FIRST;
        table->room = count <= SETS_FEW * 2 ? SETS_FEW * 3 : KEPT_FIRST;
        if (count > SETS_FIRST) {
            table->sets = MIN((unsigned)NAME_SETS_MAX, count + SETS_FIRST / 2);
            table->room = table->sets * 3;
        }
        t->mm->names = table;
    }
    return table;
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
    if (!names_table_make(t, SETS_FIRST)) {
        mm->name_heat = 0;
    }
    return NULL; /* the next lookup begins with stamps being given */
}

void names_cred_changed(struct task *t)
{
    struct name_table *table = t->mm ? t->mm->names : NULL;
    if (t->mm) {
        names_program_ends(t->mm);
    }
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

bool name_describe(const struct task *t, const struct path *p, struct platform_name *n)
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

bool name_set_path(struct platform_name *n, const char *text, size_t prefix,
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
unsigned name_keep(struct name_table *table, const struct platform_name *n)
{
    if (++table->kept > table->room && table->sets < NAME_SETS_MAX) {
        bool few = table->sets < SETS_FIRST;
        table->sets = few ? SETS_FIRST : NAME_SETS_MAX;
        table->room = few ? KEPT_FIRST : UINT32_MAX;
        names_forget_told(table);
    }
    uint32_t sets = table->sets;
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
    unsigned slot = set * NAME_WAYS + way;
    if (table->told[slot]) {
        table->told[slot] = 0;
        __atomic_fetch_and(&table->page->used[slot / 64], ~(1UL << slot % 64), __ATOMIC_RELAXED);
    }
    return slot;
}

/* n, p's name, was opened. If that happens again and again, the process may do it by itself. */
static void open_again(struct task *t, struct name_table *table, const struct platform_name *as,
                       const struct path *p)
{
    struct platform_name again = *as, *n = &again;
    for (size_t i = 0; i < REOPENED; i++) {
        if (table->opened[i] == n->hash) {
            if (p->mnt && p->dentry->inode->i_flags & INODE_FROZEN && name_describe(t, p, n) &&
                (n->open = (uint8_t)lease_open_prepare(t, p, n->hash, COPY_AGAIN)) > 0) {
                name_keep(table, n);
                lease_open_offer(t);
            }
            return;
        }
    }
    table->opened[table->next_opened++ % REOPENED] = n->hash;
}

/* Where and for whom l is an answer. */
static struct platform_name answer_of(struct task *t, const struct name_lookup *l, int result,
                                      const struct path *p)
{
    bool link = result == 0 && S_ISLNK(p->dentry->inode->mode), absolute = l->text[0] == '/';
    struct platform_name n = {
        .since = l->trace.since,
        .dirfd = absolute ? (uint32_t)AT_FDCWD : lease_directory_key(t, l->dirfd),
        .flags = (result < 0 ? NAME_ABSENT : 0) | (names_cred_is_real(t->cred) ? NAME_ACCESS : 0),
    };
    n.classes = link                              ? NAME_NOFOLLOW
                : l->follow && l->trace.last_link ? NAME_FOLLOW
                                                  : NAME_FOLLOW | NAME_NOFOLLOW;
    n.deps[0] = result < 0 ? l->trace.missing : 0; /* else the file's */
    n.deps[1] = absolute || name_is_keyed(&n)   ? 0
                : n.dirfd == (uint32_t)AT_FDCWD ? stamp_of_id(t->fs->cwd_stamp)
                                                : stamp_of_fd(fd_table_id(t->files), (int)n.dirfd);
    n.deps[2] = stamp_of_id(t->fs->root_stamp);
    memcpy(n.deps + 3, l->trace.names, sizeof(l->trace.names));
    return n;
}

static bool complete(struct task *t, const struct name_lookup *l, int result, const struct path *p,
                     enum name_use use, struct platform_name *n)
{
    const struct name all = {l->text, strlen(l->text)};
    if (!name_set_path(n, l->text, 0, &all) ||
        (result == 0 && (!p->mnt || !name_describe(t, p, n)))) {
        return false;
    }
    n->open = result == 0 ? (uint8_t)lease_open_known(t, p->dentry->inode, n->hash) : 0;
    if (result == 0 && use == NAME_USE_ACCESS) {
        for (int may = MAY_EXEC; may <= MAY_READ; may *= 2) {
            n->may |= vfs_access(p, t->cred, may) == 0 ? (uint8_t)may : 0;
        }
    }
    return true;
}

bool name_answer(struct task *t, const struct name_lookup *l, int result, const struct path *p,
                 enum name_use use, struct platform_name *n)
{
    *n = answer_of(t, l, result, p);
    return complete(t, l, result, p, use, n);
}

/* p was opened. alone: what comes next is not known from elsewhere. */
static void opened(struct task *t, struct name_table *table, const struct name_lookup *l,
                   const struct path *p, bool alone)
{
    bool frozen = p->dentry->inode->i_flags & INODE_FROZEN;
    bool again = !frozen && table->last_opened == p->dentry;
    table->last_opened = p->dentry;
    if (again) {
        return; /* that tells nothing of what comes next */
    }
    if (!names_opens_in_order(table) && !frozen) {
        if (!names_program_starts(t->mm)) {
            lease_open_retract(t);
        }
        return;
    }
    const struct name all = {l->text, strlen(l->text)};
    struct platform_name n = answer_of(t, l, 0, p);
    if (name_set_path(&n, l->text, 0, &all)) {
        open_again(t, table, &n, p);
    }
    if (alone) {
        names_look_ahead(t, table, &n, l, p, true);
    }
}

/* Whether the process did open the last one by itself. */
static bool opened_itself(struct name_table *table)
{
    unsigned slot = table->redone - 1;
    table->redone = 0;
    return __atomic_load_n(&table->page->used[slot / 64], __ATOMIC_RELAXED) >> slot % 64 & 1;
}

/* Whether to prepare what lies behind what it opens is better: it has credit for it, and has used some since the last time. */
static bool opens_ahead(struct name_table *table)
{
    bool in_order = names_opens_in_order(table);
    table->astray = table->opens_seen == table->opens_then ? table->astray + 1 : 0;
    table->opens_then = table->opens_seen;
    return in_order && (table->astray < ASTRAY || table->astray % ASTRAY_RETRY == 0);
}

/*
 * Who opens one small memory file after the other, in no order, is given each as a prepared one: then what it does to the file
 * needs no trip, be it reading, mapping it, or closing it and opening it again (git does all of that to its objects).
 */
bool names_prepare_open(struct task *t, const struct name_lookup *l, const struct path *p)
{
    struct name_table *table = t->mm->names;
    struct inode *inode = p->dentry->inode;
    if (!table || inode->i_flags & INODE_FROZEN || !S_ISREG(inode->mode) || inode->size <= 0 ||
        inode->size > SMALL_MAX || !p->mnt || l->trace.unsteady || table->creds_differ ||
        names_are_foreign(t) || task_traced(t)) {
        return false;
    }
    if (table->redone && !opened_itself(table)) {
        table->small_opens = -SMALL_TIRED;
    }
    bool ahead = opens_ahead(table);
    if (++table->small_opens < SMALL_HABIT || ahead) {
        return false;
    }
    struct platform_name n;
    notes_give_way(inode);
    if (!name_answer(t, l, 0, p, NAME_USE_OPEN, &n) ||
        (!n.open && !name_prepare(t, p, SMALL_MAX, &n))) {
        return false;
    }
    n.flags |= NAME_FIRST;
    unsigned slot = name_keep(table, &n);
    __atomic_fetch_and(&table->page->used[slot / 64], ~(1UL << slot % 64), __ATOMIC_RELAXED);
    lease_open_offer(t);
    table->redone = slot + 1;
    return true;
}

static void keep(struct task *t, struct name_table *table, const struct name_lookup *l, int result,
                 const struct path *p, enum name_use use, bool alone)
{
    table->wants_xattrs |= use == NAME_USE_XATTR;
    if (result == 0) {
        notes_give_way(p->dentry->inode);
    }
    struct platform_name n;
    if (name_answer(t, l, result, p, use, &n)) {
        name_keep(table, &n);
        if (result == 0 && alone) {
            names_look_ahead(t, table, &n, l, p, false);
        }
    }
}

void names_keep(struct task *t, const struct name_lookup *l, int result, const struct path *p,
                enum name_use use)
{
    if (l->trace.unsteady || (result < 0 && result != -ENOENT) || t->must_exit || !t->mm) {
        return;
    }
    bool expected;
    unsigned known = names_learn(t, l, use, &expected);
    bool opens = use == NAME_USE_OPEN, failed = opens && result < 0;
    struct name_table *table = failed ? NULL : table_of(t, opens);
    if (table && opens) {
        opened(t, table, l, p, !expected);
    } else if (table) {
        keep(t, table, l, result, p, use, !expected);
    }
    if (known && !t->must_exit) {
        names_go_on(t, known);
    }
}
