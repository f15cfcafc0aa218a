/*
 * exit_group(2):
 * 1. Ends threads that sleep in system calls, and threads that run in user space.
 * 2. The status is its argument's low 8 bits.
 * 3. Called by a thread that is not the leader, it ends the process all the same.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/syscall.h>

static void *spin(void *arg)
{
    for (volatile long i = 0;; i++) {
    }
    return arg;
}

static void *sleeper(void *arg)
{
    pause();
    return arg;
}

static void *ender(void *arg)
{
    usleep(20000);
    syscall(SYS_exit_group, 0x1234);
    return arg;
}

static int child(void)
{
    pthread_t p;
    CHECK_EQ(pthread_create(&p, NULL, spin, NULL), 0);
    CHECK_EQ(pthread_create(&p, NULL, sleeper, NULL), 0);
    CHECK_EQ(pthread_create(&p, NULL, ender, NULL), 0);
    pause();
    return 1;
}

int main(void)
{
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(compat_child(child), 0x34);
    }
    return 0;
}
