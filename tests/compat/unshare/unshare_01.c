/*
 * unshare(2): with CLONE_FS a thread's chdir and umask, with CLONE_FILES its descriptors are its own; CLONE_THREAD in a
 * process with threads and unknown flags are EINVAL; CLONE_SYSVSEM and, in a process that shares nothing, CLONE_VM are 0.
 */
#include "../compat.h"

#include <pthread.h>
#include <sched.h>

static void *own_fs(void *arg)
{
    CHECK_EQ(unshare(CLONE_FS), 0);
    CHECK_EQ(chdir("/proc"), 0);
    umask(0123);
    return arg;
}

static void *own_files(void *arg)
{
    int fd = *(int *)arg;
    CHECK_EQ(unshare(CLONE_FILES), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_ERRNO(unshare(CLONE_THREAD), EINVAL);
    CHECK_ERRNO(unshare(CLONE_VM), EINVAL);
    return arg;
}

int main(void)
{
    char before[PATH_MAX], after[PATH_MAX];
    pthread_t th;
    compat_tmpdir();
    CHECK_ERRNO(unshare(1), EINVAL);
    CHECK_EQ(unshare(0), 0);
    CHECK_EQ(unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM), 0);
    CHECK(getcwd(before, sizeof(before)) != NULL);
    umask(022);
    CHECK_EQ(pthread_create(&th, NULL, own_fs, NULL), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
    CHECK(getcwd(after, sizeof(after)) != NULL);
    CHECK(strcmp(before, after) == 0);
    CHECK_EQ(umask(022), 022);
    int fd = open(".", O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(pthread_create(&th, NULL, own_files, &fd), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    return 0;
}
