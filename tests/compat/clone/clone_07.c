/*
 * A thousand children one after the other that share their parent's memory, but are no threads and not vfork's: of those that exit, that
 * are killed wherever they are, and that execute a program. Claims: the last one can be made as the first one. clone(2).
 */
#include "../compat.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define ROUNDS 1050

static char g_stack[65536] __attribute__((aligned(16)));
static char *const g_argv[] = {"self", "ends", NULL};

static int exits(void *arg)
{
    (void)arg;
    _exit(3);
}

static int goes_on(void *arg)
{
    *(volatile int *)arg = 1;
    while (*(volatile int *)arg) {
        getppid();
    }
    return 0;
}

static int executes(void *arg)
{
    (void)arg;
    execv("/proc/self/exe", g_argv);
    _exit(1);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        _exit(3);
    }
    for (int i = 0; i < 3 * ROUNDS; i++) {
        static int (*const kinds[])(void *) = {exits, goes_on, executes};
        volatile int runs = 0;
        int status, kind = i % 3;
        pid_t pid =
            clone(kinds[kind], g_stack + sizeof(g_stack), CLONE_VM | SIGCHLD, (void *)&runs);
        CHECK(pid > 0);
        if (kind == 1) {
            for (int k = i % 50; k > 0 || (i % 4 == 0 && !runs); k--) {
                getppid();
            }
            CHECK(kill(pid, SIGKILL) == 0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, kind == 1 ? SIGKILL : 3 << 8);
    }
    return 0;
}
