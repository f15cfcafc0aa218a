/*
 * Calls about the process itself that need no trip (platform/facts.h): uname, getcwd, limits, umask; and a rt_sigaction that only
 * asks, or sets what is set already, as shells do for each program that they start.
 *
 * A fact is copied out, and counts if its word is still the same afterwards: the sentry changes the word before it
 * changes the bytes. Anything unusual (a bad pointer, too small a buffer) is the sentry's, with its order of checks.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

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

/* Nothing changes: so it is as if it came before whatever changes it meanwhile. */
static long same_action(uint64_t sig, uint64_t new_at, uint64_t old_at, uint64_t set_size)
{
    uint64_t now[4], new[4];
    if (sig - 1 >= FACT_ACTIONS_MAX || set_size != sizeof(uint64_t) ||
        tell(FACT_ACTIONS, ptr(now), (sig - 1) * sizeof(now), sizeof(now), sizeof(now)) ==
            NOT_OURS) {
        return NOT_OURS;
    }
    if (new_at && (ANY_UNBLOCKABLE >> (sig - 1) & 1 ||
                   guarded_copy(new, (const void *)new_at, sizeof(new)) != 0 || new[0] != now[0] ||
                   new[1] != now[1] || new[2] != now[2] || (new[3] & ~ANY_UNBLOCKABLE) != now[3])) {
        return NOT_OURS;
    }
    return old_at && guarded_copy((void *)old_at, now, sizeof(now)) != 0 ? NOT_OURS : 0;
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

long stub_facts(uint64_t nr, const uint64_t *a)
{
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
        return same_action((uint32_t)a[0], a[1], a[2], a[3]);
    case __NR_umask:
        return swap_umask((uint32_t)a[0]);
    default:
        return NOT_OURS;
    }
}
