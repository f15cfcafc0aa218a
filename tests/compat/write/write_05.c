/*
 * Claims: what a process does to a file that it has just made (write, fchmod, fchown, futimens, close) has happened when the
 * call returns, whoever looks, and although the process makes no other call: another process that stats,
 * reads, maps, executes, truncates, links or removes the file, or looks at the descriptors; a child of fork or vfork, another
 * thread, and who gets the descriptor by a message. It has happened, too, when the process is killed
 * right afterwards. Times are those of the calls, in their order.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

static volatile int *g_turn; /* shared by all: who waits does so without a call */

static void wait_turn(int turn)
{
    for (long i = 0; *g_turn != turn; i++) {
        CHECK(i < 5000000000L);
        __builtin_ia32_pause();
    }
}

static int make(const char *name, int flags)
{
    int fd = open(name, O_CREAT | O_EXCL | flags, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void reap(pid_t pid)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

/* Runs maker in a child, and looks while that makes no call. */
static void seen_by_another(void (*maker)(void), void (*look)(pid_t maker_pid))
{
    *g_turn = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        maker();
        *g_turn = 1;
        wait_turn(2);
        _exit(0);
    }
    wait_turn(1);
    look(pid);
    *g_turn = 2;
    reap(pid);
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return ns_of(t);
}

static volatile int64_t *g_times; /* shared: what the maker measured */

/* --- attributes and bytes --- */

static void make_all(void)
{
    const struct timespec times[2] = {{1000, 5}, {.tv_nsec = UTIME_OMIT}};
    int fd = make("all", O_WRONLY);
    g_times[0] = now_ns();
    CHECK_EQ(write(fd, "hello ", 6), 6);
    CHECK_EQ(write(fd, "world", 5), 5);
    g_times[1] = now_ns();
    CHECK_EQ(fchown(fd, getuid(), getgid()), 0);
    CHECK_EQ(futimens(fd, times), 0);
    g_times[2] = now_ns();
    CHECK_EQ(fchmod(fd, 0640), 0);
    g_times[3] = now_ns();
    CHECK_EQ(close(fd), 0);
}

#define TICK 20000000 /* the kernel's clock for files may be that old */
static void look_at_all(pid_t pid)
{
    struct stat st;
    int64_t later = now_ns();
    (void)pid;
    CHECK_EQ(stat("all", &st), 0);
    CHECK_EQ(st.st_size, 11);
    CHECK_EQ(st.st_mode, S_IFREG | 0640);
    CHECK_EQ(st.st_uid, geteuid());
    CHECK_EQ(ns_of(st.st_atim), 1000000000005);
    CHECK(ns_of(st.st_mtim) >= g_times[0] - TICK && ns_of(st.st_mtim) <= g_times[1]);
    CHECK(ns_of(st.st_ctim) >= g_times[2] - TICK && ns_of(st.st_ctim) <= g_times[3]);
    CHECK(ns_of(st.st_ctim) <= later);
    CHECK(compat_file_is("all", "hello world"));
}

static void look_by_reading(pid_t pid)
{
    (void)pid;
    CHECK(compat_file_is("all", "hello world"));
}

static void look_by_mapping(pid_t pid)
{
    int fd = open("all", O_RDONLY);
    (void)pid;
    CHECK(fd >= 0);
    const char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK(memcmp(p, "hello world", 12) == 0);
    munmap((void *)p, 4096);
    close(fd);
}

static void look_by_linking(pid_t pid)
{
    struct stat st;
    (void)pid;
    CHECK_EQ(link("all", "link"), 0);
    CHECK_EQ(rename("all", "renamed"), 0);
    CHECK_EQ(stat("link", &st), 0);
    CHECK_EQ(st.st_nlink, 2);
    CHECK_EQ(st.st_size, 11);
    CHECK(compat_file_is("renamed", "hello world"));
    CHECK_EQ(unlink("link"), 0);
    CHECK_EQ(unlink("renamed"), 0);
}

static void look_by_changing(pid_t pid)
{
    (void)pid;
    CHECK_EQ(truncate("all", 5), 0);
    int fd = open("all", O_WRONLY | O_APPEND);
    CHECK_EQ(write(fd, "!", 1), 1);
    CHECK_EQ(close(fd), 0);
    CHECK(compat_file_is("all", "hello!"));
}

/* --- descriptors --- */

static void make_closed(void)
{
    int fd = make("all", O_RDWR);
    CHECK_EQ(write(fd, "hello world", 11), 11);
    g_times[0] = fd;
    CHECK_EQ(close(fd), 0);
}

static void look_at_fds(pid_t pid)
{
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, (int)g_times[0]);
    CHECK_ERRNO(readlink(path, target, sizeof(target)), ENOENT);
}

