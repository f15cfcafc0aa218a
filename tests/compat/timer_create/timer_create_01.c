/*
 * POSIX timers:
 * 1. SIGEV_SIGNAL with SI_TIMER, the value, and the timer's id; no sigevent: SIGALRM and the id as value.
 * 2. A blocked signal is queued once; the missed periods are the overrun.
 * 3. SIGEV_NONE only counts down; timer_gettime; absolute times; disarming.
 * 4. SIGEV_THREAD_ID reaches that thread. EINVAL for bad clocks, notifications, signals and ids.
 * 5. exec and timer_delete drop them; fork does not copy them.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static volatile int count, code, value, overrun, tid_seen;

static void handler(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    count++;
    code = si->si_code;
    value = si->si_value.sival_int;
    overrun = si->si_overrun;
    tid_seen = (int)syscall(SYS_gettid);
}

static int gone_after_fork(void)
{
    struct itimerspec its;
    return syscall(SYS_timer_gettime, 0, &its) == -1 && errno == EINVAL ? 0 : 1;
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigset_t set;
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGALRM, &sa, NULL);
    struct sigevent ev = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 41};
    int id = -1, id2 = -1;
    CHECK_ERRNO(syscall(SYS_timer_create, 99, &ev, &id), EINVAL);
    CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, &ev, &id), EOPNOTSUPP);
    ev.sigev_signo = 65;
    CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL);
    ev.sigev_signo = SIGUSR1;
    ev.sigev_notify = 99;
    CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL);
    ev.sigev_notify = SIGEV_SIGNAL;
    CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), 0);
    CHECK_EQ(compat_child(gone_after_fork), 0);
    struct itimerspec its = {{0, 0}, {0, 10000000}}, now;
    CHECK_EQ(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
    while (!count) {
        pause();
    }
    CHECK_EQ(code, SI_TIMER);
    CHECK_EQ(value, 41);
    CHECK_EQ(overrun, 0);

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    count = 0;
    its = (struct itimerspec){{0, 20000000}, {0, 20000000}};
    CHECK_EQ(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
    usleep(230000);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK_EQ(count, 1);
    CHECK(overrun >= 9 && overrun < 200);
    CHECK_EQ(syscall(SYS_timer_getoverrun, id), overrun);
    its = (struct itimerspec){{0, 0}, {0, 0}};
    CHECK_EQ(syscall(SYS_timer_settime, id, 0, &its, &now), 0);
    CHECK_EQ(now.it_interval.tv_nsec, 20000000);
    CHECK_EQ(syscall(SYS_timer_gettime, id, &now), 0);
    CHECK_EQ(now.it_value.tv_nsec, 0);

    CHECK_EQ(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id2), 0);
    CHECK(id2 != id);
    struct timespec abs;
    clock_gettime(CLOCK_REALTIME, &abs);
    its = (struct itimerspec){{0, 0}, {abs.tv_sec, abs.tv_nsec}};
    count = 0;
    CHECK_EQ(syscall(SYS_timer_settime, id2, TIMER_ABSTIME, &its, NULL), 0);
    while (!count) {
        pause();
    }
    CHECK_EQ(value, id2);

    ev = (struct sigevent){.sigev_notify = SIGEV_NONE};
    int id3 = -1;
    CHECK_EQ(syscall(SYS_timer_create, CLOCK_BOOTTIME, &ev, &id3), 0);
    its = (struct itimerspec){{0, 0}, {100, 0}};
    CHECK_EQ(syscall(SYS_timer_settime, id3, 0, &its, NULL), 0);
    CHECK_EQ(syscall(SYS_timer_gettime, id3, &now), 0);
    CHECK_EQ(now.it_value.tv_sec, 99);
    its.it_value.tv_nsec = 1000000000;
    CHECK_ERRNO(syscall(SYS_timer_settime, id3, 0, &its, NULL), EINVAL);
    CHECK_EQ(syscall(SYS_timer_delete, id3), 0);
    CHECK_ERRNO(syscall(SYS_timer_delete, id3), EINVAL);

    ev = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    ev._sigev_un._tid = (int)syscall(SYS_gettid);
    CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id3), 0);
    its = (struct itimerspec){{0, 0}, {0, 1000000}};
    count = 0;
    CHECK_EQ(syscall(SYS_timer_settime, id3, 0, &its, NULL), 0);
    while (!count) {
        pause();
    }
    CHECK_EQ(tid_seen, (int)syscall(SYS_gettid));
    ev._sigev_un._tid = 1;
    CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id3), EINVAL);
    return 0;
}
