/*
 * Who a private FUTEX_WAKE wakes. Claims: in a process of one thread nobody, wherever the word is, but bad addresses and options are told;
 * as soon as somebody waits, a thread or a process that shares the memory, that one, and again nobody when it has ended. futex(2).
 */
#include "tests/compat/compat.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static uint32_t g_word, g_seen;

static long futex(uint32_t *at, int op, uint32_t value)
{
    return syscall(SYS_futex, at, op, value, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void check_nobody(void)
{
    CHECK_EQ(futex(&g_word, FUTEX_WAKE_PRIVATE, 1), 0);
    CHECK_EQ(futex(&g_word, FUTEX_WAKE_PRIVATE, INT32_MAX), 0);
    CHECK_EQ(futex(&g_word, FUTEX_WAKE, INT32_MAX), 0);
    CHECK_EQ(futex(&g_word, FUTEX_WAKE_BITSET_PRIVATE, INT32_MAX), 0);
}

static void check_bad(void)
{
    CHECK_EQ(futex(NULL, FUTEX_WAKE_PRIVATE, 1), 0); /* a private key is only an address */
    CHECK_ERRNO(futex((uint32_t *)((char *)&g_word + 1), FUTEX_WAKE_PRIVATE, 1), EINVAL);
    CHECK_ERRNO(futex((uint32_t *)(uintptr_t)-4096, FUTEX_WAKE_PRIVATE, 1), EFAULT);
    CHECK_ERRNO(futex(NULL, FUTEX_WAKE, 1), EFAULT);
    CHECK_ERRNO(futex(&g_word, FUTEX_WAKE_PRIVATE | FUTEX_CLOCK_REALTIME, 1), ENOSYS);
}

static int wait_here(void *unused)
{
    (void)unused;
    __atomic_store_n(&g_seen, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&g_word, __ATOMIC_SEQ_CST) == 0) {
        futex(&g_word, FUTEX_WAIT_PRIVATE, 0);
    }
    return 0;
}

static void *thread_waits(void *unused)
{
    wait_here(unused);
    return NULL;
}

/* Until the one waiter was woken. */
static void wake_one(void)
{
    while (!__atomic_load_n(&g_seen, __ATOMIC_SEQ_CST)) {
        sched_yield();
    }
    long woken;
    while ((woken = futex(&g_word, FUTEX_WAKE_PRIVATE, INT32_MAX)) == 0) {
        sched_yield();
    }
    CHECK_EQ(woken, 1);
    __atomic_store_n(&g_word, 1, __ATOMIC_SEQ_CST);
    futex(&g_word, FUTEX_WAKE_PRIVATE, INT32_MAX); /* it may wait again already */
}

int main(void)
{
    static char stack[65536];
    for (int i = 0; i < 20; i++) {
        check_nobody();
        check_bad();
        pthread_t t;
        g_word = g_seen = 0;
        CHECK_EQ(pthread_create(&t, NULL, thread_waits, NULL), 0);
        wake_one();
        CHECK_EQ(pthread_join(t, NULL), 0);
        check_nobody();
        g_word = g_seen = 0;
        pid_t pid = clone(wait_here, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
        CHECK(pid > 0);
        wake_one();
        CHECK_EQ(waitpid(pid, NULL, 0), pid);
        pid = vfork();
        if (pid == 0) {
            _exit((int)futex(&g_word, FUTEX_WAKE_PRIVATE, 1));
        }
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    return 0;
}
