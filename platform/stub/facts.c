/*
 * Calls about the process itself that need no trip (platform/facts.h): uname, getcwd, limits, umask; and rt_sigaction, of which shells
 * make twenty for each program that they start.
 *
 * A fact is copied out, and counts if its word is still the same afterwards: the sentry changes the word before it
 * changes the bytes. Anything unusual (a bad pointer, too small a buffer) is the sentry's, with its order of checks.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define SIG_IGN_     1
#define ECHILD_      10
#define WAIT_OPTIONS 11 /* WNOHANG, WUNTRACED, WCONTINUED */
/* SIGCHLD, SIGCONT, SIGURG, SIGWINCH: SIG_DFL (0) ignores them, too */
#define DEFAULT_IGNORES (1UL << (17 - 1) | 1UL << (18 - 1) | 1UL << (23 - 1) | 1UL << (28 - 1))
#define ANY_UNBLOCKABLE (1UL << (9 - 1) | 1UL << (19 - 1)) /* SIGKILL, SIGSTOP */

/* [offset, offset + size) of a fact goes to the guest; size 0: all of it, if room is enough. Return: bytes, or NOT_OURS. */
static long tell(enum platform_fact fact, uint64_t to, uint64_t offset, uint64_t size,
                 uint64_t room)
{
    struct platform_facts *f = process_facts();
    uint64_t max, word = word_load(&f->words[fact]);
    const uint8_t *bytes = platform_fact_bytes(f, fact, &max);
    size = size ? size : word & FACT_SIZE;
    if (!(word & FACT_VALID) || size > room || size > max || offset > max - size ||
        guarded_copy((void *)to, bytes + offset, size) != 0) {
        return NOT_OURS;
    }
    return word_load(&f->words[fact]) == word ? (long)size : NOT_OURS;
}

static long one_limit(uint32_t resource, uint64_t to)
{
    if (resource >= FACT_LIMITS) {
        return NOT_OURS;
    }
    long r = tell(FACT_RLIMITS, to, resource * 16UL, 16, 16);
    return r == NOT_OURS ? r : 0;
}

long stub_children_time(uint64_t out[2])
{
    return tell(FACT_CHILDREN, ptr(out), 0, 16, 16) == NOT_OURS ? NOT_OURS : 0;
}

/* What the process does with signal i + 1; its own word for it is where it stands. Return: 0, or NOT_OURS. */
static long action_now(uint64_t i, uint64_t now[4])
{
    const struct platform_facts *f = process_facts();
    unsigned at = i < FACT_ACTIONS_OWN ? __atomic_load_n(&f->action_at[i], __ATOMIC_SEQ_CST) : 0;
    if (tell(FACT_ACTIONS, ptr(now), i * 32, 32, 32) == NOT_OURS) {
        return NOT_OURS;
    }
    for (unsigned k = 0; at - 1 < 2 && k < 4; k++) {
        now[k] = f->own_actions[at - 1][i][k];
    }
    return 0;
}

/* A pending signal i + 1 would be dropped. */
static int would_drop(uint64_t i, uint64_t handler)
{
    return handler == SIG_IGN_ || (handler == 0 && DEFAULT_IGNORES >> i & 1);
}

static int asks_masks(const struct chan *c)
{
    return (__atomic_load_n(&c->ask, __ATOMIC_SEQ_CST) & CHAN_ASK_MASK) != 0;
}

/*
 * Store the action, then look at ask; the sentry, for a signal that it is about to send: set ask, then look at the action. What
 * ignores a signal drops it if it is pending: so should one come, that call is the sentry's, as if nothing had happened here.
 */
static long change_action(struct chan *c, uint64_t i, const uint64_t new[4])
{
    struct platform_facts *f = process_facts();
    if (i >= FACT_ACTIONS_OWN || !*(volatile uint32_t *)&f->actions_own ||
        new[1] & ~(uint64_t)FACT_ACTION_FLAGS) {
        return NOT_OURS;
    }
    uint8_t was = f->action_at[i], at = was == 1 ? 2 : 1;
    for (int k = 0; k < 4; k++) {
        ((volatile uint64_t *)f->own_actions[at - 1][i])[k] = new[k];
    }
    __atomic_store_n(&f->action_at[i], at, __ATOMIC_SEQ_CST);
    if (would_drop(i, new[0]) && asks_masks(c)) {
        __atomic_store_n(&f->action_at[i], was, __ATOMIC_SEQ_CST);
        return NOT_OURS;
    }
    __atomic_fetch_and(&c->handlers, ~(1UL << i), __ATOMIC_SEQ_CST); /* it is another's now */
    return 0;
}

