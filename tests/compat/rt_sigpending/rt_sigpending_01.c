/*
 * Queues (signal(7)):
 * 1. A standard signal is pending once however often it is sent; real-time ones queue.
 * 2. Unblocked together, the lowest number is delivered first; equal ones in the order sent.
 * 3. sigpending shows signals of the thread and of the process that are blocked.
 * 4. An oversized set is EINVAL.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>

static volatile int log_sig[16], log_value[16], logged;

static void handler(int sig, siginfo_t *si, void *uc)
{
    (void)uc;
    log_sig[logged] = sig;
    log_value[logged++] = si->si_value.sival_int;
}

int main(void)
{
    sigset_t all, none, set;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigfillset(&sa.sa_mask);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGRTMIN + 1, &sa, NULL);
    sigaction(SIGRTMIN + 2, &sa, NULL);
    for (int i = 0; i < 3; i++) {
        union sigval v = {.sival_int = i};
        CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 2, v), 0);
        CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 1, v), 0);
        CHECK_EQ(sigqueue(getpid(), SIGUSR1, v), 0);
    }
    CHECK_EQ(sigpending(&set), 0);
    CHECK_EQ(sigismember(&set, SIGUSR1), 1);
    CHECK_EQ(sigismember(&set, SIGRTMIN + 1), 1);
    CHECK_EQ(sigismember(&set, SIGUSR2), 0);
    raise(SIGUSR2); /* to the thread */
    CHECK_EQ(sigpending(&set), 0);
    CHECK_EQ(sigismember(&set, SIGUSR2), 1);
    CHECK_ERRNO(syscall(SYS_rt_sigpending, &set, 16), EINVAL);
    signal(SIGUSR2, SIG_IGN);

    sigprocmask(SIG_SETMASK, &none, NULL);
    CHECK_EQ(logged, 7);
    /* All frames are built at once: the handler of the last one built runs first. With everything masked
       in each, every handler returns before the next starts, in the order of delivery. */
    CHECK_EQ(log_sig[0], SIGUSR1);
    CHECK_EQ(log_value[0], 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(log_sig[1 + i], SIGRTMIN + 1);
        CHECK_EQ(log_value[1 + i], i);
        CHECK_EQ(log_sig[4 + i], SIGRTMIN + 2);
        CHECK_EQ(log_value[4 + i], i);
    }
    return 0;
}