static void make_open(void)
{
    int fd = make("all", O_RDWR);
    CHECK_EQ(write(fd, "hello world", 11), 11);
    g_times[0] = fd;
}

static void look_at_position(pid_t pid)
{
    char path[64], text[256];
    long pos = -1;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, (int)g_times[0]);
    FILE *f = fopen(path, "r");
    CHECK(f && fgets(text, sizeof(text), f) && sscanf(text, "pos: %ld", &pos) == 1);
    fclose(f);
    CHECK_EQ(pos, 11);
    CHECK(compat_file_is("all", "hello world"));
}

/* --- executing --- */

/* A program that ends with status 7. */
static const uint8_t g_program[] = {
    0x7f, 'E',  'L', 'F', 2, 1,    1,    0,    0, 0,    0, 0,    0,  0,  0,    0, 2,    0,   62,
    0,    1,    0,   0,   0, 0x78, 0,    0x40, 0, 0,    0, 0,    0,  64, 0,    0, 0,    0,   0,
    0,    0,    0,   0,   0, 0,    0,    0,    0, 0,    0, 0,    0,  0,  64,   0, 56,   0,   1,
    0,    64,   0,   0,   0, 0,    0,    1,    0, 0,    0, 5,    0,  0,  0,    0, 0,    0,   0,
    0,    0,    0,   0,   0, 0,    0x40, 0,    0, 0,    0, 0,    0,  0,  0x40, 0, 0,    0,   0,
    0,    0x84, 0,   0,   0, 0,    0,    0,    0, 0x84, 0, 0,    0,  0,  0,    0, 0,    0,   0x10,
    0,    0,    0,   0,   0, 0,    0xbf, 7,    0, 0,    0, 0xb8, 60, 0,  0,    0, 0x0f, 0x05};

static void make_program(void)
{
    int fd = make("program", O_WRONLY);
    CHECK_EQ(write(fd, g_program, sizeof(g_program)), sizeof(g_program));
    CHECK_EQ(fchmod(fd, 0755), 0);
    CHECK_EQ(close(fd), 0);
}

static void run_program(pid_t maker)
{
    int status;
    (void)maker;
    pid_t pid = vfork();
    if (pid == 0) {
        execl("./program", "program", NULL);
        _exit(errno == ETXTBSY ? 26 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 7);
}

static void make_program_open(void)
{
    int fd = make("program", O_WRONLY);
    CHECK_EQ(write(fd, g_program, sizeof(g_program)), sizeof(g_program));
    CHECK_EQ(fchmod(fd, 0755), 0);
}

static void find_it_busy(pid_t maker)
{
    (void)maker;
    CHECK_ERRNO(execl("./program", "program", NULL), ETXTBSY);
}

/* --- who shares the descriptor --- */

static void shared_by_fork(void)
{
    int fd = make("shared", O_RDWR);
    CHECK_EQ(write(fd, "a", 1), 1);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(write(fd, "b", 1), 1);
        CHECK_EQ(fchmod(fd, 0604), 0);
        CHECK_EQ(close(fd), 0);
        _exit(0);
    }
    reap(pid);
    CHECK_EQ(write(fd, "c", 1), 1);
    pid = vfork();
    if (pid == 0) {
        if (write(fd, "d", 1) != 1 || close(fd) != 0) {
            _exit(1);
        }
        _exit(0);
    }
    reap(pid);
    CHECK_EQ(write(fd, "e", 1), 1);
    int copy = dup(fd);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(write(copy, "f", 1), 1);
    CHECK_EQ(lseek(copy, 0, SEEK_CUR), 6);
    CHECK_EQ(close(copy), 0);
    CHECK(compat_file_is("shared", "abcdef"));
    CHECK_EQ(unlink("shared"), 0);
}

