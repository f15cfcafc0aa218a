/*
 * What walks a tree opens each directory, asks fstat, copies the fd, reads it to its end and closes both. However often it did
 * so: what anybody changes in the directory shows at once, in fstat and in what is read; copies of an fd, of this process and of
 * its children, share one position; a number that was closed is free, and names that began there lead to what it
 * leads to now; and what its entries are, as it asks for them one by one, or opens them, is what they are by any other way.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/file.h>
#include <sys/syscall.h>

#define HABIT  12 /* what a process has done so often may be prepared for it */
#define ROUNDS 6

struct record {
    uint64_t ino;
    int64_t off;
    uint16_t size;
    uint8_t type;
    char name[];
};
struct listing {
    long size;
    int count;
    char bytes[32768] __attribute__((aligned(8)));
};
static struct listing g_list, g_again;

static long getdents(int fd, void *buf, size_t size)
{
    return syscall(SYS_getdents64, fd, buf, size);
}

static int open_dir(const char *name)
{
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

/* What is left to be read, which is little. */
static const struct listing *list(int fd, struct listing *l)
{
    l->count = 0;
    l->size = getdents(fd, l->bytes, sizeof(l->bytes));
    CHECK(l->size >= 0);
    for (long at = 0; at < l->size;) {
        struct record *r = (struct record *)(l->bytes + at);
        CHECK(r->size >= 24 && at + r->size <= l->size);
        at += r->size;
        l->count++;
    }
    return l;
}

static int has(const struct listing *l, const char *name)
{
    for (long at = 0; at < l->size;) {
        const struct record *r = (const struct record *)(l->bytes + at);
        if (strcmp(r->name, name) == 0) {
            return 1;
        }
        at += r->size;
    }
    return 0;
}

static void make(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    CHECK(fd >= 0 && close(fd) == 0);
}

static int same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
           a->st_nlink == b->st_nlink && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec &&
           a->st_atim.tv_sec == b->st_atim.tv_sec && a->st_atim.tv_nsec == b->st_atim.tv_nsec;
}

/* As fts(3) goes through a directory. */
static void walk(const char *name)
{
    struct stat st, named, empty;
    int fd = open_dir(name);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(stat(name, &named), 0);
    CHECK_EQ(fstatat(fd, "", &empty, AT_EMPTY_PATH), 0);
    CHECK(same(&st, &named) && same(&st, &empty));
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_DIRECTORY), O_DIRECTORY);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    CHECK(copy > fd);
    list(fd, &g_list);
    CHECK(has(&g_list, ".") && has(&g_list, ".."));
    CHECK_EQ(list(fd, &g_again)->size, 0);
    CHECK_EQ(list(copy, &g_again)->size, 0);
    CHECK_EQ(lseek(copy, 0, SEEK_SET), 0);
    CHECK_EQ(list(fd, &g_again)->size, g_list.size);
    CHECK(memcmp(g_again.bytes, g_list.bytes, (size_t)g_list.size) == 0);
    CHECK_EQ(close(fd), 0);
    CHECK_ERRNO(fstat(fd, &st), EBADF);
    CHECK_ERRNO(close(fd), EBADF);
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    CHECK_EQ(fcntl(copy, F_DUPFD, 0), fd);
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    CHECK_EQ(fcntl(copy, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fstat(copy, &named), 0);
    CHECK(named.st_ino == st.st_ino);
    CHECK_EQ(close(copy), 0);
    CHECK_ERRNO(getdents(copy, g_again.bytes, sizeof(g_again.bytes)), EBADF);
    CHECK_EQ(list(fd, &g_again)->size, 0);
    CHECK_EQ(close(fd), 0);
}

static void form_habit(void)
{
    for (int i = 0; i < HABIT; i++) {
        walk("tree");
    }
}

/* --- changes --- */

static void change(int what)
{
    switch (what) {
    case 0:
        make("tree/new");
        break;
    case 1:
        CHECK_EQ(rename("tree/new", "tree/newer"), 0);
        break;
    case 2:
        CHECK_EQ(mkdir("tree/dir", 0755), 0);
        break;
    case 3:
        CHECK_EQ(rmdir("tree/dir"), 0);
        break;
    case 4:
        CHECK_EQ(link("tree/newer", "tree/new"), 0);
        break;
    default:
        CHECK_EQ(unlink("tree/new"), 0);
        CHECK_EQ(unlink("tree/newer"), 0);
        break;
    }
}

