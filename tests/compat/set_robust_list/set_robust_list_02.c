/*
 * Robust futexes and sleepers:
 * 1. A thread that sleeps on a robust mutex is woken with EOWNERDEAD when the owner's thread exits.
 * 2. So is one in another process, when the owner's process calls exit.
 * 3. set_tid_address: the word is cleared, and its waiter woken, when the thread exits.
 */
#include "../compat.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static struct shared {
    pthread_mutex_t m;
    volatile int locked;
    int tid_word;
} * s;

static void *hold(void *arg)
{
    pthread_mutex_lock(&s->m);
    s->locked = 1;
    usleep(60000);
    return arg;
}

static int hold_process(void)
{
    hold(NULL);
    exit(0);
}

static void recover(void)
{
    while (!s->locked) {
        usleep(1000);
    }
    CHECK_EQ(pthread_mutex_lock(&s->m), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&s->m), 0);
    CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
    s->locked = 0;
}

static void *other_word(void *arg)
{
    syscall(SYS_set_tid_address, &s->tid_word);
    s->tid_word = 77;
    s->locked = 1;
    usleep(60000);
    syscall(SYS_exit, 0);
    return arg;
}

int main(void)
{
    s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_mutex_init(&s->m, &a), 0);
    pthread_t p;
    CHECK_EQ(pthread_create(&p, NULL, hold, NULL), 0);
    recover();
    CHECK_EQ(pthread_join(p, NULL), 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        return hold_process();
    }
    recover();
    CHECK_EQ(waitpid(pid, NULL, 0), pid);

    CHECK_EQ(pthread_create(&p, NULL, other_word, NULL), 0);
    while (!s->locked) {
        usleep(1000);
    }
    while (__atomic_load_n(&s->tid_word, __ATOMIC_ACQUIRE) != 0) {
        syscall(SYS_futex, &s->tid_word, FUTEX_WAIT, 77, NULL, NULL, 0);
    }
    return 0;
}
