/*
 * Claims: files that a process makes one after another in a directory are there, with their bytes, modes and times, for everybody who looks
 * there or at its descriptors, at any moment; names that others make are seen by it; and of several that make the same name
 * exclusively one succeeds.
 */
#include "tests/compat/compat.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define WARM  6 /* files after which a kernel may make shortcuts */
#define RACED 1500

static volatile int *g_step; /* shared: no system call tells the other that it changed */

static void step(int to)
{
    __atomic_store_n(g_step, to, __ATOMIC_SEQ_CST);
}

static void await(int what)
{
    while (__atomic_load_n(g_step, __ATOMIC_SEQ_CST) != what) {
        sched_yield();
    }
}

static int make(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void warm(const char *dir)
{
    for (int i = 0; i < WARM; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/warm%d", dir, i);
        CHECK_EQ(close(make(name, "w")), 0);
    }
}

static void cool(const char *dir)
{
    for (int i = 0; i < WARM; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/warm%d", dir, i);
        CHECK_EQ(unlink(name), 0);
    }
}

static void check_file(const char *name, const char *text, unsigned mode)
{
    char buf[64];
    struct stat st;
    CHECK_EQ(stat(name, &st), 0);
    CHECK_EQ(st.st_size, strlen(text));
    CHECK_EQ(st.st_mode, S_IFREG | mode);
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(read(fd, buf, sizeof(buf)), strlen(text));
    CHECK(memcmp(buf, text, strlen(text)) == 0);
    CHECK_EQ(close(fd), 0);
}

static int is_listed(const char *dir, const char *name)
{
    int found = 0;
    DIR *d = opendir(dir);
    CHECK(d);
    for (struct dirent *e; (e = readdir(d));) {
        found |= strcmp(e->d_name, name) == 0;
    }
    closedir(d);
    return found;
}

/* The other's side of a test, with g_step; ends by exit. */
static pid_t other(void (*run)(void))
{
    step(0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        run();
        exit(0);
    }
    return pid;
}

static void join(pid_t pid)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* --- others look --- */

static void looks(void)
{
    struct stat st;
    CHECK_ERRNO(stat("d/one", &st), ENOENT);
    step(1);
    await(2);
    check_file("d/one", "first", 0644);
    CHECK_ERRNO(open("d/one", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
    step(3);
    await(4);
    CHECK(is_listed("d", "two"));
    check_file("d/two", "sec", 0640);
    step(5);
    await(6);
    check_file("d/two", "second", 0640);
    CHECK_EQ(close(make("d/three", "other's")), 0);
    step(7);
    await(8);
    CHECK_EQ(rename("d", "e"), 0);
    step(9);
    await(10);
    check_file("e/five", "5", 0644);
    CHECK_ERRNO(rmdir("e"), ENOTEMPTY);
    CHECK_EQ(chmod("e", 0711), 0);
    step(11);
}

static void others_look(void)
{
    struct stat st, st2;
    CHECK_EQ(mkdir("d", 0755), 0);
    warm("d");
    pid_t pid = other(looks);
    await(1);
    warm("."); /* elsewhere, and back */
    cool(".");
    cool("d");
    warm("d");
    CHECK_ERRNO(stat("d/one", &st), ENOENT);
    CHECK_ERRNO(unlink("d/one"), ENOENT);
    CHECK_EQ(close(make("d/one", "first")), 0);
    step(2);
    await(3);
    warm(".");
    cool(".");
    cool("d");
    warm("d");
    int fd = make("d/two", "sec");
    CHECK_EQ(fchmod(fd, 0640), 0);
    step(4);
    await(5);
    CHECK_EQ(write(fd, "ond", 3), 3);
    step(6);
    await(7);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(stat("d/two", &st2), 0);
    CHECK(st.st_ino == st2.st_ino && st.st_size == 6);
    CHECK_EQ(close(fd), 0);
    CHECK_ERRNO(open("d/three", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    check_file("d/three", "other's", 0644);
    cool("d");
    warm("d");
    CHECK_EQ(close(make("d/four", "4")), 0);
    step(8);
    await(9);
    CHECK_ERRNO(open("d/four", O_WRONLY | O_CREAT, 0666), ENOENT);
    CHECK_ERRNO(open("d/new", O_WRONLY | O_CREAT, 0666), ENOENT);
    cool("e");
    warm("e");
    CHECK_EQ(close(make("e/five", "5")), 0);
    step(10);
    await(11);
    CHECK_EQ(stat("e", &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0711);
    join(pid);
}

/* --- one's own calls see it --- */

static void own(void)
{
    struct stat st, st2, before;
    char buf[128], proc[64];
    CHECK_EQ(mkdir("own", 0755), 0);
    int dir = open("own", O_RDONLY | O_DIRECTORY);
    warm("own");
    CHECK_EQ(fstat(dir, &before), 0);
    umask(027);
    warm(".");
    cool(".");
    cool("own");
    warm("own");
    CHECK_EQ(close(make("own/masked", "m")), 0);
    umask(022);
    check_file("own/masked", "m", 0640);
    warm(".");
    cool(".");
    cool("own");
    warm("own");
    int fd = make("own/a", "a");
    CHECK_EQ(close(fd), 0);
    int again = make("own/b", "bb");
    CHECK_EQ(again, fd); /* the lowest that is free */
    int copy = dup(again);
    CHECK_EQ(copy, again + 1);
    CHECK_EQ(write(copy, "c", 1), 1);
    CHECK_EQ(close(again), 0);
    CHECK_EQ(fstat(copy, &st), 0);
    CHECK_EQ(st.st_size, 3);
    CHECK_EQ(make("own/c", "c"), again);
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", again);
    ssize_t n = readlink(proc, buf, sizeof(buf) - 1);
    CHECK(n > 6);
    buf[n] = 0;
    CHECK(strcmp(buf + n - 6, "/own/c") == 0);
    CHECK_EQ(fcntl(again, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(again, F_GETFL) & O_ACCMODE, O_WRONLY);
    CHECK_EQ(close(again), 0);
    CHECK_ERRNO(close(again), EBADF);
    CHECK_EQ(close(copy), 0);
    CHECK_EQ(fstat(dir, &st2), 0);
    CHECK(st2.st_size >= before.st_size && st2.st_mtim.tv_sec >= before.st_mtim.tv_sec);
    CHECK(is_listed("own", "a") && is_listed("own", "c"));
    warm(".");
    cool(".");
    cool("own");
    warm("own");
    CHECK_EQ(mkdir("own/x", 0755), 0);
    CHECK_EQ(symlink("a", "own/y"), 0);
    CHECK_EQ(link("own/a", "own/z"), 0);
    CHECK_EQ(rename("own/b", "own/v"), 0);
    CHECK_ERRNO(open("own/x", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    CHECK_ERRNO(open("own/y", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    CHECK_ERRNO(open("own/z", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    CHECK_ERRNO(open("own/v", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    CHECK_ERRNO(open("own/c", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    fd = make("own/b", "2");
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK_EQ(close(fd), 0);
    check_file("own/b", "", 0644);
    const struct timespec times[2] = {{1000, 5}, {2000, 7}},
                          later[2] = {{0, UTIME_OMIT}, {3000, 0}};
    warm(".");
    cool(".");
    cool("own");
    warm("own");
    CHECK_EQ(close(make("own/t", "t")), 0);
    CHECK_EQ(utimensat(AT_FDCWD, "own/t", times, 0), 0);
    CHECK_EQ(close(make("own/u", "u")), 0);
    CHECK_EQ(utimensat(AT_FDCWD, "own/t", later, AT_SYMLINK_NOFOLLOW), 0);
    CHECK_EQ(utimensat(AT_FDCWD, "own/u", times, 0), 0);
    CHECK_ERRNO(utimensat(AT_FDCWD, "own/w", times, 0), ENOENT);
    CHECK_EQ(stat("own/t", &st), 0);
    CHECK(st.st_atim.tv_sec == 1000 && st.st_atim.tv_nsec == 5 && st.st_mtim.tv_sec == 3000);
    CHECK_EQ(stat("own/u", &st), 0);
    CHECK(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 7 && st.st_size == 1);
    CHECK_EQ(close(make("own/e", "e")), 0);
    fd = open("own/e", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(st.st_size == 0 && (st.st_mode & 0777) == 0644);
    CHECK_EQ(unlink("own/e"), 0);
    CHECK_ERRNO(unlink("own/e"), ENOENT);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(close(dir), 0);
}

static void errors(void)
{
    char name[300];
    struct rlimit old, few;
    CHECK_EQ(mkdir("err", 0755), 0);
    warm("err");
    CHECK_ERRNO(open("err/", O_WRONLY | O_CREAT, 0666), EISDIR);
    CHECK_ERRNO(open("err/.", O_WRONLY | O_CREAT, 0666), EISDIR);
    CHECK_ERRNO(open("err/..", O_WRONLY | O_CREAT, 0666), EISDIR);
    CHECK_ERRNO(open("err/no/", O_WRONLY | O_CREAT, 0666), EISDIR);
    CHECK_ERRNO(open("err/no/no", O_WRONLY | O_CREAT, 0666), ENOENT);
    CHECK_ERRNO(open("err/no", O_WRONLY | O_CREAT | O_DIRECTORY, 0666), EINVAL);
    CHECK_ERRNO(open("err/no", O_WRONLY), ENOENT);
    CHECK_ERRNO(access("err/no", 8), EINVAL);
    CHECK_ERRNO(unlinkat(AT_FDCWD, "err/no", 1), EINVAL);
    CHECK_ERRNO(rmdir("err/no"), ENOENT);
    memset(name, 'n', sizeof(name));
    memcpy(name, "err/", 4);
    name[4 + 255 + 1] = 0;
    CHECK_ERRNO(open(name, O_WRONLY | O_CREAT, 0666), ENAMETOOLONG);
    name[4 + 255] = 0;
    CHECK_EQ(close(make(name, "long")), 0);
    check_file(name, "long", 0644);
    warm(".");
    cool(".");
    cool("err");
    warm("err");
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = 5;
    int low = dup(0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    CHECK_EQ(close(low), 0);
    int fds[8], made = 0;
    for (; made < 8; made++) {
        snprintf(name, sizeof(name), "err/few%d", made);
        if ((fds[made] = open(name, O_WRONLY | O_CREAT | O_EXCL, 0666)) < 0) {
            break;
        }
    }
    CHECK(made < 8 && errno == EMFILE && fds[made - 1] == 4);
    CHECK_ERRNO(access(name, F_OK), ENOENT);
    while (made > 0) {
        CHECK_EQ(close(fds[--made]), 0);
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* --- processes --- */

static void killed(void)
{
    warm("k");
    CHECK_EQ(close(make("k/left", "left")), 0);
    int fd = make("k/open", "half");
    step(1);
    for (;;) {
        (void)fd;
    }
}

static void processes(void)
{
    int status;
    CHECK_EQ(mkdir("k", 0755), 0);
    pid_t pid = other(killed);
    await(1);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    check_file("k/left", "left", 0644);
    check_file("k/open", "half", 0644);
    cool("k");
    warm("k");
    int fd = make("k/inherited", "par");
    pid = fork();
    if (pid == 0) {
        CHECK_EQ(write(fd, "ent", 3), 3);
        check_file("k/inherited", "parent", 0644);
        CHECK_EQ(close(make("k/child", "c")), 0);
        warm(".");
        exit(0);
    }
    join(pid);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    CHECK_EQ(close(fd), 0);
    check_file("k/child", "c", 0644);
    cool(".");
}

/* Each name is made by one of three; all see all. */
static void race(int who)
{
    char name[64], text[16];
    int won = 0;
    for (int i = 0; i < RACED; i++) {
        snprintf(name, sizeof(name), "r/%d", i);
        snprintf(text, sizeof(text), "by %d", who);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        CHECK(fd >= 0 || errno == EEXIST);
        if (fd >= 0) {
            won++;
            CHECK_EQ(write(fd, text, 4), 4);
            CHECK_EQ(close(fd), 0);
        }
        CHECK_EQ(access(name, F_OK), 0);
        if (i % 100 == who * 30) {
            usleep(200); /* so that others come first, too */
        }
    }
    exit(won % 251);
}

static void races(void)
{
    int won[3] = {0}, by[3] = {0}, status;
    pid_t pids[3];
    CHECK_EQ(mkdir("r", 0755), 0);
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            race(i);
        }
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
        CHECK(WIFEXITED(status));
        won[i] = WEXITSTATUS(status);
    }
    for (int i = 0; i < RACED; i++) {
        char name[64], text[8] = "";
        snprintf(name, sizeof(name), "r/%d", i);
        int fd = open(name, O_RDONLY);
        CHECK_EQ(read(fd, text, sizeof(text)), 4);
        CHECK(text[3] >= '0' && text[3] <= '2');
        by[text[3] - '0']++;
        CHECK_EQ(close(fd), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(by[i] % 251, won[i]);
    }
}

int main(void)
{
    umask(022);
    g_step = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_step != MAP_FAILED);
    if (access("/dev/shm", W_OK) < 0) {
        SKIP("no directory in memory");
    }
    CHECK_EQ(setenv("TMPDIR", "/dev/shm", 1), 0);
    compat_tmpdir();
    others_look();
    own();
    errors();
    processes();
    races();
    return 0;
}