static void change_elsewhere(int what)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        change(what);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void check_changes(void (*make_change)(int))
{
    static const char *const there[] = {"new", "newer", "dir", NULL, "new", NULL};
    static const char *const gone[] = {NULL, "new", NULL, "dir", NULL, "newer"};
    for (int what = 0; what < 6; what++) {
        struct stat before, after, named;
        int fd = open_dir("tree"), read_fd = open_dir("tree");
        CHECK_EQ(fstat(fd, &before), 0);
        list(read_fd, &g_again);
        make_change(what);
        CHECK_EQ(fstat(fd, &after), 0);
        CHECK_EQ(stat("tree", &named), 0);
        CHECK(same(&after, &named));
        CHECK(before.st_nlink == after.st_nlink || what == 2 || what == 3);
        list(fd, &g_list);
        CHECK(!there[what] || has(&g_list, there[what]));
        CHECK(!gone[what] || !has(&g_list, gone[what]));
        CHECK_EQ(lseek(read_fd, 0, SEEK_SET), 0);
        CHECK_EQ(list(read_fd, &g_again)->size, g_list.size);
        CHECK(close(fd) == 0 && close(read_fd) == 0);
    }
}

static void check_removed(void)
{
    struct stat st;
    CHECK_EQ(mkdir("gone", 0755), 0);
    walk("gone");
    int fd = open_dir("gone");
    CHECK_EQ(rmdir("gone"), 0);
    CHECK_ERRNO(getdents(fd, g_list.bytes, sizeof(g_list.bytes)), ENOENT);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(close(fd), 0);
}

/* ".." is an entry, too. */
static void check_moved(void)
{
    struct stat st;
    CHECK(mkdir("from", 0755) == 0 && mkdir("to", 0755) == 0 && mkdir("from/dir", 0755) == 0);
    CHECK_EQ(stat("to", &st), 0);
    walk("from/dir");
    int fd = open_dir("from/dir");
    CHECK_EQ(rename("from/dir", "to/dir"), 0);
    list(fd, &g_list);
    for (long at = 0; at < g_list.size;) {
        const struct record *r = (const struct record *)(g_list.bytes + at);
        CHECK(strcmp(r->name, "..") != 0 || r->ino == st.st_ino);
        at += r->size;
    }
    CHECK_EQ(close(fd), 0);
    CHECK(rmdir("to/dir") == 0 && rmdir("to") == 0 && rmdir("from") == 0);
}

/* --- positions --- */

static void in_child(void (*fn)(int fd), int fd)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        fn(fd);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void read_all(int fd)
{
    CHECK(list(fd, &g_again)->count >= 2);
}
static void read_nothing(int fd)
{
    CHECK_EQ(list(fd, &g_again)->size, 0);
}
static void rewind_it(int fd)
{
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
}
static void close_it(int fd)
{
    CHECK_EQ(close(fd), 0);
}

static void check_positions(void)
{
    char small[32];
    int fd = open_dir("tree");
    CHECK_ERRNO(getdents(fd, small, 8), EINVAL);
    CHECK_ERRNO(getdents(fd, (void *)16, 4096), EFAULT);
    CHECK_EQ(getdents(fd, small, sizeof(small)), 24); /* one name */
    int rest = list(fd, &g_list)->count;
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(list(fd, &g_list)->count, rest + 1);
    CHECK(lseek(fd, 0, SEEK_CUR) > 0);
    CHECK_EQ(getdents(fd, small, sizeof(small)), 0);
    in_child(read_nothing, fd);
    in_child(rewind_it, fd);
    in_child(close_it, fd);
    read_all(fd);
    CHECK_EQ(close(fd), 0);

    fd = open_dir("tree");
    in_child(read_all, fd);
    read_nothing(fd);
    CHECK_EQ(close(fd), 0);

    fd = open_dir("tree");
    read_all(fd);
    char name[64], text[512] = "";
    snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
    int info = open(name, O_RDONLY);
    CHECK(info >= 0 && read(info, text, sizeof(text) - 1) > 0);
    long long pos = -1;
    CHECK(sscanf(text, "pos: %lld", &pos) == 1 && pos == lseek(fd, 0, SEEK_CUR) && pos > 0);
    CHECK(close(info) == 0 && close(fd) == 0);
}

static void *count_names(void *arg)
{
    long total = 0, n;
    char buf[64] __attribute__((aligned(8)));
    while ((n = getdents(*(int *)arg, buf, sizeof(buf))) > 0) {
        for (long at = 0; at < n; at += ((struct record *)(buf + at))->size) {
            total++;
        }
    }
    CHECK_EQ(n, 0);
    return (void *)total;
}

static void check_threads(void)
{
    int fd = open_dir("tree");
    int all = list(fd, &g_list)->count;
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    int other = open_dir("tree"), copy = fcntl(other, F_DUPFD_CLOEXEC, 0);
    pthread_t thread;
    void *theirs;
    CHECK_EQ(pthread_create(&thread, NULL, count_names, &other), 0);
    void *ours = count_names(&copy);
    CHECK_EQ(pthread_join(thread, &theirs), 0);
    CHECK_EQ((long)ours + (long)theirs, all);
    CHECK(close(copy) == 0 && close(other) == 0 && close(fd) == 0);
}

