/*
 * CLONE_VM without CLONE_THREAD: the memory lives on with the one that stays, whoever of the processes that share it ends first, and how; at
 * no moment does a system call of the other fail to reach it.
 */
#include "tests/compat/compat.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define ROUNDS 60
#define CALLS  200
#define BIG    300000 /* more than any kernel takes along with a call */

static char g_big[BIG], g_stack[65536] __attribute__((aligned(16)));
static volatile int *g_done;

/* Runs in the memory of a process that ends meanwhile. */
static int stays(void *arg)
{
    struct iovec v[2] = {{g_big, BIG / 2}, {g_big + BIG / 2, BIG / 2}};
    int fd = memfd_create("x", 0);
    for (int i = 0; i < CALLS; i++) {
        if (pwritev(fd, v, 2, 0) != BIG || preadv(fd, v, 2, 0) != BIG) {
            g_done[0] = -1 - errno;
            break;
        }
    }
    g_done[1] = 1;
    syscall(SYS_exit_group, 0);
    return arg != NULL;
}

static void one_round(int round)
{
    int status;
    g_done[0] = g_done[1] = 0;
    pid_t first = fork();
    CHECK(first >= 0);
    if (first == 0) {
        CHECK(clone(stays, g_stack + sizeof(g_stack), CLONE_VM, NULL) > 0);
        usleep((useconds_t)(round % 10) * 100);
        if (round % 2) {
            syscall(SYS_exit_group, 5);
        }
        raise(SIGKILL);
    }
    CHECK_EQ(waitpid(first, &status, 0), first);
    CHECK_EQ(status, round % 2 ? 5 << 8 : SIGKILL);
    for (int i = 0; i < 5000 && !g_done[1]; i++) {
        usleep(1000);
    }
    CHECK_EQ(g_done[1], 1);
    CHECK_EQ(g_done[0], 0);
}

int main(void)
{
    g_done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_done != MAP_FAILED);
    for (int i = 0; i < ROUNDS; i++) {
        one_round(i);
    }
    return 0;
}
