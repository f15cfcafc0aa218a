/*
 * rt_sigtimedwait(2):
 * 1. Takes a pending signal of the set, with its siginfo, without running a handler.
 * 2. EAGAIN when the time is up, at once for a zero timeout; EINVAL for a bad one.
 * 3. EINTR when another signal's handler ran.
 * 4. Waits for a signal to come; also one that is ignored by default (SIGCHLD) while it is blocked.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static volatile sig_atomic_t count;

static void handler(int sig)
{
    (void)sig;
    count++;
}

int main(void)
{
    sigset_t set;
    siginfo_t si;
    struct timespec zero = {0}, bad = {0, 1000000000}, bit = {0, 20000000}, start, end;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR1, handler);
    CHECK_ERRNO(sigtimedwait(&set, &si, &zero), EAGAIN);
    CHECK_ERRNO(sigtimedwait(&set, &si, &bad), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &set, &si, &zero, 4), EINVAL);
    clock_gettime(CLOCK_MONOTONIC, &start);
    CHECK_ERRNO(sigtimedwait(&set, &si, &bit), EAGAIN);
    clock_gettime(CLOCK_MONOTONIC, &end);
    CHECK((end.tv_sec - start.tv_sec) * 1000000000L + end.tv_nsec - start.tv_nsec >= 20000000);

    union sigval v = {.sival_int = 55};
    CHECK_EQ(sigqueue(getpid(), SIGUSR1, v), 0);
    CHECK_EQ(sigtimedwait(&set, &si, &zero), SIGUSR1);
    CHECK_EQ(si.si_value.sival_int, 55);
    CHECK_EQ(si.si_code, SI_QUEUE);
    CHECK_EQ(si.si_pid, getpid());
    CHECK_EQ(count, 0);

    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        _exit(4);
    }
    CHECK_EQ(sigwaitinfo(&set, &si), SIGCHLD);
    CHECK_EQ(si.si_code, CLD_EXITED);
    CHECK_EQ(si.si_status, 4);
    CHECK_EQ(si.si_pid, pid);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);

    signal(SIGALRM, handler);
    alarm(1);
    CHECK_ERRNO(sigwaitinfo(&set, &si), EINTR);
    CHECK_EQ(count, 1);
    return 0;
}