/* --- numbers --- */

static void check_names(void)
{
    struct stat st;
    make("tree/only");
    int tree = open_dir("tree"), top = open_dir(".");
    int at = fcntl(tree, F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < HABIT; i++) {
        CHECK_EQ(fstatat(at, "only", &st, 0), 0);
        CHECK_ERRNO(fstatat(at, "tree", &st, 0), ENOENT);
    }
    CHECK_EQ(close(at), 0);
    CHECK_ERRNO(fstatat(at, "only", &st, 0), EBADF);
    CHECK_EQ(fcntl(tree, F_DUPFD_CLOEXEC, 10), at);
    CHECK_EQ(fstatat(at, "only", &st, 0), 0);
    CHECK_EQ(close(at), 0);
    CHECK_EQ(fcntl(top, F_DUPFD_CLOEXEC, 10), at);
    CHECK_ERRNO(fstatat(at, "only", &st, 0), ENOENT);
    CHECK_EQ(fstatat(at, "tree", &st, 0), 0);
    int file = openat(at, "tree/only", O_RDONLY);
    CHECK(file >= 0 && file != at);
    CHECK(close(at) == 0 && close(file) == 0 && close(tree) == 0 && close(top) == 0);
    CHECK_EQ(unlink("tree/only"), 0);
}

/* The entries of the directory, asked for as who walks a tree does, are what an absolute path says of them. */
static int g_seen;
static void check_entries(const char *path, int depth, int opens, void (*meanwhile)(int), int what)
{
    static struct listing lists[4];
    struct listing *l = &lists[depth];
    int fd = open_dir(path), copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    list(fd, l);
    CHECK_EQ(close(fd), 0);
    if (meanwhile) {
        meanwhile(what);
    }
    for (long at = 0; at < l->size && g_seen < 400;) {
        const struct record *r = (const struct record *)(l->bytes + at);
        char whole[PATH_MAX];
        struct stat st, truth;
        at += r->size;
        snprintf(whole, sizeof(whole), "%s/./%s", path, r->name);
        int a = fstatat(copy, r->name, &st, AT_SYMLINK_NOFOLLOW), a_error = errno;
        int b = lstat(whole, &truth);
        CHECK(a == b && (a == 0 ? same(&st, &truth) : a_error == errno));
        if (a == 0 && S_ISDIR(st.st_mode) && depth > 0 && r->name[0] != '.' &&
            access(whole, R_OK | X_OK) == 0) {
            snprintf(whole, sizeof(whole), "%s/%s", path, r->name);
            check_entries(whole, depth - 1, opens, NULL, 0);
        } else if (a == 0 && S_ISREG(st.st_mode) && opens) {
            char one[4096], two[4096];
            a = openat(copy, r->name, O_RDONLY | O_NOFOLLOW);
            a_error = errno;
            b = open(whole, O_RDONLY | O_CLOEXEC);
            CHECK((a < 0) == (b < 0) && (a >= 0 || a_error == errno));
            CHECK(a < 0 || (fstat(a, &st) == 0 && st.st_ino == truth.st_ino));
            ssize_t n = a < 0 ? 0 : read(a, one, sizeof(one));
            CHECK(a < 0 ||
                  (read(b, two, sizeof(two)) == n && (n < 0 || !memcmp(one, two, (size_t)n))));
            CHECK(a < 0 || (close(a) == 0 && close(b) == 0));
            g_seen++;
        }
    }
    CHECK_EQ(close(copy), 0);
}

static void change_entry(int what)
{
    int r = what == 0   ? rmdir("many/sub/b")
            : what == 1 ? mkdir("many/sub/b", 0700)
            : what == 2 ? chmod("many/sub/c", 0711)
            : what == 3 ? rename("many/sub/d", "many/sub/e")
            : what == 4 ? mkdir("many/sub/d", 0755)
            : what == 5 ? symlink("c", "many/sub/z")
            : what == 6 ? unlink("many/sub/z") | chmod("many/sub/c", 0755)
                        : rmdir("many/sub/e");
    CHECK_EQ(r, 0);
}
static void change_entry_elsewhere(int what)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        change_entry(what);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void check_all_entries(void)
{
    static const char *const dirs[] = {"many",       "many/sub",   "many/sub/a", "many/sub/b",
                                       "many/sub/c", "many/sub/d", "many/other", "many/other/x"};
    for (int i = 0; i < 8; i++) {
        CHECK(mkdir(dirs[i], 0755) == 0 || errno == EEXIST);
    }
    for (int i = 0; i < HABIT; i++) {
        check_entries("many", 2, 1, NULL, 0);
    }
    for (int what = 0; what < 8; what++) {
        check_entries("many/sub", 1, 0, what % 2 ? change_entry_elsewhere : change_entry, what);
        check_entries("many", 3, 0, NULL, 0);
    }
    for (int what = 0; what < 8; what++) {
        check_entries("many/sub", 1, 0, what % 2 ? change_entry : change_entry_elsewhere, what);
    }
    g_seen = 0;
    check_entries("/etc", 2, 1, NULL, 0);
    g_seen = 0;
    if (access("/usr/include", R_OK) == 0) {
        check_entries("/usr/include", 2, 1, NULL, 0);
    }
}

