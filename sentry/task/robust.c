/*
 * Robust futexes of a dying thread, analogous to Linux's exit_robust_list: each lock that it holds
 * gets FUTEX_OWNER_DIED, so that the next locker sees EOWNERDEAD.
 *
 * Futexes are the host kernel's, and only a thread of the guest itself can wake one: a thread that calls
 * exit or exit_group does so. DEVIATION: one that is killed can't; who already sleeps on its lock
 * sleeps until another wake-up.
 * The list is the guest's memory, and hostile: at most ROBUST_LIST_LIMIT entries, never trusted.
 */
#include "sentry/task/robust.h"

#include <string.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "platform/platform.h"
#include "sentry/mm/usercopy.h"

struct robust_head { /* struct robust_list_head */
    uint64_t next;
    int64_t futex_offset;
    uint64_t pending;
};

/* DEVIATION: not atomic against the guest's own threads; they change a word that its owner holds only to set FUTEX_WAITERS. */
static void mark_dead(struct task *t, uaddr_t addr, bool wake)
{
    uint32_t word;
    if ((addr & 3) || get_user(t->mm, &word, addr) < 0) {
        return;
    }
    if ((word & FUTEX_TID_MASK) != (uint32_t)task_tid(t)) {
        return;
    }
    word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    if (put_user(t->mm, addr, &word) == 0 && wake && (word & FUTEX_WAITERS)) {
        futex_wake_one(t, addr);
    }
}

void futex_wake_one(struct task *t, uaddr_t addr)
{
    const struct mem_call m = {.nr = SYS_futex, .args = {addr, FUTEX_WAKE, 1}, .host_fd = -1};
    long r = platform_mem(t->pt, &m);
    (void)r; /* a bad address has no waiters */
}

uaddr_t robust_list_of(const struct task *t)
{
    return t->robust_list || t->robust_done || !t->pt ? t->robust_list
                                                      : platform_robust_list(t->pt);
}

/* Usually it came with the exit. */
static int read_head(struct task *t, uaddr_t list, struct robust_head *out)
{
    struct platform_exit_info info;
    if (platform_exit_info(t->pt, &info) && info.robust_list == list) {
        memcpy(out, info.robust_head, sizeof(*out));
        return 0;
    }
    return get_user(t->mm, out, list);
}

void robust_list_exit(struct task *t, bool wake)
{
    struct robust_head head;
    uaddr_t list = robust_list_of(t);
    t->robust_list = 0;
    t->robust_done = true;
    if (!list || read_head(t, list, &head) < 0) {
        return;
    }
    uaddr_t pending = head.pending & ~1UL;
    uaddr_t entry = head.next & ~1UL; /* bit 0: a PI futex */
    uaddr_t seen =
        0; /* where it was after 1, 2, 4, ... entries: a list that goes in circles has no more */
    for (unsigned count = 0; count < ROBUST_LIST_LIMIT && entry && entry != list; count++) {
        uint64_t next;
        if (entry == seen) {
            break;
        }
        if ((count & (count - 1)) == 0) {
            seen = entry;
        }
        /* Read the link first: the lock may be freed as soon as its word changes. */
        int r = get_user(t->mm, &next, entry);
        if (entry != pending) {
            mark_dead(t, entry + (uint64_t)head.futex_offset, wake);
        }
        if (r < 0) {
            return;
        }
        entry = next & ~1UL;
    }
    if (pending) {
        mark_dead(t, pending + (uint64_t)head.futex_offset, wake);
    }
}
