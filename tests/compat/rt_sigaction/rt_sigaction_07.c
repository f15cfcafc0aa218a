/*
 * Actions in a child that runs in its parent's memory, as posix_spawn makes it: it sees its parent's, asks for each and sets it to
 * SIG_DFL with a restorer, sees what it has set, and the parent does not; what ignores a pending signal drops it; SIGKILL can't be
 * set; after exec handlers are gone, and what is ignored stays so.
 */
#include "tests/compat/compat.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/syscall.h>

#define RESTORER 0x04000000UL

struct action {
    uint64_t handler, flags, restorer, mask;
};

static char g_stack[65536];
static bool g_failed;

static void handler(int sig)
{
    (void)sig;
}

static int action(int sig, const struct action *new, struct action *old)
{
    return (int)syscall(SYS_rt_sigaction, sig, new, old, 8);
}

/* CHECK would call exit. */
#define EXPECT(c)                                                                                  \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            dprintf(2, "%d: %s\n", __LINE__, #c);                                                  \
            g_failed = true;                                                                       \
        }                                                                                          \
    } while (0)

static bool is(int sig, uint64_t handler_, uint64_t flags, uint64_t restorer)
{
    struct action now = {1, 2, 3, 4};
    return action(sig, NULL, &now) == 0 && now.handler == handler_ && now.flags == flags &&
           now.restorer == restorer && now.mask == 0;
}

static uint64_t pending(void)
{
    uint64_t set = 0;
    EXPECT(syscall(SYS_rt_sigpending, &set, 8) == 0);
    return set;
}

static int in_child(void *unused)
{
    (void)unused;
    const struct action plain = {0, RESTORER, 0x1234560, 0}, other = {0, RESTORER, 0x6543210, 0};
    const struct action bare = {0}, masked = {0, RESTORER, 0x1234560, 1 << 5},
                        ignore = {1, 0, 0, 0};
    struct action old;
    uint64_t all = ~0UL;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
    EXPECT(is(SIGUSR2, 1, 0, 0) && is(SIGHUP, 0, 0, 0) && is(SIGKILL, 0, 0, 0));
    EXPECT(action(SIGUSR1, NULL, &old) == 0 && old.handler == (uint64_t)(uintptr_t)handler);
    EXPECT(action(SIGKILL, &plain, NULL) == -1 && errno == EINVAL);
    EXPECT(action(0, &plain, NULL) == -1 && action(65, NULL, &old) == -1 && errno == EINVAL);
    for (int sig = 1; sig <= 64; sig++) {
        if (sig != SIGKILL && sig != SIGSTOP) {
            EXPECT(action(sig, NULL, &old) == 0 && action(sig, &plain, NULL) == 0);
            EXPECT(is(sig, 0, RESTORER, 0x1234560));
        }
    }
    EXPECT(action(SIGHUP, &other, &old) == 0 && old.restorer == 0x1234560);
    EXPECT(is(SIGHUP, 0, RESTORER, 0x6543210) && is(SIGINT, 0, RESTORER, 0x1234560));
    EXPECT(action(SIGINT, &bare, NULL) == 0 && is(SIGINT, 0, 0, 0));
    EXPECT(action(SIGQUIT, &masked, &old) == 0 && action(SIGQUIT, NULL, &old) == 0);
    EXPECT(old.mask == 1 << 5 && old.restorer == 0x1234560);
    EXPECT(action(SIGTERM, (void *)8, NULL) == -1 && errno == EFAULT);
    EXPECT(syscall(SYS_rt_sigaction, SIGTERM, NULL, &old, 4) == -1 && errno == EINVAL);
    pid_t self = (pid_t)syscall(SYS_getpid);
    EXPECT(kill(self, SIGWINCH) == 0 && kill(self, SIGALRM) == 0);
    EXPECT(pending() == (1UL << (SIGWINCH - 1) | 1UL << (SIGALRM - 1)));
    EXPECT(action(SIGWINCH, &plain, NULL) == 0 && action(SIGALRM, &plain, NULL) == 0);
    EXPECT(pending() == 1UL << (SIGALRM - 1));
    EXPECT(action(SIGALRM, &ignore, NULL) == 0 && pending() == 0 && is(SIGALRM, 1, 0, 0));
    return 3;
}

/* As a new program: SIGUSR2 is ignored, and nothing else has an action; 32 and 33 are the C library's. */
static int after_exec(void)
{
    for (int sig = 1; sig <= 64; sig++) {
        CHECK(sig == 32 || sig == 33 || is(sig, sig == SIGUSR2, 0, 0));
    }
    return 4;
}

extern char **environ;

int main(int argc, char **argv)
{
    int status;
    if (argc > 1) {
        return after_exec();
    }
    const struct action ignore = {1, 0, 0, 0};
    struct action usr1, now;
    signal(SIGUSR1, handler);
    CHECK(action(SIGUSR2, &ignore, NULL) == 0 && action(SIGUSR1, NULL, &usr1) == 0);
    for (int i = 0; i < 20; i++) { /* from the eighth on, it may know its actions */
        CHECK(is(SIGUSR2, 1, 0, 0));
        pid_t pid =
            clone(in_child, g_stack + sizeof(g_stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 && !g_failed);
        CHECK(is(SIGUSR2, 1, 0, 0) && is(SIGHUP, 0, 0, 0) && is(SIGQUIT, 0, 0, 0));
        CHECK(action(SIGUSR1, NULL, &now) == 0 && memcmp(&now, &usr1, sizeof(now)) == 0);
    }
    char *args[] = {argv[0], "again", NULL};
    pid_t pid;
    CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 4);
    return 0;
}
