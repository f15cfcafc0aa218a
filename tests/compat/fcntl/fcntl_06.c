/*
 * Record locks of a process that sets and drops them again and again on a file that it writes. Claims, whoever else comes in the middle of it:
 * F_GETLK of another process sees exactly what is locked; its F_SETLK is refused by what is locked and by nothing else; its F_SETLKW
 * waits for the unlock; what it has locked refuses ours; ours go when any descriptor of the file is closed, stay over execve, and
 * are not a child's. fcntl(2).
 */
#include "tests/compat/compat.h"

#include <poll.h>
#include <sys/file.h>

#define OFTEN 40 /* a process that does something so often may do it by itself */

static char g_path[] = "locks.XXXXXX";
static int g_fd, g_ask[2], g_tell[2];

static int set(int fd, int cmd, short type, off_t start, off_t size)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size};
    return fcntl(fd, cmd, &l);
}

static void lock(short type, off_t start, off_t size)
{
    CHECK_EQ(set(g_fd, F_SETLK, type, start, size), 0);
}

/* Writes, and locks and unlocks, until that has become a habit. */
static void make_a_habit(void)
{
    char block[512] = "x";
    for (int i = 0; i < OFTEN; i++) {
        CHECK_EQ(pwrite(g_fd, block, sizeof(block), (i % 8) * 512), sizeof(block));
        lock(F_RDLCK, 1000, 1);
        lock(F_WRLCK, 1001, 100);
        lock(F_UNLCK, 0, 0);
    }
}

/* --- the other process --- */

struct question {
    char
        what; /* g: F_GETLK; s: F_SETLK; w: F_SETLKW, and unlock; u: unlock; o: F_OFD_SETLK; q: end */
    short type;
    off_t start, size;
};

struct answer {
    int result, error;
    struct flock lock;
};

