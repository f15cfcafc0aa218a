/*
 * Claims: once close has returned, nobody finds the descriptor: not the thread itself with any call, not another thread, not
 * another process that looks at /proc, not a child of fork or clone(CLONE_FILES), not the program after exec; all
 * that without a system call in between that would tell. Its number is the next to be given out. What
 * goes with a file's last close, or with any close, has gone: locks, and watches are told.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static char g_name[PATH_MAX]; /* the program itself: a file of a tree that nobody changes */
static volatile int *g_turn;  /* shared by all: who waits does so without a call */

static int open_file(void)
{
    int fd = open(g_name, O_RDONLY);
    CHECK(fd >= 0);
    return fd;
}

static void wait_turn(int turn)
{
    for (long i = 0; *g_turn != turn; i++) {
        CHECK(i < 5000000000L);
        __builtin_ia32_pause();
    }
}

static int reap(pid_t pid)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static void gone_for_itself(void)
{
    struct stat st;
    char c;
    int (*const other[])(int) = {dup, close, fsync};
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        int fd = open_file();
        CHECK_EQ(close(fd), 0);
        CHECK_ERRNO(other[i](fd), EBADF);
    }
    int fd = open_file();
    CHECK_EQ(close(fd), 0);
    CHECK_ERRNO(fstat(fd, &st), EBADF);
    CHECK_ERRNO(read(fd, &c, 1), EBADF);
    CHECK_ERRNO(pread(fd, &c, 1, 0), EBADF);
    CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), EBADF);
    CHECK_ERRNO(fstatat(fd, "", &st, AT_EMPTY_PATH), EBADF);
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    CHECK_ERRNO(openat(fd, "x", O_RDONLY), EBADF);
    CHECK_ERRNO(close(fd), EBADF);
}

static void numbers(void)
{
    int fd[8];
    for (int i = 0; i < 8; i++) {
        fd[i] = open_file();
        CHECK(i == 0 || fd[i] == fd[i - 1] + 1);
    }
    CHECK_EQ(close(fd[5]), 0);
    CHECK_EQ(close(fd[2]), 0);
    CHECK_EQ(close(fd[6]), 0);
    CHECK_EQ(open_file(), fd[2]);
    CHECK_EQ(dup(fd[0]), fd[5]);
    /* dup2 to a number that was closed stays, whatever is known of the close */
    CHECK_EQ(dup2(fd[0], fd[6]), fd[6]);
    CHECK_EQ(fcntl(fd[6], F_GETFD), 0);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(close(fd[i]), 0);
    }
    CHECK_EQ(open_file(), fd[0]);
    CHECK_EQ(close(fd[0]), 0);
}

static void gone_for_others(void)
{
    char name[64];
    pid_t parent = getpid();
    int fd = open_file();
    *g_turn = 0;
    pid_t pid = fork();
    if (pid == 0) {
        snprintf(name, sizeof(name), "/proc/%d/fd/%d", parent, fd);
        CHECK_EQ(access(name, F_OK), 0);
        *g_turn = 1;
        wait_turn(2);
        CHECK_ERRNO(access(name, F_OK), ENOENT);
        CHECK_EQ(close(fd), 0); /* the child's own is another */
        exit(0);
    }
    wait_turn(1);
    CHECK_EQ(close(fd), 0);
    *g_turn = 2;
    CHECK_EQ(reap(pid), 0);
}

static void *in_thread(void *arg)
{
    struct stat st;
    int fd = (int)(intptr_t)arg;
    for (int i = 0; i < 200; i++) {
        wait_turn(2 * i + 1);
        CHECK_ERRNO(fstat(fd, &st), EBADF);
        CHECK_EQ(open_file(), fd);
        CHECK_EQ(fstat(fd, &st), 0);
        CHECK_EQ(close(fd), 0);
        *g_turn = 2 * i + 2;
    }
    return NULL;
}

static void gone_for_threads(void)
{
    pthread_t t;
    int fd = open_file();
    *g_turn = 0;
    CHECK_EQ(pthread_create(&t, NULL, in_thread, (void *)(intptr_t)fd), 0);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(close(fd), 0);
        *g_turn = 2 * i + 1;
        wait_turn(2 * i + 2);
        CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
        CHECK_EQ(open_file(), fd);
    }
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(close(fd), 0);
}

static void gone_after_fork(void)
{
    char c;
    int open_one = open_file(), fd = open_file();
    CHECK_EQ(lseek(fd, 7, SEEK_SET), 7);
    int twin = dup(fd);
    CHECK_EQ(lseek(fd, 4, SEEK_CUR), 11);
    CHECK_EQ(close(fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_ERRNO(read(fd, &c, 1), EBADF);
        CHECK_EQ(lseek(twin, 0, SEEK_CUR), 11); /* what was done through the other is not lost */
        CHECK_EQ(lseek(open_one, 5, SEEK_SET), 5);
        exit(0);
    }
    CHECK_EQ(reap(pid), 0);
    CHECK_EQ(lseek(open_one, 0, SEEK_CUR), 5);
    CHECK_EQ(close(open_one), 0);
    CHECK_EQ(close(twin), 0);
}

static int shares_files(void *arg)
{
    int fd = (int)(intptr_t)arg;
    wait_turn(1);
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF || open(g_name, O_RDONLY) != fd) {
        _exit(1);
    }
    close(fd);
    *g_turn = 2;
    _exit(0);
}

