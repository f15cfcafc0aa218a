/*
 * tgkill(2), tkill(2), and who gets a signal:
 * 1. tgkill reaches exactly that thread, with SI_TKILL; a wrong tgid is ESRCH; 0 and negative EINVAL.
 * 2. A process signal goes to a thread that does not block it.
 * 3. A thread that blocks a pending process signal hands it to another.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static volatile pid_t got_tid, worker_tid;
static volatile int got_code;
static volatile int stop;

static void handler(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    got_code = si->si_code;
    got_tid = (pid_t)syscall(SYS_gettid);
}

static void *worker(void *arg)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    worker_tid = (pid_t)syscall(SYS_gettid);
    while (!stop) {
        usleep(1000);
    }
    return arg;
}

static void wait_got(void)
{
    for (int i = 0; i < 5000 && !got_tid; i++) {
        usleep(1000);
    }
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    pthread_t p;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(pthread_create(&p, NULL, worker, NULL), 0);
    while (!worker_tid) {
        usleep(1000);
    }
    CHECK_ERRNO(syscall(SYS_tgkill, 0, worker_tid, SIGUSR1), EINVAL);
    CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 0, SIGUSR1), EINVAL);
    CHECK_ERRNO(syscall(SYS_tgkill, getpid() + 1, worker_tid, SIGUSR1), ESRCH);
    CHECK_ERRNO(syscall(SYS_tgkill, getpid(), worker_tid, 65), EINVAL);
    CHECK_ERRNO(syscall(SYS_tkill, -1, SIGUSR1), EINVAL);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), worker_tid, 0), 0);

    CHECK_EQ(syscall(SYS_tgkill, getpid(), worker_tid, SIGUSR1), 0);
    wait_got();
    CHECK_EQ(got_tid, worker_tid);
    CHECK_EQ(got_code, SI_TKILL);
    got_tid = 0;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    wait_got();
    CHECK_EQ(got_tid, worker_tid);
    CHECK_EQ(got_code, SI_USER);
    stop = 1;
    CHECK_EQ(pthread_join(p, NULL), 0);
    /* join comes back a moment before the thread is gone */
    for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), worker_tid, 0) == 0; i++) {
        usleep(1000);
    }
    CHECK_ERRNO(syscall(SYS_tgkill, getpid(), worker_tid, 0), ESRCH);
    return 0;
}
