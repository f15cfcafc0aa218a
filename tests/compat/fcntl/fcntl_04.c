/*
 * F_GETFL, F_GETFD and F_SETFD, asked often: F_SETFL and FIONBIO show at once in all who share the description, other
 * processes too; close, dup2 and a reused number change the answer; close-on-exec counts at exec however it was set, goes to fork's
 * child as it is, is a descriptor's own, and is shared by CLONE_FILES.
 */
#include "../compat.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define ROUNDS 20

static void is(int fd, int flags, int cloexec)
{
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(syscall(SYS_fcntl, fd, F_GETFL, 0) & ~0100000, flags); /* but for O_LARGEFILE */
        CHECK_EQ(fcntl(fd, F_GETFD), cloexec);
    }
}
static void is_closed(int fd)
{
    CHECK_ERRNO(fcntl(fd, F_GETFL), EBADF);
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    CHECK_ERRNO(fcntl(fd, F_SETFD, 1), EBADF);
}

/* Exits with the fds below 40 that are open, as a sum of their numbers. */
static int open_sum(void)
{
    int sum = 0;
    for (int fd = 10; fd < 40; fd++) {
        sum += fcntl(fd, F_GETFD) >= 0 ? fd : 0;
    }
    return sum;
}
static int sum_after_exec(int by_vfork)
{
    int status;
    pid_t pid = by_vfork ? vfork() : fork();
    if (pid == 0) {
        execl("/proc/self/exe", "fcntl", "sum", (char *)NULL);
        _exit(99);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void one_process(void)
{
    int p[2], on = 1;
    compat_file("f", "x");
    int fd = open("f", O_RDWR | O_APPEND | O_CLOEXEC);
    int path = open("f", O_PATH), dir = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < ROUNDS; i++) {
        is(fd, O_RDWR | O_APPEND, 1);
        is(path, O_PATH, 0);
        is(dir, O_RDONLY | O_DIRECTORY, 0);
        CHECK_EQ(fcntl(fd, F_SETFD, 0), 0);
        is(fd, O_RDWR | O_APPEND, 0);
        CHECK_EQ(fcntl(fd, F_SETFD, 3), 0); /* only the lowest bit counts */
        is(fd, O_RDWR | O_APPEND, 1);
        int copy = dup(fd);
        is(copy, O_RDWR | O_APPEND, 0);
        CHECK_EQ(fcntl(copy, F_SETFL, O_NONBLOCK), 0);
        is(fd, O_RDWR | O_NONBLOCK, 1);
        is(copy, O_RDWR | O_NONBLOCK, 0);
        on = 1;
        CHECK_EQ(ioctl(p[0], FIONBIO, &on), 0);
        is(p[0], O_RDONLY | O_NONBLOCK, 0);
        on = 0;
        CHECK_EQ(ioctl(p[0], FIONBIO, &on), 0);
        is(p[0], O_RDONLY, 0);
        is(p[1], O_WRONLY, 0);
        CHECK_EQ(dup2(p[1], copy), copy);
        is(copy, O_WRONLY, 0);
        CHECK_EQ(dup3(p[0], copy, O_CLOEXEC), copy);
        is(copy, O_RDONLY, 1);
        close(copy);
        is_closed(copy);
        CHECK_EQ(dup(p[1]), copy);
        is(copy, O_WRONLY, 0);
        close(copy);
        DIR *d = fdopendir(open(".", O_RDONLY));
        is(dirfd(d), O_RDONLY, 1);
        int number = dirfd(d);
        closedir(d);
        is_closed(number);
        CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
        CHECK_EQ(ioctl(p[0], FIOCLEX), 0);
        is(p[0], O_RDONLY, 1);
        CHECK_EQ(ioctl(p[0], FIONCLEX), 0);
        is(p[0], O_RDONLY, 0);
        CHECK_EQ(syscall(SYS_close_range, p[0], p[0], 4), 0); /* CLOSE_RANGE_CLOEXEC */
        is(p[0], O_RDONLY, 1);
        CHECK_EQ(fcntl(p[0], F_SETFD, 0), 0);
    }
    close(fd);
    is_closed(fd);
    is_closed(-1);
    is_closed(300);
    is_closed(5000);
    close(path);
    close(dir);
    close(p[0]);
    close(p[1]);
}

static void over_exec(void)
{
    for (int fd = 10; fd < 20; fd++) {
        CHECK_EQ(dup2(0, fd), fd);
    }
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(fcntl(11, F_SETFD, 1), 0);
        CHECK_EQ(fcntl(13, F_SETFD, 1), 0);
        CHECK_EQ(fcntl(11, F_SETFD, 0), 0);
    }
    CHECK_EQ(sum_after_exec(0), 145 - 13);
    CHECK_EQ(fcntl(14, F_SETFD, 1), 0);
    CHECK_EQ(sum_after_exec(1), 145 - 13 - 14);
    CHECK_EQ(open_sum(), 145);
    CHECK_EQ(fcntl(13, F_SETFD, 0), 0);
    CHECK_EQ(sum_after_exec(1), 145 - 14);
    CHECK_EQ(sum_after_exec(0), 145 - 14);
}

