/*
 * What a program looks up, start after start: told to its next process before it begins.
 *
 * A dynamic program looks for the same libraries each time, an interpreter for the same modules, a compiler for the same
 * headers, most of which are not where it looks first. So the sentry remembers for an executable file which names its processes asked
 * for, in their order. What came in two starts is looked up for the next one when it executes, as that process, with all checks, and kept for it
 * (names.c) or opened (lease_open.c). When it has to ask after all, that tells where in the order it is, and it gets what comes next.
 * Names in directories that were made in the sandbox are what a program works on, which is something else each time, or comes in an order
 * that names_ahead.c sees better: they are not remembered.
 *
 *      asked for in a start      the score goes up
 *      told and used             the same; the process's side notes which entries it used
 *      told and not used         the score goes down, and below SCORE_TELL the name is not told any more
 *
 * A record is for one file, one set of credentials, and one root; set-id programs and those that may not be looked into have none. So the names that
 * it shows one process are names that another one asked for which the first might have traced; what is said about them is looked
 * up anew. Whether an entry was used is the process's word: a lie costs those that it could also kill some time.
 */
#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "sentry/task/lease_internal.h"
#include "sentry/task/names_internal.h"
#include "sentry/task/ptrace.h"
#include "sentry/vfs/stamp.h"

#define PROGRAMS_MAX 64
#define NAMES_FIRST  32
#define NAMES_MAX    768
#define TRIPS_MAX                                                                                  \
    768 /* of a process, that are learned from: what comes then is its work, and not its start */
#define TRIPS_START                                                                                \
    64 /* so many trips a start takes, about: its files are opened ahead, whatever it opened so far */
#define SCORE_TELL        2
#define SCORE_MAX         5
#define IDLE_STARTS       4 /* a name of little score that was not asked for in so many makes room */
#define WINDOW            64          /* names that are told ahead, */
#define WINDOW_OPENS      24          /* ... and of them to be opened: there are 32 places */
#define ASKS_FDS          4           /* questions */
#define READS_DIRECTORIES 3           /* that were opened */
#define LOOKS_MAX         256         /* names that are passed over */
#define COPY_MAX          (64u << 10) /* a larger file's bytes cost more to copy than a trip */

struct known_name {
    char *text; /* owned; NULL: free */
    uint32_t hash;
    uint32_t start; /* in which it was asked for or used last */
    uint16_t next;  /* in the order: 1 + index; 0: none */
    uint8_t use, score;
    bool follow;
};

struct program {
    struct refcount ref;
    struct list link; /* in g_programs, which has a reference */
    uint64_t dev, ino;
    struct cred *cred;         /* ref */
    const struct dentry *root; /* borrowed, only compared */
    uint32_t starts;
    bool asks_fds;          /* its processes ask what their fds are, */
    bool reads_directories; /* ... and read several directories */
    uint16_t first;         /* as known_name.next */
    unsigned count;         /* of names: in use, or free again */
    unsigned room;
    struct known_name *names; /* owned */
};

/* One process that was started with it. */
struct program_run {
    struct program *program; /* ref */
    uint32_t start;
    uint16_t at; /* the last name that was asked for; as known_name.next */
    unsigned trips;
    uint64_t told[NAMES_MAX / 64]; /* or asked for: a bit a name */
};

static struct list g_programs = LIST_INIT(g_programs); /* what was started last comes first */
static unsigned g_program_count;

static void program_put(struct program *p)
{
    if (!refcount_put(&p->ref)) {
        return;
    }
    for (unsigned i = 0; i < p->count; i++) {
        free(p->names[i].text);
    }
    free(p->names);
    cred_put(p->cred);
    free(p);
}

/* Return: borrowed; NULL: no memory. */
static struct program *program_of(const struct task *t, const struct inode *exe)
{
    struct program *p;
    const struct dentry *root = t->fs->root.dentry;
    list_for_each_entry (p, &g_programs, link) {
        if (p->ino == exe->ino && p->dev == exe->sb->dev && p->root == root &&
            cred_same(p->cred, t->cred)) {
            list_del(&p->link);
            list_add(&p->link, &g_programs);
            return p;
        }
    }
    p = calloc(1, sizeof(*p));
    if (!p) {
        return NULL;
    }
    refcount_init(&p->ref);
    p->dev = exe->sb->dev;
    p->ino = exe->ino;
    p->root = root;
    p->cred = cred_get(t->cred);
    list_add(&p->link, &g_programs);
    if (++g_program_count > PROGRAMS_MAX) {
        struct program *last = list_entry(g_programs.prev, struct program, link);
        list_del(&last->link);
        program_put(last);
        g_program_count--;
    }
    return p;
}

/* --- learning --- */

