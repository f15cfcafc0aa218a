/*
 * Small outputs land where they were asked for, whole or with EFAULT, each time that they are asked for:
 * 1. poll writes revents of more fds than few, and nothing else of the array; select its sets.
 * 2. FIONREAD, PR_GET_NAME, rt_sigpending, sched_getaffinity, getsockopt, setitimer and timerfd calls: into memory that can't be
 *    written, or that ends in the middle: EFAULT.
 * 3. Outputs to one place are made in Linux's order: getsockopt's length comes last.
 */
#include "../compat.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static const struct itimerval g_none;
#define FDS    40
#define ROUNDS 20

static void many_fds(void)
{
    struct pollfd fds[FDS];
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < FDS; i++) {
            fds[i] = (struct pollfd){.fd = i % 3 == 2 ? -1 : ends[i % 3],
                                     .events = (short)(POLLIN | POLLOUT | POLLPRI),
                                     .revents = (short)0x7777};
        }
        CHECK_EQ(poll(fds, FDS, 0), FDS - FDS / 3);
        for (int i = 0; i < FDS; i++) {
            CHECK_EQ(fds[i].fd, i % 3 == 2 ? -1 : ends[i % 3]);
            CHECK_EQ(fds[i].events, POLLIN | POLLOUT | POLLPRI);
            CHECK_EQ(fds[i].revents, i % 3 == 2 ? 0 : i % 3 == 1 ? POLLOUT : POLLIN);
        }
        fd_set in, out;
        struct timeval now = {0};
        FD_ZERO(&in);
        FD_ZERO(&out);
        FD_SET(ends[0], &in);
        FD_SET(ends[0], &out);
        FD_SET(ends[1], &out);
        CHECK_EQ(select(ends[1] + 1, &in, &out, NULL, &now), 2);
        CHECK(FD_ISSET(ends[0], &in) && FD_ISSET(ends[1], &out) && !FD_ISSET(ends[0], &out));
    }
    close(ends[0]);
    close(ends[1]);
}

/* Every call with its output at to, where there is room for size bytes. fails: it is too little, or can't be written. */
static void outputs(char *to, int fails)
{
    int pair[2], timer = timerfd_create(CLOCK_MONOTONIC, 0);
    socklen_t size = sizeof(int);
    struct itimerspec off = {{0, 0}, {0, 0}};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(write(pair[1], "abc", 3), 3);
    for (int round = 0; round < ROUNDS; round++) {
        const long r[] = {
            ioctl(pair[0], FIONREAD, to),
            prctl(PR_GET_NAME, to),
            syscall(SYS_rt_sigpending, to, 8),
            syscall(SYS_sched_getaffinity, 0, 8, to) == 8 ? 0 : -1,
            getsockopt(pair[0], SOL_SOCKET, SO_TYPE, to, &size),
            timerfd_settime(timer, 0, &off, (void *)to),
            timerfd_gettime(timer, (void *)to),
            setitimer(ITIMER_REAL, &g_none, (void *)to),
        };
        for (size_t i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
            if (r[i] != (fails ? -1 : 0)) {
                fprintf(stderr, "output %zu: %ld\n", i, r[i]);
                exit(1);
            }
        }
        CHECK_EQ(size, sizeof(int));
        if (fails) {
            CHECK_ERRNO(ioctl(pair[0], FIONREAD, to), EFAULT);
            CHECK_ERRNO(timerfd_gettime(timer, (void *)to), EFAULT);
        } else {
            int n = 0;
            CHECK_EQ(ioctl(pair[0], FIONREAD, to), 0);
            memcpy(&n, to, sizeof(n));
            CHECK_EQ(n, 3);
        }
    }
    close(pair[0]);
    close(pair[1]);
    close(timer);
}

static void one_place(void)
{
    int pair[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    for (int round = 0; round < ROUNDS; round++) {
        socklen_t both = 4;
        CHECK_EQ(syscall(SYS_getsockopt, pair[0], SOL_SOCKET, SO_TYPE, &both, &both), 0);
        CHECK_EQ(both, 4);
        struct timeval interval[2] = {{0, 0}, {100, 0}};
        struct itimerval *both_ways = (void *)interval; /* old and new */
        CHECK_EQ(syscall(SYS_setitimer, ITIMER_REAL, both_ways, both_ways), 0);
        CHECK_EQ(both_ways->it_value.tv_sec, 0);
        CHECK_EQ(setitimer(ITIMER_REAL, &g_none, both_ways), 0);
        CHECK(both_ways->it_value.tv_sec >= 98);
    }
}

int main(void)
{
    char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK_EQ(mprotect(page + 4096, 4096, PROT_NONE), 0);
    CHECK_EQ(mprotect(page + 8192, 4096, PROT_READ), 0);
    many_fds();
    outputs(page, 0);
    outputs(page + 4096 - 64, 0);
    outputs(page + 4096 - 3, 1);
    outputs(page + 4096, 1);
    outputs(page + 8192, 1);
    outputs((char *)8, 1);
    one_place();
    return 0;
}
