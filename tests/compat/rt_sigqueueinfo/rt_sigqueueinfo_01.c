/*
 * rt_sigqueueinfo(2), rt_tgsigqueueinfo(2):
 * 1. The siginfo arrives as sent, si_signo corrected.
 * 2. To others si_code must be negative and not SI_TKILL (EPERM); to oneself anything.
 * 3. ESRCH, EINVAL, EFAULT; the real-time queue's limit gives EAGAIN.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static volatile int code, value, signo;

static void handler(int sig, siginfo_t *si, void *uc)
{
    (void)uc;
    signo = sig;
    code = si->si_code;
    value = si->si_value.sival_int;
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    si.si_code = 1234;
    si.si_signo = 3;
    si.si_value.sival_int = 99;
    pid_t me = getpid();
    CHECK_EQ(syscall(SYS_rt_sigqueueinfo, me, SIGUSR1, &si), 0);
    CHECK_EQ(signo, SIGUSR1);
    CHECK_EQ(code, 1234);
    CHECK_EQ(value, 99);
    si.si_code = SI_TKILL;
    CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, me, me, SIGUSR1, &si), 0);
    CHECK_EQ(code, SI_TKILL);
    CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, me, 65, &si), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, me, SIGUSR1, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, 0, me, SIGUSR1, &si), EINVAL);

    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    si.si_code = SI_USER;
    CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, pid, SIGTERM, &si), EPERM);
    si.si_code = SI_TKILL;
    CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, pid, SIGTERM, &si), EPERM);
    si.si_code = SI_QUEUE;
    CHECK_EQ(syscall(SYS_rt_sigqueueinfo, pid, SIGKILL, &si), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, pid, SIGTERM, &si), ESRCH);

    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct rlimit rl = {0, 0};
    CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &rl), 0);
    CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, me, SIGRTMIN, &si), EAGAIN);
    CHECK_EQ(kill(me, SIGRTMIN), 0);
    CHECK_EQ(sigpending(&set), 0);
    CHECK_EQ(sigismember(&set, SIGRTMIN), 1);
    return 0;
}