/* Room for one more, from names that hardly come. */
static void forget_idle(struct program *p)
{
    for (uint16_t *link = &p->first; *link;) {
        struct known_name *k = &p->names[*link - 1];
        if (k->score < SCORE_TELL && p->starts - k->start >= IDLE_STARTS) {
            *link = k->next;
            free(k->text);
            *k = (struct known_name){0};
        } else {
            link = &k->next;
        }
    }
}

/* Return: as known_name.next; 0: there is no room. */
static unsigned name_alloc(struct program *p)
{
    if (p->count < p->room) {
        return ++p->count;
    }
    unsigned room = p->room ? MIN(2 * p->room, (unsigned)NAMES_MAX) : NAMES_FIRST;
    struct known_name *names = room > p->room ? realloc(p->names, room * sizeof(*names)) : NULL;
    if (names) {
        memset(names + p->room, 0, (room - p->room) * sizeof(*names));
        p->names = names;
        p->room = room;
        return ++p->count;
    }
    for (unsigned i = 0; i < p->count; i++) {
        if (!p->names[i].text) {
            return i + 1;
        }
    }
    return 0;
}

/* The order that was is, as a rule, the order that comes. */
static unsigned name_find(const struct program *p, unsigned after, uint32_t hash)
{
    unsigned next = after ? p->names[after - 1].next : p->first;
    if (next && p->names[next - 1].hash == hash) {
        return next;
    }
    for (unsigned i = 0; i < p->count; i++) {
        if (p->names[i].hash == hash) {
            return i + 1;
        }
    }
    return 0;
}

static unsigned name_add(struct program_run *run, const struct name_lookup *l, uint8_t use,
                         uint32_t hash)
{
    struct program *p = run->program;
    unsigned i = name_alloc(p);
    if (!i) {
        forget_idle(p);
        i = name_alloc(p);
    }
    char *text = i ? strdup(l->text) : NULL;
    if (!text) {
        return 0;
    }
    bool placed = run->at && p->names[run->at - 1].text;
    uint16_t *link = placed ? &p->names[run->at - 1].next : &p->first;
    p->names[i - 1] = (struct known_name){.text = text,
                                          .hash = hash,
                                          .start = run->start,
                                          .next = *link,
                                          .use = use,
                                          .score = 1,
                                          .follow = l->follow};
    *link = (uint16_t)i;
    return i;
}

static void raise_score(struct known_name *k, const struct program_run *run)
{
    k->score += k->start != run->start && k->score < SCORE_MAX;
    k->start = run->start;
}

unsigned names_learn(struct task *t, const struct name_lookup *l, enum name_use use,
                     bool *out_expected)
{
    *out_expected = false;
    struct program_run *run = t->mm->program;
    size_t size = strlen(l->text);
    if (!run || size >= NAME_WORDS * 8UL || l->text[0] != '/' ||
        run->program->root != t->fs->root.dentry || use == NAME_USE_XATTR ||
        run->trips++ >= TRIPS_MAX || l->trace.made_here) {
        return 0;
    }
    struct program *p = run->program;
    uint32_t hash = (uint32_t)hash_bytes(l->text, size, use * 2UL + l->follow) | 1;
    unsigned i = name_find(p, run->at && p->names[run->at - 1].text ? run->at : 0, hash);
    if (!i) {
        i = name_add(run, l, use, hash);
    } else if (!(run->told[(i - 1) / 64] >> (i - 1) % 64 & 1)) {
        raise_score(&p->names[i - 1], run);
    }
    if (i) {
        run->at = (uint16_t)i;
        run->told[(i - 1) / 64] |= 1UL << (i - 1) % 64;
        *out_expected = p->names[i - 1].score >= SCORE_TELL;
    }
    return i;
}

/* --- telling --- */

static bool was_used(const struct name_table *table, unsigned slot)
{
    return __atomic_load_n(&table->page->used[slot / 64], __ATOMIC_RELAXED) >> slot % 64 & 1;
}

void names_forget_told(struct name_table *table)
{
    for (unsigned slot = 0; slot < NAME_SETS_MAX * NAME_WAYS; slot++) {
        if (table->told[slot] && !was_used(table, slot)) {
            table->told[slot] = 0;
        }
    }
}

static bool goes_on(const struct task *t, const struct program_run *run,
                    const struct name_table *table)
{
    return !t->must_exit && t->mm && t->mm->program == run && t->mm->names == table &&
           !table->creds_differ;
}

/*
 * Looks name i up as t, and keeps what comes of it. Return: it is prepared to be opened. Context: may block; the process may have
 * other credentials, or be about to end, afterwards.
 */