static void *close_it(void *arg)
{
    CHECK_EQ(close(*(int *)arg), 0);
    return NULL;
}

static void shared_by_threads(void)
{
    pthread_t thread;
    int fd = make("shared", O_RDWR);
    CHECK_EQ(write(fd, "a", 1), 1);
    CHECK_EQ(pthread_create(&thread, NULL, close_it, &fd), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_ERRNO(write(fd, "b", 1), EBADF);
    CHECK_ERRNO(fchmod(fd, 0600), EBADF);
    CHECK_ERRNO(close(fd), EBADF);
    CHECK(compat_file_is("shared", "a"));
    CHECK_EQ(unlink("shared"), 0);
}

static void send_fd(int socket, int fd)
{
    char byte = 'x';
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec v = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    CHECK_EQ(sendmsg(socket, &m, 0), 1);
}

static int receive_fd(int socket)
{
    int fd;
    char byte;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec v = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    CHECK_EQ(recvmsg(socket, &m, 0), 1);
    memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    return fd;
}

static void shared_by_message(void)
{
    int pair[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *g_turn = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int fd = make("shared", O_RDWR);
        send_fd(pair[1], fd);
        CHECK_EQ(write(fd, "ab", 2), 2);
        *g_turn = 1;
        wait_turn(2);
        CHECK_EQ(write(fd, "d", 1), 1);
        CHECK_EQ(fchmod(fd, 0611), 0);
        CHECK_EQ(close(fd), 0);
        *g_turn = 3;
        wait_turn(4);
        _exit(0);
    }
    int fd = receive_fd(pair[0]);
    wait_turn(1);
    CHECK_EQ(write(fd, "c", 1), 1);
    *g_turn = 2;
    wait_turn(3);
    struct stat st;
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0611);
    CHECK_EQ(close(fd), 0);
    CHECK(compat_file_is("shared", "abcd"));
    *g_turn = 4;
    reap(pid);
    CHECK_EQ(unlink("shared"), 0);
    close(pair[0]);
    close(pair[1]);
}

/* --- the end --- */

static void killed(void)
{
    int status;
    *g_turn = 0;
    pid_t pid = fork();
    if (pid == 0) {
        make_all();
        *g_turn = 1;
        wait_turn(2);
    }
    wait_turn(1);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    look_at_all(0);
    CHECK_EQ(unlink("all"), 0);
}

int main(void)
{
    compat_tmpdir();
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    g_turn = (int *)shared;
    g_times = (int64_t *)(shared + 64);
    void (*const looks[])(pid_t) = {look_at_all, look_by_reading, look_by_mapping,
                                    look_by_changing};
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        seen_by_another(make_all, looks[i]);
        CHECK_EQ(unlink("all"), 0);
    }
    seen_by_another(make_all, look_by_linking);
    seen_by_another(make_closed, look_at_fds);
    CHECK_EQ(unlink("all"), 0);
    seen_by_another(make_open, look_at_position);
    CHECK_EQ(unlink("all"), 0);
    seen_by_another(make_program, run_program);
    CHECK_EQ(unlink("program"), 0);
    seen_by_another(make_program_open, find_it_busy);
    CHECK_EQ(unlink("program"), 0);
    shared_by_fork();
    shared_by_threads();
    shared_by_message();
    killed();
    return 0;
}