static int in_child(void)
{
    is(14, fcntl(14, F_GETFL) & ~0100000, 1);
    CHECK_EQ(fcntl(14, F_SETFD, 0), 0);
    CHECK_EQ(fcntl(30, F_SETFL, O_NONBLOCK), 0);
    return 0;
}

static void *in_thread(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        is(31, O_WRONLY, 1);
    }
    CHECK_EQ(fcntl(31, F_SETFD, 0), 0);
    return arg;
}

static void shared(void)
{
    int p[2], status;
    pthread_t t;
    CHECK_EQ(pipe(p), 0);
    CHECK(dup2(p[0], 30) == 30 && dup2(p[1], 31) == 31);
    is(30, O_RDONLY, 0);
    CHECK_EQ(compat_child(in_child), 0);
    is(30, O_RDONLY | O_NONBLOCK, 0);
    is(14, fcntl(14, F_GETFL) & ~0100000, 1);
    CHECK_EQ(fcntl(31, F_SETFD, 1), 0);
    CHECK_EQ(pthread_create(&t, NULL, in_thread, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    is(31, O_WRONLY, 0);
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        is(31, O_WRONLY, 0);
        CHECK_EQ(fcntl(31, F_SETFD, 1), 0);
        close(30);
        for (int i = 0; i < ROUNDS; i++) {
            CHECK_EQ(fcntl(15, F_SETFD, 1), 0);
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    is(31, O_WRONLY, 1);
    is_closed(30);
    CHECK_EQ(fcntl(15, F_GETFD), 1);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(fcntl(15, F_SETFD, 0), 0);
    }
    /* a thread with a table of its own */
    pid = fork();
    if (pid == 0) {
        CHECK_EQ(unshare(CLONE_FILES), 0);
        CHECK_EQ(fcntl(16, F_SETFD, 1), 0);
        for (int i = 0; i < ROUNDS; i++) {
            is(31, O_WRONLY, 1);
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(fcntl(16, F_GETFD), 0);
}

/* F_SETFL by one thread, F_SETFD by the other: neither gets lost. */
static volatile int g_stop;
static void *setfl(void *arg)
{
    for (int i = 0; !g_stop; i++) {
        fcntl(31, F_SETFL, i & 1 ? O_NONBLOCK : 0);
    }
    return arg;
}
static void race(void)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, setfl, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        CHECK_EQ(fcntl(31, F_SETFD, i & 1), 0);
        CHECK_EQ(fcntl(31, F_GETFD), i & 1);
    }
    g_stop = 1;
    CHECK_EQ(pthread_join(t, NULL), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "sum") == 0) {
        return open_sum();
    }
    for (int fd = 3; fd < 300; fd++) {
        close(fd);
    }
    compat_tmpdir();
    one_process();
    over_exec();
    shared();
    race();
    return 0;
}