static bool tell_one(struct task *t, struct program_run *run, struct name_table *table, unsigned i)
{
    const struct known_name *k = &run->program->names[i - 1];
    char text[NAME_WORDS * 8];
    memcpy(text, k->text, strlen(k->text) + 1);
    const enum name_use use = k->use;
    struct name_lookup l = {.text = text, .dirfd = AT_FDCWD, .follow = k->follow};
    AUTO_PATH cwd = {0}, found = {0};
    struct walk w;
    names_begin(&l);
    if (task_walk(t, AT_FDCWD, l.follow ? WALK_FOLLOW : 0, &w, &cwd) < 0) {
        return false;
    }
    w.trace = &l.trace;
    int r = vfs_lookup(&w, text, &found);
    struct platform_name n;
    if (!goes_on(t, run, table) || l.trace.unsteady || (r < 0 && r != -ENOENT) ||
        !name_answer(t, &l, r, &found, use, &n)) {
        return false;
    }
    n.flags |= NAME_FIRST;
    if (r == 0 && use == NAME_USE_OPEN && !n.open && !name_prepare(t, &found, COPY_MAX, &n)) {
        return false;
    }
    unsigned slot = name_keep(table, &n);
    table->told[slot] = (uint16_t)i;
    return n.open > 0;
}

/*
 * From name i on. The window begins where the process is, and counts what was told before, too: were it told the next ones whenever it asks,
 * they would push out what it is yet to use. Context: may block.
 */
static void tell(struct task *t, struct program_run *run, struct name_table *table, unsigned i)
{
    const struct program *p = run->program;
    unsigned names = 0, opens = 0, looks = 0;
    bool prepared = false;
    while (i && names < WINDOW && opens < WINDOW_OPENS && looks++ < LOOKS_MAX) {
        const struct known_name *k = &p->names[i - 1];
        uint64_t *told = &run->told[(i - 1) / 64], bit = 1UL << (i - 1) % 64;
        names += k->score >= SCORE_TELL;
        opens += k->score >= SCORE_TELL && k->use == NAME_USE_OPEN;
        if (k->score >= SCORE_TELL && !(*told & bit)) {
            *told |= bit;
            prepared |= tell_one(t, run, table, i);
            if (!goes_on(t, run, table)) {
                return;
            }
        }
        i = p->names[i - 1].text ? p->names[i - 1].next : 0;
    }
    if (prepared) {
        lease_open_offer(t);
    }
}

/* Places in the page for all that may be told: few for little. */
static unsigned names_to_tell(const struct program *p)
{
    unsigned count = 0;
    for (unsigned i = 0; i < p->count; i++) {
        count += p->names[i].score >= SCORE_TELL;
    }
    return count;
}

void names_go_on(struct task *t, unsigned known)
{
    struct program_run *run = t->mm ? t->mm->program : NULL;
    struct name_table *table = run ? t->mm->names : NULL;
    if (table && !table->creds_differ && !names_are_foreign(t) &&
        run->program->names[known - 1].text) {
        tell(t, run, table, run->program->names[known - 1].next);
    }
}

void names_program_begins(struct task *t, const struct inode *exe)
{
    if (!platform_lease_page(t->mm->space) || !names_cred_is_real(t->cred) || task_traced(t)) {
        return;
    }
    struct program *p = program_of(t, exe);
    struct program_run *run = p ? calloc(1, sizeof(*run)) : NULL;
    if (!run) {
        return;
    }
    refcount_get(&p->ref);
    run->program = p;
    run->start = ++p->starts;
    t->mm->program = run;
    if (p->asks_fds) {
        lease_show_fds(t);
    }
    if (p->reads_directories) {
        lease_expect_directories(t);
    }
    unsigned count = names_to_tell(p);
    struct name_table *table = count > 0 ? names_table_make(t, count) : NULL;
    if (table) {
        tell(t, run, table, p->first);
    }
}

bool names_program_starts(const struct mm *mm)
{
    return mm->program && mm->program->trips < TRIPS_START;
}

void names_program_ends(struct mm *mm)
{
    struct program_run *run = take(&mm->program);
    const struct name_table *table = mm->names;
    if (!run) {
        return;
    }
    struct program *p = run->program;
    const struct lease_table *leases = mm->leases;
    if (leases) {
        p->asks_fds |= leases->fd_heat >= ASKS_FDS;
        p->reads_directories |= leases->directories >= READS_DIRECTORIES && leases->listings > 0;
    }
    for (unsigned slot = 0; table && slot < NAME_SETS_MAX * NAME_WAYS; slot++) {
        unsigned i = table->told[slot];
        struct known_name *k = i ? &p->names[i - 1] : NULL;
        if (!k || !k->text) {
            continue;
        }
        if (was_used(table, slot)) {
            raise_score(k, run);
        } else {
            k->score -= k->score > 0;
        }
    }
    program_put(p);
    free(run);
}
