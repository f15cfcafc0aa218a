/*
 * rt_sigqueueinfo(2): what claims to come from a timer counts against RLIMIT_SIGPENDING like any other.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

int main(void)
{
    const struct rlimit few = {8, 8};
    sigset_t set;
    siginfo_t info = {.si_code = SI_TIMER};
    CHECK(setrlimit(RLIMIT_SIGPENDING, &few) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    long r = 0;
    for (int i = 0; i < 100 && r == 0; i++) {
        info.si_timerid = i;
        r = syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info);
    }
    CHECK(r == -1 && errno == EAGAIN);
    return 0;
}