static void gone_for_sharers(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    int fd = open_file();
    *g_turn = 0;
    pid_t pid =
        clone(shares_files, stack + sizeof(stack), CLONE_FILES | SIGCHLD, (void *)(intptr_t)fd);
    CHECK(pid > 0);
    CHECK_EQ(close(fd), 0);
    *g_turn = 1;
    wait_turn(2);
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    CHECK_EQ(open_file(), fd);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(reap(pid), 0);
}

static void gone_after_exec(void)
{
    char number[16];
    int fd = open_file();
    pid_t pid = fork();
    if (pid == 0) {
        int last = open_file();
        snprintf(number, sizeof(number), "%d", last);
        CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
        CHECK_EQ(close(last), 0);
        execl("/proc/self/exe", "close_01", number, NULL);
        exit(1);
    }
    CHECK_EQ(reap(pid), 0);
    CHECK_EQ(close(fd), 0);
}

static void vfork_child_closes_its_own(void)
{
    struct stat st;
    int fd = open_file();
    pid_t pid = vfork();
    if (pid == 0) {
        long r = syscall(SYS_close, fd);
        _exit(r == 0 && syscall(SYS_fstat, fd, &st) != 0 ? 0 : 1);
    }
    CHECK_EQ(reap(pid), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(close(fd), 0);
}

/* Of the whole file, by F_GETLK from another process. */
static int lock_type(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK_EQ(fcntl(fd, F_GETLK, &l), 0);
    return l.l_type;
}

/* The child looks; the parent does nothing between a close and the child's look. */
static void locks_go(void)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 3};
    int locked = open_file(), flocked = open_file(), other = open_file();
    *g_turn = 0;
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(close(flocked), 0);
        int fd = open_file();
        *g_turn = 1;
        wait_turn(2);
        CHECK_EQ(lock_type(fd), F_RDLCK);
        CHECK_ERRNO(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        *g_turn = 3;
        wait_turn(4);
        CHECK_EQ(lock_type(fd), F_UNLCK);
        CHECK_ERRNO(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        *g_turn = 5;
        wait_turn(6);
        CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
        exit(0);
    }
    wait_turn(1);
    CHECK_EQ(fcntl(locked, F_SETLK, &lock), 0);
    CHECK_EQ(flock(flocked, LOCK_EX), 0);
    CHECK_EQ(lseek(other, 1, SEEK_SET), 1);
    *g_turn = 2;
    wait_turn(3);
    CHECK_EQ(close(other), 0); /* any close of the file drops the process's locks */
    *g_turn = 4;
    wait_turn(5);
    CHECK_EQ(close(flocked), 0);
    *g_turn = 6;
    CHECK_EQ(reap(pid), 0);
    CHECK_EQ(close(locked), 0);
}

/* Who waits for a lock gets it. */
static void waiters_go_on(void)
{
    int fd = open_file();
    *g_turn = 0;
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(close(fd), 0);
        int other = open_file();
        *g_turn = 1;
        CHECK_EQ(flock(other, LOCK_EX), 0);
        exit(0);
    }
    wait_turn(1);
    usleep(1000);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(reap(pid), 0);
}

static void watches_are_told(void)
{
    int before = open_file();
    *g_turn = 0;
    pid_t pid = fork();
    if (pid == 0) {
        char buf[4096] __attribute__((aligned(8)));
        int in = inotify_init1(IN_NONBLOCK);
        CHECK(in >= 0);
        CHECK(inotify_add_watch(in, g_name, IN_CLOSE_NOWRITE) >= 0);
        for (int i = 1; i < 5; i += 2) {
            *g_turn = i;
            wait_turn(i + 1);
            CHECK_EQ(read(in, buf, sizeof(buf)), i == 1 ? -1 : (int)sizeof(struct inotify_event));
            CHECK(i > 1 || errno == EAGAIN); /* the child has it, too */
            CHECK(i > 1 || close(before) == 0);
            CHECK(i > 1 || read(in, buf, sizeof(buf)) == sizeof(struct inotify_event));
        }
        exit(0);
    }
    wait_turn(1);
    CHECK_EQ(close(before), 0);
    *g_turn = 2;
    wait_turn(3);
    CHECK_EQ(close(open_file()), 0);
    *g_turn = 4;
    CHECK_EQ(reap(pid), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        CHECK_ERRNO(fcntl(atoi(argv[1]), F_GETFD), EBADF);
        CHECK_ERRNO(fcntl(atoi(argv[1]) - 1, F_GETFD), EBADF);
        return 0;
    }
    CHECK(readlink("/proc/self/exe", g_name, sizeof(g_name) - 1) > 0);
    CHECK_EQ(close_range(3, ~0U, 0), 0);
    g_turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_turn != MAP_FAILED);
    for (int i = 0; i < 20; i++) { /* call sites are fast after some use */
        gone_for_itself();
        numbers();
    }
    gone_for_others();
    gone_for_threads();
    gone_after_fork();
    gone_for_sharers();
    gone_after_exec();
    vfork_child_closes_its_own();
    locks_go();
    waiters_go_on();
    watches_are_told();
    return 0;
}
