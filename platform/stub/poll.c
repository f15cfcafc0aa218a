/*
 * A look at files without waiting: poll, ppoll, select and pselect6 with a zero timeout, if this process knows of every file whether it is
 * ready. Regular files and devices always are; an idle epoll set is not; a ring's words say it. Of a valid ring both ends exist, so
 * there is no hangup to report. If one file is not known, the sentry is asked for all.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define READ_EVENTS   0x0041U /* POLLIN POLLRDNORM */
#define WRITE_EVENTS  0x0104U /* POLLOUT POLLWRNORM */
#define COUNTER_READ  0x0001U /* of an eventfd: POLLIN alone */
#define COUNTER_WRITE 0x0004U
#define UNKNOWN       0x10000U
#define SELECT_READ   0x00d9U /* and POLLRDBAND POLLHUP POLLERR */
#define SELECT_WRITE  0x030cU /* and POLLWRBAND POLLERR */

struct pollfd_ {
    int32_t fd;
    uint16_t events, revents;
};

/* What fd is ready for, or UNKNOWN. */
static uint32_t ready(uint64_t fd)
{
    const struct platform_lease_page *page = lease_page();
    uint32_t lease = fd < LEASE_FD_MAX ? __atomic_load_n(&page->lease_of[fd], __ATOMIC_SEQ_CST) : 0;
    if (lease == 0) {
        return UNKNOWN;
    }
    if (lease == LEASE_IDLE) {
        return 0;
    }
    if (lease <= LEASE_MAX && !(word_load(&page->leases[lease - 1].position) & LEASE_VALID)) {
        return UNKNOWN;
    }
    if (lease <= LEASE_MAX || LEASE_DEVICE(lease)) {
        return READ_EVENTS | WRITE_EVENTS;
    }
    if (lease >= LEASE_COUNTER) {
        int r = stub_counter_ready(fd);
        return r < 0 ? UNKNOWN : r ? COUNTER_READ | COUNTER_WRITE : COUNTER_WRITE;
    }
    int r = stub_pipe_ready(fd, lease & 1);
    return r < 0 ? UNKNOWN : !r ? 0 : lease & 1 ? WRITE_EVENTS : READ_EVENTS;
}

static long poll_now(uint64_t at, uint32_t count)
{
    struct pollfd_ fds[POLL_NOW_MAX];
    long found = 0;
    if (count > POLL_NOW_MAX || guarded_copy(fds, (const void *)at, count * sizeof(fds[0])) != 0) {
        return NOT_OURS;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t events = fds[i].fd < 0 ? 0 : ready((uint32_t)fds[i].fd);
        if (events == UNKNOWN) {
            return NOT_OURS;
        }
        fds[i].revents = (uint16_t)events & fds[i].events;
        found += fds[i].revents != 0;
    }
    for (uint32_t i = 0; i < count; i++) { /* the rest is other threads' to change */
        if (guarded_copy((void *)(at + i * sizeof(fds[0]) + 6), &fds[i].revents, 2) != 0) {
            return NOT_OURS;
        }
    }
    return found;
}

/* Up to 64 fds: a word a set. sets: read, write, exceptional. */
static long select_now(uint32_t count, const uint64_t *sets)
{
    uint64_t in[3] = {0}, out[3] = {0};
    long found = 0;
    for (int i = 0; i < 3; i++) {
        if (sets[i] && guarded_copy(&in[i], (const void *)sets[i], 8) != 0) {
            return NOT_OURS;
        }
    }
    for (uint64_t fd = 0; fd < count; fd++) {
        uint64_t bit = 1UL << fd;
        if (!((in[0] | in[1] | in[2]) & bit)) {
            continue;
        }
        uint32_t events = ready(fd);
        if (events == UNKNOWN) {
            return NOT_OURS;
        }
        out[0] |= events & SELECT_READ ? in[0] & bit : 0;
        out[1] |= events & SELECT_WRITE ? in[1] & bit : 0;
    }
    for (int i = 0; i < 3; i++) {
        if (sets[i] && guarded_copy((void *)sets[i], &out[i], 8) != 0) {
            return NOT_OURS;
        }
        found += bit_count(out[i]);
    }
    return found;
}

static int is_zero_time(uint64_t at)
{
    uint64_t time[2];
    return at && guarded_copy(time, (const void *)at, sizeof(time)) == 0 && !(time[0] | time[1]);
}

static int is_zero_word(uint64_t at)
{
    uint64_t word;
    return guarded_copy8(&word, (const void *)at) == 0 && word == 0;
}

long stub_poll(uint64_t nr, const uint64_t *a)
{
    switch (nr) {
    case __NR_poll:
        return (uint32_t)a[2] == 0 && a[1] ? poll_now(a[0], (uint32_t)a[1]) : NOT_OURS;
    case __NR_ppoll:
        return !a[3] && a[1] && is_zero_time(a[2]) ? poll_now(a[0], (uint32_t)a[1]) : NOT_OURS;
    case __NR_pselect6:
        if (a[5] && !is_zero_word(a[5])) {
            return NOT_OURS;
        }
        /* fall through */
    case __NR_select:
        return (uint32_t)a[0] <= 64 && is_zero_time(a[4]) ? select_now((uint32_t)a[0], a + 1)
                                                          : NOT_OURS;
    default:
        return NOT_OURS;
    }
}
