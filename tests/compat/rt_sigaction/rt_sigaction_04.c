/*
 * What a signal does is what was set last, however often the old action has run:
 * 1. A handler changed between two signals: the new one runs, with its mask and flags; also when another thread or a
 *    vfork child that shares the handlers (CLONE_SIGHAND) changed it.
 * 2. SIG_IGN, SIG_DFL and SA_RESETHAND after a handler that ran often.
 * 3. A blocked signal waits, whether sigprocmask, sa_mask or the signal itself blocks it, and comes once at the return.
 * 4. siginfo names the sender as it is now: after fork, in a thread, after setuid; tgkill, tkill, kill and raise.
 * 5. A signal that comes with another one pending: the lower number first.
 * 6. A fault while its signal is blocked kills, as does one after SIG_DFL.
 */
#include "../compat.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static volatile sig_atomic_t ran[4], order[8], order_count;
static siginfo_t last;
static volatile sigset_t inside;

static void note(int which, const siginfo_t *si)
{
    sigset_t now;
    ran[which]++;
    last = *si;
    sigprocmask(SIG_BLOCK, NULL, &now);
    inside = now;
    order[order_count++ % 8] = si->si_signo;
}
static void first(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    note(0, si);
}
static void second(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    note(1, si);
}

static void set(int sig, void (*f)(int, siginfo_t *, void *), int flags, int also)
{
    struct sigaction sa = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&sa.sa_mask);
    if (also) {
        sigaddset(&sa.sa_mask, also);
    }
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static void send(int n)
{
    for (int i = 0; i < n; i++) {
        CHECK_EQ(raise(SIGUSR1), 0);
    }
}

static bool was_blocked(int sig)
{
    sigset_t s = inside;
    return sigismember(&s, sig);
}

static void *changes(void *arg)
{
    (void)arg;
    set(SIGUSR1, second, 0, 0);
    return NULL;
}

static int changes_too(void *arg)
{
    set(SIGUSR1, arg, 0, 0);
    return 0;
}

static void handlers(void)
{
    set(SIGUSR1, first, 0, SIGUSR2);
    send(5);
    CHECK_EQ(ran[0], 5);
    CHECK(was_blocked(SIGUSR1) && was_blocked(SIGUSR2));
    set(SIGUSR1, second, SA_NODEFER, 0);
    send(5);
    CHECK_EQ(ran[1], 5);
    CHECK(!was_blocked(SIGUSR1) && !was_blocked(SIGUSR2));
    set(SIGUSR1, first, 0, 0);
    send(5);
    CHECK_EQ(ran[0], 10);
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, changes, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    send(5);
    CHECK_EQ(ran[0], 10);
    CHECK_EQ(ran[1], 10);
    static char stack[65536] __attribute__((aligned(16)));
    for (int i = 0; i < 2; i++) {
        int flags = CLONE_VM | CLONE_SIGHAND | SIGCHLD;
        pid_t pid = clone(changes_too, stack + sizeof(stack), flags, (void *)(i ? second : first));
        CHECK(pid > 0);
        CHECK_EQ(waitpid(pid, NULL, 0), pid);
        send(5);
        CHECK_EQ(ran[0], 15);
        CHECK_EQ(ran[1], i ? 15 : 10);
    }
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    send(5);
    CHECK_EQ(ran[0], 15);
    set(SIGUSR1, first, SA_RESETHAND, 0);
    send(1);
    struct sigaction sa;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &sa), 0);
    CHECK(sa.sa_handler == SIG_DFL);
    CHECK_EQ(ran[0], 16);
}

static void masks(void)
{
    sigset_t usr1, old;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    set(SIGUSR1, first, 0, 0);
    send(3);
    ran[0] = 0;
    CHECK_EQ(sigprocmask(SIG_BLOCK, &usr1, &old), 0);
    send(3);
    CHECK_EQ(ran[0], 0);
    CHECK_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    CHECK_EQ(ran[0], 1);
    /* Two at once, each of which masks the other: the second comes when the first returns. */
    set(SIGUSR2, second, 0, SIGUSR1);
    set(SIGUSR1, first, 0, SIGUSR2);
    sigaddset(&usr1, SIGUSR2);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &usr1, &old), 0);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    order_count = 0;
    CHECK_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    CHECK_EQ(order_count, 2);
    CHECK_EQ(order[0], SIGUSR1);
    CHECK_EQ(order[1], SIGUSR2);
}

static volatile int nested_depth, nested_seen;
static void nested(int sig)
{
    if (nested_depth++ == 0) {
        raise(sig);
        nested_seen = ran[3]; /* not before we return */
    }
    ran[3]++;
}

static void by_itself(void)
{
    CHECK(signal(SIGUSR1, nested) != SIG_ERR);
    for (int i = 1; i <= 3; i++) {
        ran[3] = nested_depth = 0;
        send(1);
        CHECK_EQ(ran[3], 2);
        CHECK_EQ(nested_seen, 0);
    }
}

static void check_sender(int code, pid_t pid, uid_t uid)
{
    CHECK_EQ(last.si_code, code);
    CHECK_EQ(last.si_pid, pid);
    CHECK_EQ(last.si_uid, uid);
    CHECK_EQ(last.si_errno, 0);
}

static void *in_thread(void *arg)
{
    pid_t tid = (pid_t)syscall(SYS_gettid);
    (void)arg;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(syscall(SYS_tkill, tid, SIGUSR1), 0);
        check_sender(SI_TKILL, getpid(), getuid());
        CHECK_ERRNO(syscall(SYS_tgkill, tid, tid, SIGUSR1), ESRCH);
        CHECK_ERRNO(syscall(SYS_tgkill, getpid(), tid, 65), EINVAL);
        CHECK_EQ(syscall(SYS_tgkill, getpid(), tid, 0), 0);
    }
    return NULL;
}

static void senders(void)
{
    set(SIGUSR1, first, 0, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        check_sender(SI_USER, getpid(), getuid());
        CHECK_EQ(syscall(SYS_tkill, getpid(), SIGUSR1), 0);
        check_sender(SI_TKILL, getpid(), getuid());
    }
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, in_thread, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(raise(SIGUSR1), 0);
            check_sender(SI_TKILL, getpid(), getuid());
            CHECK(last.si_pid != parent);
        }
        if (getuid() == 0 && setresuid(1000, 1000, 1000) == 0) {
            CHECK_EQ(raise(SIGUSR1), 0);
            check_sender(SI_TKILL, getpid(), 1000);
        }
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static sigjmp_buf env;
static void jump(int sig)
{
    siglongjmp(env, sig);
}

/* Kinds of dying by a fault after having survived many. */
static int fault(int kind)
{
    volatile char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(signal(SIGSEGV, jump) != SIG_ERR);
    for (volatile int i = 0; i < 5; i++) {
        if (sigsetjmp(env, 1) == 0) {
            *p = 1;
            return 1;
        }
    }
    sigset_t set;
    sigfillset(&set);
    switch (kind) {
    case 0:
        sigprocmask(SIG_BLOCK, &set, NULL);
        break;
    case 1:
        signal(SIGSEGV, SIG_DFL);
        break;
    default:
        signal(SIGSEGV, SIG_IGN);
        break;
    }
    *p = 1;
    return 1;
}

int main(void)
{
    handlers();
    masks();
    by_itself();
    senders();
    for (int kind = 0; kind < 3; kind++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            _exit(fault(kind));
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    return 0;
}
