/*
 * What a guest process knows of itself, so that it need not ask again: its name for the machine, its limits, its program's path, its working
 * directory's path, what it does with signals, and its umask. The last two it may change. Lies behind the lease page (platform/lease_page.h), and is written by both sides: for the sentry
 * all of it is hostile. See sentry/task/facts.c.
 */
#pragma once

#include <stdint.h>

#include "platform/lease_page.h"

/* A fact's word: FACT_VALID, a generation, and how many bytes there are. 0: ask. */
#define FACT_VALID       (1UL << 63)
#define FACT_GENERATION  (1UL << 16)
#define FACT_SIZE        (FACT_GENERATION - 1)
#define FACT_UNAME_SIZE  390 /* struct utsname */
#define FACT_LIMITS      16
#define FACT_CWD_MAX     4096
#define FACT_ACTIONS_MAX 64
#define FACT_ACTIONS_OWN 32 /* the first, that the process may change */
/* SA_... that an action can have: Linux's UAPI_SA_FLAGS. */
#define FACT_ACTION_FLAGS 0xdc000807U

/*
 * Of each fd below FACT_FDS: FD_KNOWN, FD_CLOEXEC, what it leads to, and what F_GETFL says. Close-on-exec is changed here by the process, and read
 * here by the sentry. 0: ask.
 */
#define FACT_FDS       256
#define FD_KNOWN       0x80000000U
#define FD_CLOEXEC_BIT 0x40000000U
#define FD_KIND        0x30000000U /* what it leads to: FD_PLAIN ... 0: ask */
#define FD_FLAGS       0x0fffffffU
#define FD_PLAIN       0x10000000U /* a regular file or a directory */
#define FD_STREAM      0x20000000U /* a pipe or a socket: it can't seek */
#define FD_NULL        0x30000000U /* /dev/null */

#define FACT_EXE_MAX 512

enum platform_fact {
    FACT_UNAME,
    FACT_RLIMITS,
    FACT_CWD,
    FACT_ACTIONS,
    FACT_EXE,       /* where /proc/self/exe leads */
    FACT_CHILDLESS, /* no bytes: there is nobody to wait for */
    FACT_CHILDREN,  /* children_time */
    FACT_COUNT
};

struct platform_facts {
    /* FACT_VALID and the mask, which the process changes by itself; the sentry reads it where it needs it. 0: ask. */
    uint64_t umask;
    uint64_t words[FACT_COUNT];
    uint64_t limits[FACT_LIMITS][2]; /* struct rlimit */
    uint8_t exe
        [FACT_EXE_MAX]; /* without a NUL; on the page of the limits, which each program is told */
    uint32_t fds[FACT_FDS];
    uint64_t actions[FACT_ACTIONS_MAX][4]; /* handler, flags, restorer, mask; of signal i + 1 */
    /*
     * While actions_own is set, the process may change FACT_ACTIONS by itself: it stores the action of signal i + 1 in one
     * of two places, and then in action_at[i] which (1 or 2), so that it is never seen half. 0: as it is in actions.
     */
    uint32_t actions_own, pad;
    uint8_t action_at[FACT_ACTIONS_OWN];
    uint64_t own_actions[2][FACT_ACTIONS_OWN][4];
    uint64_t children_time
        [2]; /* user and system time of children that were waited for, as times(2) has them */
    uint8_t uname[FACT_UNAME_SIZE + 2];
    uint8_t cwd[FACT_CWD_MAX]; /* with its NUL */
};
_Static_assert(sizeof(struct platform_lease_page) + sizeof(struct platform_facts) <= 0x20000,
               "one channel slot");

static inline struct platform_facts *platform_facts_behind(struct platform_lease_page *page)
{
    return (struct platform_facts *)(void *)(page + 1);
}
static inline uint8_t *platform_fact_bytes(struct platform_facts *f, enum platform_fact fact,
                                           uint64_t *out_room)
{
    switch (fact) {
    case FACT_UNAME:
        *out_room = FACT_UNAME_SIZE;
        return f->uname;
    case FACT_RLIMITS:
        *out_room = sizeof(f->limits);
        return (uint8_t *)f->limits;
    case FACT_CHILDREN:
        *out_room = sizeof(f->children_time);
        return (uint8_t *)f->children_time;
    case FACT_EXE:
        *out_room = sizeof(f->exe);
        return f->exe;
    case FACT_ACTIONS:
        *out_room = sizeof(f->actions);
        return (uint8_t *)f->actions;
    default:
        *out_room = sizeof(f->cwd);
        return f->cwd;
    }
}