static long set_action(struct chan *c, uint64_t sig, uint64_t new_at, uint64_t old_at,
                       uint64_t set_size)
{
    uint64_t now[4], new[4], i = sig - 1;
    if (i >= FACT_ACTIONS_MAX || set_size != sizeof(uint64_t) || action_now(i, now) != 0) {
        return NOT_OURS;
    }
    if (new_at &&
        (ANY_UNBLOCKABLE >> i & 1 || guarded_copy(new, (const void *)new_at, sizeof(new)) != 0 ||
         (would_drop(i, new[0]) && asks_masks(c)))) {
        return NOT_OURS;
    }
    if (old_at && guarded_copy((void *)old_at, now, sizeof(now)) != 0) {
        return NOT_OURS;
    }
    if (!new_at) {
        return 0;
    }
    int same = 1;
    new[3] &= ~ANY_UNBLOCKABLE;
    for (int k = 0; k < 4; k++) {
        same &= new[k] == now[k];
    }
    return same ? 0 : change_action(c, i, new);
}

static long swap_umask(uint32_t mask)
{
    uint64_t *word = &process_facts()->umask, old = word_load(word);
    while (old & FACT_VALID) {
        if (word_replace(word, old, FACT_VALID | (mask & 0777))) {
            return (long)(old & 0777);
        }
        old = word_load(word);
    }
    return NOT_OURS;
}

/* readlink(path, to, size) of one's own program. */
static long own_program(uint64_t path, uint64_t to, uint32_t size)
{
    static const char exe[15] = "/proc/self/exe";
    uint64_t asked[2], own[2];
    __builtin_memcpy(&own[0], exe, 8);
    __builtin_memcpy(&own[1], exe + 7, 8);
    if (guarded_copy8(&asked[0], (const void *)path) != 0 || asked[0] != own[0] ||
        guarded_copy8(&asked[1], (const void *)(path + 7)) != 0 || asked[1] != own[1]) {
        return NOT_OURS;
    }
    return tell(FACT_EXE, to, 0, 0, (int32_t)size > 0 ? size : 0);
}

/* wait4 for any child. */
static long wait_for_nobody(uint32_t pid, uint32_t options)
{
    return pid == UINT32_MAX && !(options & ~(uint32_t)WAIT_OPTIONS) &&
                   word_load(&process_facts()->words[FACT_CHILDLESS]) & FACT_VALID
               ? -ECHILD_
               : NOT_OURS;
}

long stub_facts(struct area *area, uint64_t nr)
{
    const uint64_t *a = area->args;
    switch (nr) {
    case __NR_uname: {
        long r = tell(FACT_UNAME, a[0], 0, 0, FACT_UNAME_SIZE);
        return r == NOT_OURS ? r : 0;
    }
    case __NR_getcwd:
        return tell(FACT_CWD, a[0], 0, 0, a[1]);
    case __NR_getrlimit:
        return one_limit((uint32_t)a[0], a[1]);
    case __NR_prlimit64: /* one's own, only asked */
        return (uint32_t)a[0] || a[2] || !a[3] ? NOT_OURS : one_limit((uint32_t)a[1], a[3]);
    case __NR_rt_sigaction:
        return set_action(area->chan, (uint32_t)a[0], a[1], a[2], a[3]);
    case __NR_readlink:
        return own_program(a[0], a[1], (uint32_t)a[2]);
    case __NR_readlinkat:
        return own_program(a[1], a[2], (uint32_t)a[3]);
    case __NR_umask:
        return swap_umask((uint32_t)a[0]);
    case __NR_wait4:
        return wait_for_nobody((uint32_t)a[0], (uint32_t)a[2]);
    default:
        return NOT_OURS;
    }
}
