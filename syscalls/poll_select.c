/*
 * select(2) and pselect6(2), analogous to Linux's fs/select.c: three bit sets, polled as a list of
 * files. Sets are written only when the call succeeds; the time left is always told.
 */
#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "syscalls/poll_wait.h"
#include "syscalls/syscalls.h"

/* What each set asks for, and which events of a file mean "yes" in it. */
#define SELECT_IN  (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EX  POLLPRI
static const uint32_t g_set_events[3] = {SELECT_IN, SELECT_OUT, SELECT_EX};

struct select_call {
    unsigned n;       /* fds looked at: 0 ... n-1 */
    size_t words;     /* of each set */
    uaddr_t user[3];  /* 0: absent */
    uint64_t *set[3]; /* in one allocation, sets_owned */
    uint64_t *sets_owned;
    struct poll_slot *slots; /* owned */
    int *fds;                /* owned: of slots */
    size_t slot_count;
};

static bool bit(const uint64_t *set, unsigned i)
{
    return set[i / 64] >> (i % 64) & 1;
}

/*
 * Where Linux's fd table would end, given the highest open fd: bits from there on are ignored,
 * while an unused number below is EBADF.
 */
static unsigned table_end(struct fd_table *files)
{
    unsigned highest = 0, end = 128;

    for (int fd = fd_table_next(files, 0); fd >= 0; fd = fd_table_next(files, fd + 1)) {
        highest = (unsigned)fd;
    }
    if (highest < 64) {
        return 64;
    }
    while (end <= highest) {
        end *= 2;
    }
    return end;
}

static int sets_in(struct task *t, struct select_call *c)
{
    if (c->n > 1024) {
        c->n = MIN(c->n, table_end(t->files));
    }
    c->words = (c->n + 63) / 64;
    c->sets_owned = calloc(3 * c->words + 1, sizeof(uint64_t));
    if (!c->sets_owned) {
        return -ENOMEM;
    }
    for (int i = 0; i < 3; i++) {
        c->set[i] = c->sets_owned + (size_t)i * c->words;
        if (c->user[i]) {
            int r = copy_in(t->mm, c->set[i], c->user[i], c->words * 8);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

static int slots_fill(struct task *t, struct select_call *c)
{
    size_t count = 0;

    for (size_t w = 0; w < c->words; w++) {
        count += (size_t)__builtin_popcountll(c->set[0][w] | c->set[1][w] | c->set[2][w]);
    }
    c->slots = calloc(count + 1, sizeof(*c->slots));
    c->fds = calloc(count + 1, sizeof(*c->fds));
    if (!c->slots || !c->fds) {
        return -ENOMEM;
    }
    for (unsigned fd = 0; fd < c->n; fd++) {
        struct poll_slot *s = &c->slots[c->slot_count];
        uint32_t events = 0;

        for (int i = 0; i < 3; i++) {
            events |= bit(c->set[i], fd) ? g_set_events[i] : 0;
        }
        if (!events) {
            continue;
        }
        if (fd_table_lookup(t->files, (int)fd, &s->file) < 0) {
            s->file = NULL;
            if (fd >= table_end(t->files)) {
                break;
            }
            return -EBADF;
        }
        s->events = events;
        c->fds[c->slot_count++] = (int)fd;
    }
    return 0;
}

/* Return: bits set in all three sets, or -EFAULT. */
static long sets_out(struct task *t, struct select_call *c)
{
    AUTO_FREE uint64_t *out = calloc(3 * c->words + 1, sizeof(*out));
    long bits = 0;

    if (!out) {
        return -ENOMEM;
    }
    for (size_t s = 0; s < c->slot_count; s++) {
        unsigned fd = (unsigned)c->fds[s];

        for (size_t i = 0; i < 3; i++) {
            if (bit(c->set[i], fd) && (c->slots[s].revents & g_set_events[i])) {
                out[i * c->words + fd / 64] |= 1ULL << (fd % 64);
                bits++;
            }
        }
    }
    for (size_t i = 0; i < 3; i++) {
        if (c->user[i] && copy_out(t->mm, c->user[i], out + i * c->words, c->words * 8) < 0) {
            return -EFAULT;
        }
    }
    return bits;
}

static void select_free(struct select_call *c)
{
    poll_slots_free(c->slots, c->slot_count);
    free(c->fds);
    free(c->sets_owned);
}

static long select_wait(struct task *t, int n, const uaddr_t user[3], int64_t deadline_ns)
{
    struct select_call c = {.n = (unsigned)n, .user = {user[0], user[1], user[2]}};
    long r;

    if (n < 0) {
        return -EINVAL;
    }
    r = sets_in(t, &c);
    if (r == 0) {
        r = slots_fill(t, &c);
    }
    bool now = r == 0 && deadline_ns == DEADLINE_POLL && c.slot_count > 0;
    t->polled_fd = now ? c.fds[t->polls++ % c.slot_count] : -1;
    if (r == 0) {
        r = poll_wait(c.slots, c.slot_count, deadline_ns);
    }
    if (r >= 0) {
        r = sets_out(t, &c);
    }
    select_free(&c);
    return r;
}

/* As poll's: what is left of the time, and no restart when that can't be told. */
static long remaining_out(struct task *t, uaddr_t at, bool is_timeval, int64_t deadline_ns, long r)
{
    int64_t left[2], ns;

    if (!at || deadline_ns == DEADLINE_POLL) {
        return r;
    }
    ns = MAX(deadline_ns - ktime_monotonic_ns(), (int64_t)0);
    left[0] = ns / NSEC_PER_SEC;
    left[1] = ns % NSEC_PER_SEC / (is_timeval ? NSEC_PER_USEC : 1);
    if (copy_out(t->mm, at, left, sizeof(left)) < 0 && r == -ERESTARTNOHAND) {
        return -EINTR;
    }
    return r;
}

long sys_select(struct task *t, int n, uaddr_t inp, uaddr_t outp, uaddr_t exp, uaddr_t tvp)
{
    int64_t deadline_ns;
    long r = deadline_in_timeval(t, tvp, &deadline_ns);

    if (r < 0) {
        return r;
    }
    r = select_wait(t, n, (uaddr_t[]){inp, outp, exp}, deadline_ns);
    return remaining_out(t, tvp, true, deadline_ns, r);
}

long sys_pselect6(struct task *t, int n, uaddr_t inp, uaddr_t outp, uaddr_t exp, uaddr_t tsp,
                  uaddr_t sig)
{
    uint64_t mask[2] = {0, 0}; /* address and size of the signal set */
    int64_t deadline_ns;
    long r;

    if (sig) {
        r = get_user(t->mm, &mask, sig);
        if (r < 0) {
            return r;
        }
    }
    r = deadline_in_timespec(t, tsp, &deadline_ns);
    if (r < 0) {
        return r;
    }
    r = signal_set_user_mask(t, mask[0], mask[1]);
    if (r < 0) {
        return r;
    }
    r = select_wait(t, n, (uaddr_t[]){inp, outp, exp}, deadline_ns);
    signal_restore_mask_unless(t, r == -ERESTARTNOHAND);
    return remaining_out(t, tsp, false, deadline_ns, r);
}