static void check_proc(int fd, int there)
{
    char link[64], text[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, text, sizeof(text) - 1);
    CHECK_EQ(n > 0, there);
    if (there) {
        text[n] = '\0';
        CHECK(n > 5 && strcmp(text + n - 5, "/tree") == 0);
    }
}

/* After exec: those two are open, the third is not. */
static int after_exec(char **numbers)
{
    for (int i = 0; i < 3; i++) {
        struct stat st;
        CHECK_EQ(fstat(atoi(numbers[i]), &st), i < 2 ? 0 : -1);
    }
    return 0;
}

static void check_numbers(void)
{
    int fd = open_dir("tree"), null = open("/dev/null", O_RDONLY);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 20), low = fcntl(copy, F_DUPFD, 0);
    CHECK(copy == 20 && low == null + 1);
    check_proc(copy, 1);
    CHECK_EQ(close(copy), 0);
    check_proc(copy, 0);
    CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 20), copy);
    check_proc(copy, 1);
    CHECK_EQ(close(null), 0);
    CHECK_EQ(fcntl(fd, F_DUPFD, 0), null);
    CHECK_EQ(dup2(fd, null), null);
    CHECK_EQ(fcntl(fd, F_DUPFD, 21), 21);
    CHECK_EQ(fcntl(copy, F_SETFD, 0), 0);
    CHECK_EQ(fcntl(21, F_SETFD, FD_CLOEXEC), 0);
    char a[16], b[16], c[16];
    snprintf(a, sizeof(a), "%d", copy);
    snprintf(b, sizeof(b), "%d", low);
    snprintf(c, sizeof(c), "%d", 21);
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "getdents64_02", a, b, c, NULL);
        _exit(1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(close(21) == 0 && close(null) == 0 && close(low) == 0 && close(copy) == 0);
    CHECK_ERRNO(fcntl(fd, F_DUPFD, -1), EINVAL);
    CHECK_EQ(close(fd), 0);
}

static void lock_it(int fd)
{
    (void)fd;
    int own = open_dir("tree");
    CHECK_EQ(flock(own, LOCK_EX | LOCK_NB), 0);
}

static void check_locks(void)
{
    int fd = open_dir("tree");
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    CHECK_EQ(close(fd), 0);
    in_child(lock_it, -1);
    fd = open_dir("tree");
    struct flock range = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    CHECK_EQ(fcntl(fd, F_SETLK, &range), 0);
    int other = open_dir("tree");
    CHECK_EQ(close(other), 0); /* which drops it */
    CHECK_EQ(close(fd), 0);
}

/* Where reading moves it at all. */
static void check_atime(void)
{
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_nsec = UTIME_OMIT}};
    struct stat before, after;
    for (int i = 0; i < 2; i++) {
        static int moves;
        CHECK_EQ(utimensat(AT_FDCWD, "tree", old, 0), 0);
        int fd = open_dir("tree");
        CHECK(fstat(fd, &before) == 0 && before.st_atim.tv_sec == 1000);
        read_all(fd);
        CHECK_EQ(fstat(fd, &after), 0);
        CHECK(i == 0 || (after.st_atim.tv_sec != 1000) == moves);
        moves = after.st_atim.tv_sec != 1000;
        CHECK_EQ(stat("tree", &before), 0);
        CHECK(same(&before, &after));
        CHECK_EQ(close(fd), 0);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        return after_exec(argv + 1);
    }
    compat_tmpdir();
    CHECK_EQ(mkdir("tree", 0755), 0);
    make("tree/a");
    make("tree/b");
    for (int i = 0; i < ROUNDS; i++) {
        form_habit();
        walk("/usr");
        walk("/etc");
        check_changes(change);
        check_changes(change_elsewhere);
        check_removed();
        check_moved();
        form_habit();
        check_positions();
        check_names();
        check_all_entries();
        check_numbers();
        check_locks();
        check_atime();
    }
    check_threads();
    form_habit();
    return 0;
}
