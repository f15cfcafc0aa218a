/*
 * poll(2) and ppoll(2), analogous to Linux's fs/select.c. An interrupted poll goes on with what is
 * left of its time (restart_syscall); an interrupted ppoll tells what is left.
 */
#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "syscalls/poll_wait.h"
#include "syscalls/syscalls.h"

/* *out: a poll_slot for each, owned by the caller; NULL when there are none. */
static int pollfds_in(struct task *t, uaddr_t ufds, unsigned nfds, struct poll_slot **out)
{
    AUTO_FREE struct pollfd *fds = NULL;
    struct poll_slot *slots;
    int r;

    *out = NULL;
    t->polled_fd = -1;
    if (nfds > task_rlimit(t, RLIMIT_NOFILE)) {
        return -EINVAL;
    }
    if (nfds == 0) {
        return 0;
    }
    fds = calloc(nfds, sizeof(*fds));
    if (!fds) {
        return -ENOMEM;
    }
    r = copy_in(t->mm, fds, ufds, nfds * sizeof(*fds));
    if (r < 0) {
        return r;
    }
    slots = calloc(nfds, sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < nfds; i++) {
        slots[i].events = (uint16_t)fds[i].events | POLLERR | POLLHUP;
        slots[i].before = (uint16_t)fds[i].revents;
        if (fds[i].fd >= 0 && fd_table_lookup(t->files, fds[i].fd, &slots[i].file) < 0) {
            slots[i].file = NULL;
            slots[i].revents = POLLNVAL;
        }
    }
    t->polled_fd = fds[t->polls++ % nfds].fd;
    *out = slots;
    return 0;
}

/*
 * Only revents is written: the rest of the array is the guest's to change meanwhile. What is there
 * already need not be written again; but the first always is, to find an array that can't be.
 */
static int revents_out(struct task *t, uaddr_t ufds, unsigned nfds, const struct poll_slot *slots)
{
    for (unsigned i = 0; i < nfds; i++) {
        uint16_t revents = (uint16_t)slots[i].revents;

        if (i > 0 && revents == slots[i].before) {
            continue;
        }
        uaddr_t at = ufds + i * sizeof(struct pollfd) + offsetof(struct pollfd, revents);
        int r = put_user(t->mm, at, &revents);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static long poll_until(struct task *t, uaddr_t ufds, unsigned nfds, int64_t deadline_ns)
{
    struct poll_slot *slots;
    long ready;
    int r = pollfds_in(t, ufds, nfds, &slots);

    if (r < 0) {
        return r;
    }
    t->polled_fd = deadline_ns == DEADLINE_POLL ? t->polled_fd : -1;
    ready = poll_wait(slots, nfds, deadline_ns);
    r = revents_out(t, ufds, nfds, slots);
    poll_slots_free(slots, nfds);
    return r < 0 ? r : ready;
}

static long poll_restart(struct task *t);

/* The deadline stays the first call's. */
static long poll_or_restart(struct task *t, uaddr_t ufds, unsigned nfds, int64_t deadline_ns)
{
    long r = poll_until(t, ufds, nfds, deadline_ns);

    if (r != -ERESTARTNOHAND) {
        return r;
    }
    t->restart = poll_restart;
    t->restart_args[0] = ufds;
    t->restart_args[1] = nfds;
    t->restart_args[2] = (uint64_t)deadline_ns;
    return -ERESTART_RESTARTBLOCK;
}

static long poll_restart(struct task *t)
{
    return poll_or_restart(t, t->restart_args[0], (unsigned)t->restart_args[1],
                           (int64_t)t->restart_args[2]);
}

long sys_poll(struct task *t, uaddr_t ufds, unsigned nfds, int timeout)
{
    return poll_or_restart(t, ufds, nfds, deadline_from_ms(timeout));
}

/*
 * Writes what is left until deadline_ns. A call that can't say so is not restarted: it would wait
 * too long. Return: r, or -EINTR.
 */
static long remaining_out(struct task *t, uaddr_t tsp, int64_t deadline_ns, long r)
{
    struct timespec left = {0};
    int64_t ns;

    if (!tsp || deadline_ns == DEADLINE_POLL) {
        return r;
    }
    ns = MAX(deadline_ns - ktime_monotonic_ns(), (int64_t)0);
    left.tv_sec = ns / NSEC_PER_SEC;
    left.tv_nsec = ns % NSEC_PER_SEC;
    if (put_user(t->mm, tsp, &left) < 0 && r == -ERESTARTNOHAND) {
        return -EINTR;
    }
    return r;
}

long sys_ppoll(struct task *t, uaddr_t ufds, unsigned nfds, uaddr_t tsp, uaddr_t sigmask,
               size_t sigsetsize)
{
    int64_t deadline_ns;
    long r = deadline_in_timespec(t, tsp, &deadline_ns);

    if (r < 0) {
        return r;
    }
    r = signal_set_user_mask(t, sigmask, sigsetsize);
    if (r < 0) {
        return r;
    }
    r = poll_until(t, ufds, nfds, deadline_ns);
    signal_restore_mask_unless(t, r == -ERESTARTNOHAND);
    return remaining_out(t, tsp, deadline_ns, r);
}
