/*
 * What processes know about themselves without asking: uname, limits, the paths of the program and the working directory, and the umask.
 *
 *      asked some times        the answer is put behind the process's lease page; its stub repeats it
 *         | sethostname, setrlimit, chdir, a directory gets another name ... (anybody's)
 *      forgotten               the word says so; a stub that is copying just then finds that, and asks
 *
 * They are a process's, so they are kept while an address space, a process and an fs_context belong to each other:
 * not for vfork's child, and not while processes share an fs_context; a thread with an fs_context of its own asks
 * (PLATFORM_ASK_FACTS). Nothing that stands there is ever read back, with two exceptions: actions of signals (actions.c), and the umask.
 *
 * The umask is changed by the process itself, in its page, and that word is its umask: whoever needs it reads it there, so a file that
 * is made afterwards has it, whichever thread makes it. Any nine bits are a umask that its process could have set.
 */
#include "sentry/task/facts.h"

#include <string.h>

#include "platform/platform.h"
#include "sentry/vfs/dcache.h"

#define WORTH_IT 3 /* times that something is asked before it is kept: making room costs as much */

struct fact_table {
    struct list link;
    struct platform_facts *page; /* the platform's; lives as long as the space */
    struct mm *mm;               /* borrowed: it owns the table */
    struct thread_group *tg;     /* borrowed: whose facts; its last thread ends them */
    struct fs_context *fs;       /* borrowed: it ends them when it goes */
    uint8_t heat[FACT_COUNT], umask_heat;
    bool umask_given; /* page->umask is the umask */
};
static struct list g_tables = LIST_INIT(g_tables);
static uint64_t g_generation;

/* t's process, its address space and its fs_context belong to each other. */
static bool allowed(const struct task *t)
{
    unsigned users = 0;
    const struct task *other;
    if (t->tg->vm_borrowed || facts_are_foreign(t) ||
        t->fs->ref.n != (unsigned)t->tg->live_threads) {
        return false;
    }
    list_for_each_entry (other, &t->tg->threads, group_link) {
        users += other->fs == t->fs;
    }
    return users == t->fs->ref.n;
}

static void paths_changed(void)
{
    facts_forget_all(FACT_CWD);
    facts_forget_all(FACT_EXE);
}

/* t's table, made when it is missing; NULL: it can't have one now. */
static struct fact_table *table_of(struct task *t)
{
    struct mm *mm = t->mm;
    if (!allowed(t)) {
        return NULL;
    }
    struct platform_lease_page *page = mm->facts ? NULL : platform_lease_page(mm->space);
    if (page && (mm->facts = calloc(1, sizeof(*mm->facts)))) {
        *mm->facts = (struct fact_table){
            .page = platform_facts_behind(page), .mm = mm, .tg = t->tg, .fs = t->fs};
        list_add_tail(&mm->facts->link, &g_tables);
        t->fs->facts = mm->facts;
        g_paths_changed = paths_changed;
    }
    return mm->facts;
}

static void forget(struct fact_table *table, enum platform_fact fact)
{
    __atomic_store_n(&table->page->words[fact], 0, __ATOMIC_SEQ_CST);
}

struct platform_facts *facts_know(struct task *t, enum platform_fact fact, const void *bytes,
                                  size_t size)
{
    struct fact_table *table = table_of(t);
    uint64_t room;
    if (!table) {
        return NULL;
    }
    table->heat[fact] = WORTH_IT;
    void *to = platform_fact_bytes(table->page, fact, &room);
    if (size > room || size > FACT_SIZE) {
        return NULL;
    }
    forget(table, fact);
    memcpy(to, bytes, size);
    uint64_t generation = ++g_generation * FACT_GENERATION & ~FACT_VALID;
    __atomic_store_n(&table->page->words[fact], FACT_VALID | generation | size, __ATOMIC_SEQ_CST);
    return table->page;
}

struct platform_facts *facts_keep(struct task *t, enum platform_fact fact, const void *bytes,
                                  size_t size)
{
    struct fact_table *table = table_of(t);
    if (table && table->heat[fact] + 1 < WORTH_IT) {
        table->heat[fact]++;
        return NULL;
    }
    return table ? facts_know(t, fact, bytes, size) : NULL;
}

void facts_forget_of(struct thread_group *tg, enum platform_fact fact)
{
    struct fact_table *table;
    list_for_each_entry (table, &g_tables, link) {
        if (table->tg == tg) {
            forget(table, fact);
        }
    }
}

void facts_forget_at(struct fs_context *fs, enum platform_fact fact)
{
    if (fs->facts) {
        forget(fs->facts, fact);
    }
}

void facts_forget_all(enum platform_fact fact)
{
    struct fact_table *table;
    list_for_each_entry (table, &g_tables, link) {
        forget(table, fact);
    }
}

/* --- umask --- */

uint32_t facts_umask(const struct fs_context *fs)
{
    if (!fs->facts || !fs->facts->umask_given) {
        return fs->umask;
    }
    return __atomic_load_n(&fs->facts->page->umask, __ATOMIC_SEQ_CST) & 0777;
}

uint32_t facts_set_umask(struct task *t, uint32_t mask)
{
    struct fact_table *table = table_of(t);
    struct fs_context *fs = t->fs;
    uint32_t old = facts_umask(fs);
    if (table && !table->umask_given && ++table->umask_heat == WORTH_IT) {
        table->umask_given = true;
    }
    if (fs->facts && fs->facts->umask_given) {
        /* Another thread's change may come between the two: then it was before ours, as its result says. */
        uint64_t word = __atomic_exchange_n(&fs->facts->page->umask, FACT_VALID | (mask & 0777),
                                            __ATOMIC_SEQ_CST);
        return word & FACT_VALID ? word & 0777 : old;
    }
    fs->umask = mask & 0777;
    return old;
}

bool facts_know_umask(struct task *t)
{
    struct fact_table *table = table_of(t);
    if (table && !table->umask_given) {
        table->umask_given = true;
        __atomic_store_n(&table->page->umask, FACT_VALID | t->fs->umask, __ATOMIC_SEQ_CST);
    }
    return table;
}

/* --- the end --- */

void facts_end(struct mm *mm)
{
    struct fact_table *table = take(&mm->facts);
    if (!table) {
        return;
    }
    if (table->tg->actions_page == table->page) {
        signal_actions_take_back(table->tg);
    }
    for (int i = 0; i < FACT_COUNT; i++) {
        forget(table, i);
    }
    if (table->umask_given) {
        table->fs->umask = __atomic_exchange_n(&table->page->umask, 0, __ATOMIC_SEQ_CST) & 0777;
    }
    table->fs->facts = NULL;
    list_del(&table->link);
    free(table);
}

void facts_end_at(struct fs_context *fs)
{
    if (fs->facts) {
        facts_end(fs->facts->mm);
    }
}

bool facts_are_foreign(const struct task *t)
{
    const struct fact_table *table = t->mm ? t->mm->facts : NULL;
    return table && (table->tg != t->tg || table->fs != t->fs);
}
