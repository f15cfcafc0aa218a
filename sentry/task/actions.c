/*
 * What processes do with signals, as the process itself may change it. Analogous to the part of Linux's kernel/signal.c that looks
 * at sighand->action, with a second place where an action can stand.
 *
 * A shell sets twenty actions in each child, and two around each wait. So a process that does such things has its actions in its facts
 * (platform/facts.h), and changes them there: it stores an action, and then a byte that says where it stands.
 *
 *      the process                              here
 *      action_at[sig] = where the new one is    PLATFORM_ASK_MASK: a signal is about to be sent
 *      asked to ask? undo, and ask              signal_action: where does it stand?
 *
 * One of the two sees the other's, so a signal that was not ignored when it was sent is dropped by the rt_sigaction that
 * ignores it, as ever. What stands there is the guest's word, on what is its own to decide: it is copied once, and cut to what
 * rt_sigaction would take. Only while the process is one thread, and its sighand is nobody else's: nothing is taken back while it runs.
 */
#include <string.h>

#include "platform/platform.h"
#include "sentry/task/facts.h"
#include "sentry/task/internal.h"

#define ACTION_HABIT 8 /* calls after which a process's children know their actions */
_Static_assert(sizeof(((struct sighand *)0)->action[0]) ==
                   sizeof(((struct platform_facts *)0)->actions[0]),
               "as platform/facts.h has them");
_Static_assert(KSIG_MAX == FACT_ACTIONS_MAX, "as many");

static void read_one(struct thread_group *tg, int sig)
{
    struct platform_facts *page = tg->actions_page;
    if (sig > FACT_ACTIONS_OWN || KSIG_BIT(sig) & KSIG_UNBLOCKABLE) {
        return;
    }
    unsigned at = __atomic_load_n(&page->action_at[sig - 1], __ATOMIC_SEQ_CST);
    if (at - 1 >= ARRAY_COUNT(page->own_actions)) {
        return;
    }
    const volatile uint64_t *words = page->own_actions[at - 1][sig - 1];
    tg->sighand->action[sig] = (struct ksigaction){.handler = words[0],
                                                   .flags = words[1] & FACT_ACTION_FLAGS,
                                                   .restorer = words[2],
                                                   .mask = words[3] & ~KSIG_UNBLOCKABLE};
}

void signal_actions_read(struct thread_group *tg)
{
    for (int sig = 1; tg->actions_page && sig <= FACT_ACTIONS_OWN; sig++) {
        read_one(tg, sig);
    }
}

void signal_actions_take_back(struct thread_group *tg)
{
    if (!tg->actions_page) {
        return;
    }
    signal_actions_read(tg);
    struct platform_facts *page = take(&tg->actions_page);
    page->actions_own = 0;
    facts_forget_of(tg, FACT_ACTIONS);
    memset(page->action_at, 0, sizeof(page->action_at));
}

const struct ksigaction *signal_action(struct thread_group *tg, int sig)
{
    if (tg->actions_page) {
        read_one(tg, sig);
    }
    return &tg->sighand->action[sig];
}

struct ksigaction *signal_action_edit(struct thread_group *tg, int sig)
{
    signal_actions_take_back(tg);
    return &tg->sighand->action[sig];
}

void signal_action_changed(struct thread_group *tg, ksigset_t signals)
{
    struct task *t;
    signal_actions_take_back(tg);
    list_for_each_entry (t, &tg->threads, group_link) {
        if (t->pt) {
            platform_forget_actions(t->pt, signals);
        }
    }
    facts_forget_of(tg, FACT_ACTIONS);
}

/* t is in the kernel, or about to run for the first time. certain: it will ask. */
static void give(struct task *t, bool certain)
{
    struct thread_group *tg = t->tg;
    const struct sighand *s = tg->sighand;
    if (s->ref.n != 1 || tg->actions_page) {
        return; /* another process changes them, too; or it knows */
    }
    struct platform_facts *page = (certain ? facts_know : facts_keep)(
        t, FACT_ACTIONS, &s->action[1], sizeof(s->action) - sizeof(s->action[0]));
    if (page && tg->live_threads == 1) {
        memset(page->action_at, 0, sizeof(page->action_at));
        page->actions_own = 1;
        tg->actions_page = page;
    }
}

void signal_keep_actions(struct task *t)
{
    t->tg->action_calls += t->tg->action_calls < ACTION_HABIT;
    give(t, false);
}

void signal_borrower_actions(struct task *child, struct platform_thread *pt)
{
    static const struct ksigaction nothing;
    const struct sighand *s = child->tg->sighand;
    uint64_t defaults = 0;
    for (int sig = 1; s->ref.n == 1 && sig <= KSIG_MAX; sig++) {
        if (memcmp(&s->action[sig], &nothing, sizeof(nothing)) == 0) {
            defaults |= KSIG_BIT(sig);
        }
    }
    platform_default_actions(pt, defaults);
}

void signal_child_actions(struct task *t, struct task *child)
{
    if (t->tg->actions_page) {
        t->tg->action_calls = ACTION_HABIT; /* how many it has made since is not known here */
    }
    child->tg->action_calls = t->tg->action_calls;
    if (t->tg->action_calls == ACTION_HABIT) {
        give(child, true);
    }
}
