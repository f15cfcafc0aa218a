/*
 * readlink(2) of /proc/self/exe, by which a program finds itself: cut to the buffer like any link; it follows the program's file and the
 * directories above through renames, whoever makes them, and says when the file is gone; a child has its own, and chroot changes it;
 * it goes with the first thread.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/syscall.h>

static char top[PATH_MAX];

static void must_be(const char *want)
{
    char buf[PATH_MAX], at[PATH_MAX], whole[PATH_MAX * 2];
    snprintf(whole, sizeof(whole), "%s/%s", top, want);
    ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);
    CHECK(n > 0);
    buf[n] = 0;
    if (strcmp(buf, whole) != 0) {
        fprintf(stderr, "it is %s, not %s\n", buf, whole);
        exit(1);
    }
    CHECK_EQ(readlinkat(AT_FDCWD, "/proc/self/exe", at, sizeof(at)), n);
    CHECK(memcmp(at, buf, (size_t)n) == 0);
    CHECK_EQ(readlinkat(-1, "/proc/self/exe", at, sizeof(at)), n);
}

static void buffers(void)
{
    char buf[PATH_MAX];
    size_t size = strlen(top) + strlen("/dir/program");
    for (size_t room = 1; room < size + 3; room++) {
        memset(buf, 'X', sizeof(buf));
        size_t want = room < size ? room : size;
        CHECK_EQ(readlink("/proc/self/exe", buf, room), want);
        CHECK(memcmp(buf, top, want < strlen(top) ? want : strlen(top)) == 0 && buf[want] == 'X');
    }
    CHECK_ERRNO(readlink("/proc/self/exe", buf, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_readlink, "/proc/self/exe", buf, -1), EINVAL);
    CHECK_ERRNO(readlink("/proc/self/exe", (char *)8, 10), EFAULT);
    CHECK_ERRNO(readlink("/proc/self/exe2", buf, 10), ENOENT);
    CHECK_ERRNO(readlink("/proc/self/exe/", buf, 10), ENOTDIR);
}

/* by: who makes the change. */
static void change(int by_child, const char *from, const char *to)
{
    pid_t pid = by_child ? fork() : 0;
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(to ? rename(from, to) : unlink(from), 0);
        if (by_child) {
            must_be(to ? to : "dir/again (deleted)");
            _exit(0);
        }
    }
    int status = 0;
    CHECK(!by_child || (waitpid(pid, &status, 0) == pid && status == 0));
}

/* In the process that may have been told before: a child has to ask. */
static int jailed(void)
{
    char buf[16];
    must_be("dir/program");
    if (chroot("jail") == 0) {
        CHECK_ERRNO(readlink("/proc/self/exe", buf, sizeof(buf)), ENOENT);
    }
    return 0;
}

static int moved(void)
{
    must_be("dir/program");
    buffers();
    change(0, "dir/program", "dir/renamed");
    must_be("dir/renamed");
    change(1, "dir/renamed", "dir/program");
    must_be("dir/program");
    CHECK_EQ(rename("dir", "other"), 0);
    must_be("other/program");
    CHECK_EQ(rename("other", "dir"), 0);
    must_be("dir/program");
    compat_file("dir/x", "");
    CHECK_EQ(syscall(SYS_renameat2, AT_FDCWD, "dir/x", AT_FDCWD, "dir/program", 2 /* EXCHANGE */),
             0);
    must_be("dir/x");
    CHECK_EQ(rename("dir/x", "dir/again"), 0);
    must_be("dir/again");
    change(1, "dir/again", NULL);
    must_be("dir/again (deleted)");
    return 0;
}

static int replaced(void)
{
    must_be("dir/program");
    compat_file("new", "");
    CHECK_EQ(rename("new", "dir/program"), 0);
    must_be("dir/program (deleted)");
    return 0;
}

static void *last(void *arg)
{
    char buf[PATH_MAX];
    (void)arg;
    for (int i = 0; i < 2000; i++) { /* its end takes a moment */
        if (readlink("/proc/self/exe", buf, sizeof(buf)) == -1) {
            _exit(errno == ENOENT ? 0 : 2);
        }
        usleep(1000);
    }
    _exit(3);
}

static int leaderless(void)
{
    pthread_t t;
    must_be("dir/program");
    CHECK_EQ(pthread_create(&t, NULL, last, NULL), 0);
    pthread_exit(NULL);
}

static void make_program(void)
{
    static char bytes[1 << 16];
    int from = open("/proc/self/exe", O_RDONLY), to;
    CHECK((to = open("dir/program", O_WRONLY | O_CREAT | O_TRUNC, 0755)) >= 0);
    for (ssize_t n; (n = read(from, bytes, sizeof(bytes))) > 0;) {
        CHECK_EQ(write(to, bytes, (size_t)n), n);
    }
    CHECK_EQ(close(from) + close(to), 0);
}

static void run(const char *step)
{
    int status;
    unlink("dir/program");
    make_program();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("dir/program", "program", step, NULL);
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (status != 0) {
        fprintf(stderr, "%s: status %#x\n", step, status);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        CHECK(getcwd(top, sizeof(top)) != NULL);
        return strcmp(argv[1], "moved") == 0      ? moved()
               : strcmp(argv[1], "replaced") == 0 ? replaced()
               : strcmp(argv[1], "jailed") == 0   ? jailed()
                                                  : leaderless();
    }
    compat_tmpdir();
    CHECK_EQ(mkdir("dir", 0755), 0);
    CHECK_EQ(mkdir("jail", 0755), 0);
    run("moved");
    run("replaced");
    run("jailed");
    run("leaderless");
    return 0;
}