static void answer_all(void)
{
    struct question q;
    int fd = open(g_path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    while (read(g_ask[0], &q, sizeof(q)) == sizeof(q) && q.what != 'q') {
        struct answer a = {.lock = {.l_type = q.type, .l_start = q.start, .l_len = q.size}};
        int cmd = q.what == 'g'   ? F_GETLK
                  : q.what == 'w' ? F_SETLKW
                  : q.what == 'o' ? F_OFD_SETLK
                                  : F_SETLK;
        a.lock.l_type = q.what == 'u' ? F_UNLCK : q.type;
        a.result = fcntl(fd, cmd, &a.lock);
        a.error = errno;
        if (q.what == 'w') {
            CHECK_EQ(set(fd, F_SETLK, F_UNLCK, 0, 0), 0);
        }
        CHECK_EQ(write(g_tell[1], &a, sizeof(a)), sizeof(a));
    }
    _exit(0);
}

static struct answer heard(void)
{
    struct answer a;
    CHECK_EQ(read(g_tell[0], &a, sizeof(a)), sizeof(a));
    return a;
}

static void ask(char what, short type, off_t start, off_t size)
{
    struct question q = {.what = what, .type = type, .start = start, .size = size};
    CHECK_EQ(write(g_ask[1], &q, sizeof(q)), sizeof(q));
}

/* Another process sees that lock first, from there on; F_UNLCK: none. */
static void check_seen(off_t from, short type, off_t start, off_t size)
{
    ask('g', F_WRLCK, from, 0);
    struct answer a = heard();
    CHECK_EQ(a.result, 0);
    CHECK_EQ(a.lock.l_type, type);
    if (type != F_UNLCK) {
        CHECK_EQ(a.lock.l_start, start);
        CHECK_EQ(a.lock.l_len, size);
        CHECK_EQ(a.lock.l_pid, getpid());
    }
}

static void check_set(char what, short type, off_t start, off_t size, int want)
{
    ask(what, type, start, size);
    struct answer a = heard();
    CHECK_EQ(a.result, want ? -1 : 0);
    if (want) {
        CHECK_EQ(a.error, want);
    }
}

/* --- claims --- */

static void check_seen_and_refused(void)
{
    make_a_habit();
    check_seen(0, F_UNLCK, 0, 0);
    make_a_habit();
    lock(F_WRLCK, 10, 10);
    check_seen(0, F_WRLCK, 10, 10);
    make_a_habit();
    check_seen(0, F_UNLCK, 0, 0);
    lock(F_WRLCK, 10, 10);
    lock(F_RDLCK, 13, 2); /* cuts it into three */
    check_seen(0, F_WRLCK, 10, 3);
    check_seen(13, F_RDLCK, 13, 2);
    check_set('s', F_RDLCK, 13, 2, 0);
    check_set('s', F_WRLCK, 13, 2, EAGAIN);
    check_set('u', F_UNLCK, 0, 0, 0);
    make_a_habit();
    lock(F_RDLCK, 5, 0); /* to the end, wherever that is */
    check_seen(0, F_RDLCK, 5, 0);
    check_set('o', F_WRLCK, 100000, 1, EAGAIN);
    lock(F_UNLCK, 6, INT64_MAX - 6);
    lock(F_UNLCK, 0, 0);
    check_set('o', F_WRLCK, 0, 0, 0);
    CHECK_ERRNO(set(g_fd, F_SETLK, F_RDLCK, 7, 1), EAGAIN);
    check_set('u', F_UNLCK, 0, 0, 0); /* a process's own are others */
    CHECK_ERRNO(set(g_fd, F_SETLK, F_RDLCK, 7, 1), EAGAIN);
    ask('o', F_UNLCK, 0, 0);
    CHECK_EQ(heard().result, 0);
}

static void check_theirs_refuse_ours(void)
{
    make_a_habit();
    check_set('s', F_WRLCK, 50, 10, 0);
    CHECK_ERRNO(set(g_fd, F_SETLK, F_RDLCK, 59, 1), EAGAIN);
    for (int i = 0; i < OFTEN; i++) {
        lock(F_RDLCK, 60, 1);
        CHECK_ERRNO(set(g_fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
        lock(F_UNLCK, 0, 0);
    }
    check_set('u', F_UNLCK, 50, 10, 0);
    lock(F_WRLCK, 0, 0);
    lock(F_UNLCK, 0, 0);
}

/* Ours, which it waits for, is dropped: it has to hear of that. */
static void check_waiter(void)
{
    for (int i = 0; i < OFTEN; i++) {
        make_a_habit();
        lock(F_WRLCK, 20, 1);
        ask('w', F_WRLCK, 20, 1);
        struct pollfd p = {.fd = g_tell[0], .events = POLLIN};
        CHECK_EQ(poll(&p, 1, i % 4), 0);
        lock(F_RDLCK, 1, 1);
        lock(F_UNLCK, 20, 1);
        CHECK_EQ(heard().result, 0);
        lock(F_UNLCK, 0, 0);
    }
}

static void check_arguments(void)
{
    make_a_habit();
    struct flock at_end = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10, .l_len = 5};
    CHECK_EQ(fcntl(g_fd, F_SETLK, &at_end), 0);
    check_seen(0, F_WRLCK, 8 * 512 - 10, 5);
    lock(F_UNLCK, 0, 0);
    CHECK_EQ(set(g_fd, F_SETLK, F_WRLCK, 100, -10), 0);
    check_seen(0, F_WRLCK, 90, 10);
    lock(F_UNLCK, 0, 0);
    CHECK_ERRNO(set(g_fd, F_SETLK, F_WRLCK, -1, 1), EINVAL);
    CHECK_ERRNO(set(g_fd, F_SETLK, 3, 0, 1), EINVAL);
    CHECK_ERRNO(set(g_fd, F_SETLK, F_WRLCK, INT64_MAX, 2), EOVERFLOW);
    CHECK_EQ(set(g_fd, F_SETLK, F_WRLCK, INT64_MAX, 1), 0);
    lock(F_UNLCK, 0, 0);
    CHECK_ERRNO(fcntl(g_fd, F_SETLK, (struct flock *)8), EFAULT);
    check_seen(0, F_UNLCK, 0, 0);
}

static void check_close(void)
{
    make_a_habit();
    int other = open(g_path, O_RDONLY | O_CLOEXEC);
    CHECK(other >= 0);
    make_a_habit();
    lock(F_WRLCK, 30, 1);
    CHECK_EQ(close(other), 0); /* all of the process's locks on the file go */
    check_seen(0, F_UNLCK, 0, 0);
    make_a_habit();
    lock(F_WRLCK, 30, 1);
    int copy = dup(g_fd);
    lock(F_WRLCK, 31, 1);
    CHECK_EQ(close(copy), 0);
    check_seen(0, F_UNLCK, 0, 0);
}

static void check_child(void)
{
    make_a_habit();
    lock(F_WRLCK, 40, 1);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_ERRNO(set(g_fd, F_SETLK, F_RDLCK, 40, 1), EAGAIN);
        make_a_habit();
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    check_seen(0, F_WRLCK, 40, 1);
    lock(F_UNLCK, 0, 0);
    /* what a process has locked goes with it */
    pid = fork();
    if (pid == 0) {
        make_a_habit();
        lock(F_WRLCK, 41, 1);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    check_seen(0, F_UNLCK, 0, 0);
}

/* In a child: locks, and executes this program, which says whether they are still there. */
static void check_exec(const char *self)
{
    pid_t pid = fork();
    if (pid == 0) {
        char fd[16];
        make_a_habit();
        lock(F_WRLCK, 45, 2);
        snprintf(fd, sizeof(fd), "%d", g_fd);
        execl(self, self, fd, (char *)NULL);
        _exit(1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    check_seen(0, F_UNLCK, 0, 0);
}

static int after_exec(int fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct flock l = {.l_type = F_WRLCK};
        CHECK_EQ(fcntl(fd, F_GETLK, &l), 0);
        CHECK(l.l_type == F_WRLCK && l.l_start == 45 && l.l_len == 2 && l.l_pid == getppid());
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        return after_exec(atoi(argv[1]));
    }
    g_fd = mkstemp(g_path);
    CHECK(g_fd >= 0 && pipe2(g_ask, O_CLOEXEC) == 0 && pipe2(g_tell, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        answer_all();
    }
    check_seen_and_refused();
    check_theirs_refuse_ours();
    check_waiter();
    check_arguments();
    check_close();
    check_child();
    check_exec("/proc/self/exe");
    ask('q', 0, 0, 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK_EQ(unlink(g_path), 0);
    return 0;
}
