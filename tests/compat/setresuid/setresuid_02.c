/*
 * Ids that are asked for again and again are the ones of now; needs to be root.
 * 1. getresuid and getresgid after each change, by any of the calls that change ids.
 * 2. A thread's ids are its own: another thread's change is not seen. A child has its parent's of the fork.
 * 3. A bad pointer is EFAULT, and those before it are written.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/syscall.h>

static void want(int call, unsigned real, unsigned effective, unsigned saved)
{
    for (int i = 0; i < 20; i++) {
        unsigned id[3] = {77, 77, 77};
        CHECK_EQ(syscall(call, &id[0], &id[1], &id[2]), 0);
        CHECK_EQ(id[0], real);
        CHECK_EQ(id[1], effective);
        CHECK_EQ(id[2], saved);
    }
}

static void bad_pointers(void)
{
    for (int i = 0; i < 20; i++) {
        unsigned id[2] = {77, 77};
        CHECK_ERRNO(syscall(SYS_getresuid, &id[0], 8, &id[1]), EFAULT);
        CHECK_EQ(id[0], 0);
        CHECK_EQ(id[1], 77);
        CHECK_ERRNO(syscall(SYS_getresgid, 8, &id[0], &id[1]), EFAULT);
    }
}

static pthread_barrier_t g_turn;
static void *changes(void *arg)
{
    want(SYS_getresuid, 0, 0, 0);
    CHECK_EQ(syscall(SYS_setresuid, -1, 1000, 7), 0);
    want(SYS_getresuid, 0, 1000, 7);
    pthread_barrier_wait(&g_turn);
    pthread_barrier_wait(&g_turn);
    CHECK_EQ(syscall(SYS_setresuid, -1, 0, -1), 0);
    want(SYS_getresuid, 0, 0, 7);
    return arg;
}

static void threads(void)
{
    pthread_t t;
    pthread_barrier_init(&g_turn, NULL, 2);
    CHECK_EQ(pthread_create(&t, NULL, changes, NULL), 0);
    want(SYS_getresuid, 0, 0, 0);
    pthread_barrier_wait(&g_turn);
    want(SYS_getresuid, 0, 0, 0);
    pthread_barrier_wait(&g_turn);
    want(SYS_getresuid, 0, 0, 0);
    pthread_join(t, NULL);
}

static void all_changes(void)
{
    want(SYS_getresgid, 0, 0, 0);
    CHECK_EQ(syscall(SYS_setresgid, 1, 2, 3), 0);
    want(SYS_getresgid, 1, 2, 3);
    CHECK_EQ(syscall(SYS_setregid, -1, 4), 0);
    want(SYS_getresgid, 1, 4, 4);
    CHECK_EQ(syscall(SYS_setgid, 5), 0);
    want(SYS_getresgid, 5, 5, 5);
    want(SYS_getresuid, 0, 0, 0);
    CHECK_EQ(syscall(SYS_setreuid, -1, 10), 0);
    want(SYS_getresuid, 0, 10, 10);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        want(SYS_getresuid, 0, 10, 10);
        CHECK_EQ(syscall(SYS_setreuid, -1, 0), 0);
        want(SYS_getresuid, 0, 0, 10);
        CHECK_EQ(syscall(SYS_setuid, 20), 0);
        want(SYS_getresuid, 20, 20, 20);
        want(SYS_getresgid, 5, 5, 5);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    want(SYS_getresuid, 0, 10, 10);
}

int main(void)
{
    if (geteuid() != 0 || getuid() != 0) {
        SKIP("needs root");
    }
    bad_pointers();
    threads();
    all_changes();
    return 0;
}
