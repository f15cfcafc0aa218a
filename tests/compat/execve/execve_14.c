/*
 * A thread that is not its process's leader executes: the new program has the process's number, and is its only thread, whatever the leader does (it waits,
 * it runs, it has ended), and with other credentials than the sandbox's caller, too.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <sys/syscall.h>

#define ROUNDS 60

static char g_path[PATH_MAX];
static volatile int g_never;

static int program(const char *want)
{
    int me = atoi(want);
    CHECK_EQ(getpid(), me);
    CHECK_EQ(syscall(SYS_gettid), me);
    return 7;
}

static void *runs(void *arg)
{
    while (!g_never) {
        getppid();
    }
    return arg;
}

static void *executes(void *arg)
{
    char number[16];
    char *args[] = {g_path, number, NULL};
    snprintf(number, sizeof(number), "%d", (int)getpid());
    usleep((useconds_t)(uintptr_t)arg);
    execv(g_path, args);
    _exit(9);
    return NULL;
}

static void process(int round)
{
    pthread_t t;
    if (round & 1 && geteuid() == 0) {
        CHECK_EQ(setresgid(1000, 1000, 1000), 0);
        CHECK_EQ(setresuid(1000, 1000, 1000), 0);
    }
    CHECK_EQ(pthread_create(&t, NULL, executes, (void *)(uintptr_t)(round % 7 * 50)), 0);
    if (round & 2) {
        CHECK_EQ(pthread_create(&t, NULL, runs, NULL), 0);
    }
    if (round % 3 == 0) {
        pause();
    }
    if (round % 3 == 1) {
        syscall(SYS_exit, 0);
    }
    runs(NULL);
}

int main(int argc, char **argv)
{
    int status;
    if (argc > 1) {
        return program(argv[1]);
    }
    CHECK(realpath("/proc/self/exe", g_path) != NULL);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            process(i);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 7 << 8);
    }
    return 0;
}
