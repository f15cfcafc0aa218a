/*
 * What rt_sigaction says is what was set last, however often it was asked before:
 * 1. In a loop of queries, of changes, and of calls that set what is set already: old and new action, mask and flags.
 * 2. After SA_RESETHAND ran, after another thread or a CLONE_SIGHAND child has changed it.
 * 3. In children, over several generations, each of which starts from its parent's; changes in either are not the other's.
 * 4. After exec: handlers are gone, ignored signals stay so.
 * 5. Setting SIG_IGN again drops what is pending; SIGKILL, SIGSTOP, bad numbers, sizes and pointers are refused as the first time.
 * 6. A child's getpid and gettid are its own, in its children, too.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

struct raw {
    unsigned long handler, flags, restorer, mask;
};

static struct raw g_template; /* what the C library sets: its restorer */
static volatile sig_atomic_t g_ran;

static void handler(int sig)
{
    (void)sig;
    g_ran++;
}
static void other(int sig)
{
    (void)sig;
}

static long raw(int sig, const struct raw *new, struct raw *old)
{
    return syscall(SYS_rt_sigaction, sig, new, old, 8);
}
static struct raw action_of(void (*f)(int), unsigned long more_flags, unsigned long mask)
{
    struct raw a = g_template;
    a.handler = (unsigned long)f;
    a.flags |= more_flags;
    a.mask = mask;
    return a;
}
static void must_be(int sig, const struct raw *want)
{
    struct raw now;
    for (int i = 0; i < 6; i++) {
        CHECK(raw(sig, NULL, &now) == 0);
        CHECK(memcmp(&now, want, sizeof(now)) == 0);
    }
}
/* Sets a, again and again. */
static void set_often(int sig, const struct raw *a)
{
    struct raw old;
    CHECK(raw(sig, a, NULL) == 0);
    for (int i = 0; i < 12; i++) {
        CHECK(raw(sig, a, &old) == 0);
        CHECK(memcmp(&old, a, sizeof(old)) == 0);
    }
}

static void in_a_loop(void)
{
    const struct raw a = action_of(handler, 0, 1UL << (SIGUSR2 - 1));
    const struct raw b = action_of(other, SA_RESTART, 0);
    struct raw c = a, old;
    for (int i = 0; i < 30; i++) {
        const struct raw *new = i % 3 ? &a : &b;
        set_often(SIGUSR1, new);
        must_be(SIGUSR1, new);
    }
    c.mask |= 1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1); /* never blocked: as if not there */
    CHECK(raw(SIGUSR1, &a, NULL) == 0 && raw(SIGUSR1, &c, &old) == 0);
    CHECK(memcmp(&old, &a, sizeof(old)) == 0);
    must_be(SIGUSR1, &a);
    c = a;
    c.flags ^= SA_RESTART;
    CHECK(raw(SIGUSR1, &c, NULL) == 0);
    must_be(SIGUSR1, &c);
}

static void *thread(void *arg)
{
    CHECK(raw(SIGUSR1, arg, NULL) == 0);
    return NULL;
}
static int sighand_child(void *arg)
{
    return raw(SIGUSR1, arg, NULL) == 0 ? 0 : 1;
}
static void changed_elsewhere(void)
{
    static char stack[65536];
    const struct raw once = action_of(handler, SA_RESETHAND, 0);
    struct raw gone = once, a = action_of(other, 0, 0), b = action_of(handler, SA_RESTART, 0);
    int status;
    pthread_t t;
    gone.handler = 0;
    for (int i = 0; i < 5; i++) {
        set_often(SIGUSR1, &once);
        raise(SIGUSR1);
        CHECK_EQ(g_ran, i + 1);
        must_be(SIGUSR1, &gone);
        set_often(SIGUSR1, &a);
        CHECK(pthread_create(&t, NULL, thread, &b) == 0 && pthread_join(t, NULL) == 0);
        must_be(SIGUSR1, &b);
        set_often(SIGUSR1, &b);
        pid_t pid = clone(sighand_child, stack + sizeof(stack),
                          CLONE_VM | CLONE_SIGHAND | CLONE_VFORK | SIGCHLD, &a);
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
        must_be(SIGUSR1, &a);
    }
}

static void generations(int depth)
{
    int status;
    const struct raw a = action_of(depth % 2 ? handler : other, 0, (unsigned long)depth);
    const struct raw mine = action_of(other, SA_RESTART, 1);
    set_often(SIGUSR2, &a);
    for (int i = 0; i < 3; i++) {
        pid_t self = getpid(), pid = fork();
        if (pid == 0) {
            CHECK(getpid() != self && getppid() == self && syscall(SYS_gettid) == getpid());
            CHECK(raw(SIGUSR2, &a, NULL) == 0);
            must_be(SIGUSR2, &a);
            set_often(SIGUSR2, &mine);
            must_be(SIGUSR2, &mine);
            if (depth < 3) {
                generations(depth + 1);
            }
            _exit(0);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        CHECK_EQ(status, 0);
        must_be(SIGUSR2, &a);
    }
}

static void after_exec(void)
{
    struct raw ignored = action_of(SIG_IGN, 0, 0), handled = action_of(handler, 0, 0);
    char *const argv[] = {"rt_sigaction_05", "exec", NULL};
    int status;
    set_often(SIGUSR1, &ignored);
    set_often(SIGUSR2, &handled);
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execv("/proc/self/exe", argv);
            _exit(2);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        CHECK_EQ(status, 0);
    }
}

static void refused(void)
{
    struct raw ignored = action_of(SIG_IGN, 0, 0), a = action_of(handler, 0, 0), old;
    sigset_t set, pending;
    set_often(SIGUSR1, &ignored);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(kill(getpid(), SIGUSR1) == 0);
        set_often(SIGUSR1, &ignored);
        CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
    }
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    set_often(SIGUSR1, &a);
    for (int i = 0; i < 5; i++) {
        CHECK_ERRNO(raw(SIGKILL, &a, NULL), EINVAL);
        CHECK_ERRNO(raw(SIGSTOP, &a, &old), EINVAL);
        CHECK(raw(SIGKILL, NULL, &old) == 0 && old.handler == 0);
        CHECK_ERRNO(raw(0, NULL, &old), EINVAL);
        CHECK_ERRNO(raw(65, NULL, &old), EINVAL);
        CHECK_ERRNO(raw(-1, &a, &old), EINVAL);
        CHECK(raw(64, NULL, &old) == 0);
        CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, &a, &old, 16), EINVAL);
        CHECK_ERRNO(raw(SIGUSR1, (void *)8, &old), EFAULT);
        CHECK_ERRNO(raw(SIGUSR1, &a, (void *)8), EFAULT);
        must_be(SIGUSR1, &a);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 2) {
        struct raw now;
        CHECK(raw(SIGUSR1, NULL, &now) == 0 && now.handler == 1);
        CHECK(raw(SIGUSR2, NULL, &now) == 0 && now.handler == 0);
        return 0;
    }
    CHECK(signal(SIGHUP, other) != SIG_ERR && raw(SIGHUP, NULL, &g_template) == 0);
    g_template.flags &= 0x04000000; /* SA_RESTORER */
    g_template.mask = 0;
    in_a_loop();
    changed_elsewhere();
    generations(0);
    after_exec();
    refused();
    return 0;
}
