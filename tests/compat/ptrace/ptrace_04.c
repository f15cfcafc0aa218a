/*
 * Signals of a tracee: its tracer hears of each, also of those that it ignores, but SIGKILL; it suppresses one, sends another, changes
 * siginfo; masks and the queue can be read, the mask be set. A stop's SIGCHLD is CLD_TRAPPED, unless SA_NOCLDSTOP.
 */
#include "tests/compat/ptrace/tracer.h"

static volatile int got[65], value;
static void handler(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got[sig]++;
    value = info->si_code == SI_QUEUE ? info->si_value.sival_int : value;
}

static int child(void)
{
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGUSR2, &a, NULL);
    signal(SIGWINCH, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        raise(SIGUSR1);
    }
    raise(SIGWINCH);
    raise(SIGTERM);
    sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 5});
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 2});
    raise(SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &set);
    return got[SIGUSR1] == 2 && got[SIGUSR2] == 2 && value == 77 &&
                   sigismember(&set, SIGINT) == 1 && sigismember(&set, SIGHUP) == 0
               ? 9
               : 1;
}

static volatile int child_code;
static void on_child(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    child_code = info->si_code;
}

int main(void)
{
    siginfo_t info;
    uint64_t mask;
    struct sigaction a = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGCHLD, &a, NULL);
    pid_t pid = traced_child(child);
    CHECK_EQ(child_code, CLD_TRAPPED);
    a.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &a, NULL);
    child_code = 0;

    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);
    CHECK_EQ(child_code, 0);
    CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(info.si_signo, SIGUSR1);
    CHECK_EQ(info.si_code, SI_TKILL);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(go(pid, PTRACE_CONT, SIGUSR1), SIGUSR1);  /* runs */
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);        /* suppressed */
    CHECK_EQ(go(pid, PTRACE_CONT, SIGUSR2), SIGWINCH); /* as another; and the next is ignored */
    CHECK_EQ(go(pid, PTRACE_CONT, SIGWINCH), SIGTERM);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR2);
    CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(info.si_code, SI_QUEUE);
    CHECK_EQ(info.si_value.sival_int, 5);
    info.si_value.sival_int = 77;
    CHECK_EQ(ptrace(PTRACE_SETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(go(pid, PTRACE_CONT, SIGUSR2), SIGUSR1);

    struct __ptrace_peeksiginfo_args peek = {.off = 0, .flags = PTRACE_PEEKSIGINFO_SHARED, .nr = 5};
    siginfo_t queue[5];
    CHECK_EQ(ptrace(PTRACE_PEEKSIGINFO, pid, &peek, queue), 2);
    CHECK_EQ(queue[1].si_value.sival_int, 2);
    peek.off = 1;
    CHECK_EQ(ptrace(PTRACE_PEEKSIGINFO, pid, &peek, queue), 1);
    CHECK_EQ(queue[0].si_value.sival_int, 2);
    peek.flags = 0;
    CHECK_EQ(ptrace(PTRACE_PEEKSIGINFO, pid, &peek, queue), 0);
    peek.flags = 2;
    CHECK_ERRNO(ptrace(PTRACE_PEEKSIGINFO, pid, &peek, queue), EINVAL);

    CHECK_EQ(ptrace(PTRACE_GETSIGMASK, pid, 8, &mask), 0);
    CHECK_EQ(mask, 1UL << (SIGHUP - 1) | 1UL << (SIGRTMIN - 1));
    CHECK_ERRNO(ptrace(PTRACE_GETSIGMASK, pid, 4, &mask), EINVAL);
    mask = 1UL << (SIGINT - 1) | 1UL << (SIGRTMIN - 1) | 1UL << (SIGKILL - 1);
    CHECK_EQ(ptrace(PTRACE_SETSIGMASK, pid, 8, &mask), 0);
    CHECK_EQ(ptrace(PTRACE_GETSIGMASK, pid, 8, &mask), 0);
    CHECK_EQ(mask, 1UL << (SIGINT - 1) | 1UL << (SIGRTMIN - 1));
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 65), EIO);
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, -1), EIO);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, SIGUSR1), 0);
    must_wait_for(pid, 9 << 8);

    pid = traced_child(child);
    kill(pid, SIGKILL); /* no stop of its own */
    must_wait_for(pid, SIGKILL);
    pid = traced_child(child);
    CHECK_EQ(ptrace(PTRACE_KILL, pid, 0, 0), 0);
    must_wait_for(pid, SIGKILL);
    return 0;
}
