/*
 * set_robust_list(2), get_robust_list(2):
 * 1. A length other than 24 is EINVAL; what was set is read back; ESRCH for nobody.
 * 2. A robust mutex whose owner died (thread, and process) gives EOWNERDEAD to the next locker.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static pthread_mutex_t *m;

static void *lock_and_die(void *arg)
{
    pthread_mutex_lock(m);
    return arg;
}

static int lock_and_exit(void)
{
    return pthread_mutex_lock(m);
}

int main(void)
{
    void *head = NULL;
    size_t size = 0;
    CHECK_ERRNO(syscall(SYS_set_robust_list, &head, 23), EINVAL);
    CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &size), 0);
    CHECK(head != NULL);
    CHECK_EQ(size, 24);
    CHECK_ERRNO(syscall(SYS_get_robust_list, 4194000, &head, &size), ESRCH);

    m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_mutex_init(m, &a), 0);
    pthread_t p;
    CHECK_EQ(pthread_create(&p, NULL, lock_and_die, NULL), 0);
    CHECK_EQ(pthread_join(p, NULL), 0);
    CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(m), 0);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
    CHECK_EQ(compat_child(lock_and_exit), 0);
    CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(m), 0);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
    return 0;
}
