/*
 * kill(2):
 * 1. ESRCH for nobody (before the signal number is looked at), EINVAL for a bad signal.
 * 2. Signal 0 only checks; a zombie can be signalled.
 * 3. A negative pid reaches the whole group; kill(0) the caller's own.
 * 4. si_code SI_USER, si_pid and si_uid are the sender's.
 * 5. SIGKILL ends a process that spins, and one that has blocked everything.
 */
#include "../compat.h"

#include <signal.h>

static volatile sig_atomic_t got_pid, got_code, got_uid;

static void handler(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    got_pid = si->si_pid;
    got_code = si->si_code;
    got_uid = (int)si->si_uid;
}

int main(void)
{
    int status;
    siginfo_t si;
    pid_t gone = fork();
    if (gone == 0) {
        _exit(0);
    }
    CHECK_EQ(waitid(P_PID, (id_t)gone, &si, WEXITED | WNOWAIT), 0);
    CHECK_EQ(kill(gone, 0), 0);
    CHECK_EQ(kill(gone, SIGTERM), 0);
    CHECK_EQ(waitpid(gone, &status, 0), gone);
    CHECK_EQ(status, 0);
    CHECK_ERRNO(kill(gone, 0), ESRCH);
    CHECK_ERRNO(kill(gone, 999), ESRCH);
    CHECK_ERRNO(kill(getpid(), 65), EINVAL);
    CHECK_ERRNO(kill(getpid(), -1), EINVAL);
    CHECK_ERRNO(kill(-gone, SIGTERM), ESRCH);
    CHECK_ERRNO(kill(INT_MIN, SIGTERM), ESRCH);

    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(got_pid, getpid());
    CHECK_EQ(got_code, SI_USER);
    CHECK_EQ(got_uid, (int)getuid());

    pid_t spin = fork();
    if (spin == 0) {
        setpgid(0, 0);
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        for (volatile long i = 0;; i++) {
        }
    }
    setpgid(spin, spin);
    pid_t nap = fork();
    if (nap == 0) {
        setpgid(0, spin);
        for (;;) {
            pause();
        }
    }
    setpgid(nap, spin);
    usleep(10000);
    CHECK_EQ(kill(-spin, SIGKILL), 0);
    CHECK_EQ(waitpid(spin, &status, 0), spin);
    CHECK_EQ(status, SIGKILL);
    CHECK_EQ(waitpid(nap, &status, 0), nap);
    CHECK_EQ(status, SIGKILL);

    pid_t group = fork();
    if (group == 0) {
        setpgid(0, 0);
        kill(0, SIGTERM);
        _exit(0);
    }
    CHECK_EQ(waitpid(group, &status, 0), group);
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    return 0;
}
