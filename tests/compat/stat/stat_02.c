/*
 * stat(2), lstat, fstatat, statx, access, readlink: whatever changes a file or a name shows at once in every one of them, however often
 * they were asked before: whoever makes the change (this thread, another one, another process), and whichever way
 * leads to the file (absolute, relative to the working directory or a descriptor, through links).
 *
 * The truth is what fstat says of a descriptor that was opened for it.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define ROUNDS 12 /* what is asked so often may be answered from what was said before */

static int g_dir, g_file; /* "dir", and "dir/f" for reading and writing */
static char g_map_name[] = "dir/mapped";
static char *g_map;

static const char *const g_names[] = {
    "f",        "other", "new",    "sub",      "sub/g",      "sub/new", "sub/x/y", "l",
    "dangling", "ls/g",  "ls/new", "sub/../f", "./f",        "sub/",    "moved",   "moved/g",
    "mapped",   "sock",  "empty",  "deep/a",   "deep/a/b/c", "l2",      ".",       "ls",
};

static int same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
           a->st_nlink == b->st_nlink && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
           a->st_size == b->st_size && a->st_blocks == b->st_blocks &&
           a->st_blksize == b->st_blksize && same_time(&a->st_atim, &b->st_atim) &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static int same_x(const struct stat *a, const struct statx *x)
{
    const struct timespec m = {x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec},
                          c = {x->stx_ctime.tv_sec, x->stx_ctime.tv_nsec},
                          t = {x->stx_atime.tv_sec, x->stx_atime.tv_nsec};
    return makedev(x->stx_dev_major, x->stx_dev_minor) == a->st_dev && x->stx_ino == a->st_ino &&
           x->stx_mode == a->st_mode && x->stx_nlink == a->st_nlink && x->stx_uid == a->st_uid &&
           x->stx_gid == a->st_gid && (off_t)x->stx_size == a->st_size &&
           (blkcnt_t)x->stx_blocks == a->st_blocks && same_time(&m, &a->st_mtim) &&
           same_time(&c, &a->st_ctim) && same_time(&t, &a->st_atim);
}

/* error, or what it is: as readlink has it. */
static int same_link(int dirfd, const char *name, int error, const struct stat *truth)
{
    char text[PATH_MAX];
    ssize_t at = readlinkat(dirfd, name, text, sizeof(text));
    int at_error = at < 0 ? errno : 0;
    ssize_t plain = dirfd == AT_FDCWD ? readlink(name, text, sizeof(text)) : at;
    int link = !error && S_ISLNK(truth->st_mode);
    int expected = error ? error : link ? 0 : EINVAL;
    return at == plain && at_error == expected && (!link || at == truth->st_size) &&
           readlinkat(dirfd, name, text, 0) < 0 && errno == EINVAL;
}

/* All calls about one name agree with the truth. what: for the message. */
static void check_name(int dirfd, const char *name, int nofollow, const char *what)
{
    struct stat truth, st = {0};
    struct statx x;
    memset(&x, 0, sizeof(x));
    int fd = openat(dirfd, name, O_PATH | (nofollow ? O_NOFOLLOW : 0));
    int error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        CHECK_EQ(fstat(fd, &truth), 0);
        close(fd);
    }
    int flags = nofollow ? AT_SYMLINK_NOFOLLOW : 0;
    int r = fstatat(dirfd, name, &st, flags);
    int ok = (r == 0 ? 0 : errno) == error && (error || same(&truth, &st));
    r = statx(dirfd, name, flags, STATX_BASIC_STATS, &x);
    ok &= (r == 0 ? 0 : errno) == error && (error || same_x(&truth, &x));
    if (!nofollow) {
        r = faccessat(dirfd, name, F_OK, 0);
        ok &= (r == 0 ? 0 : errno) == error;
    } else {
        ok &= same_link(dirfd, name, error, &truth);
    }
    if (dirfd == AT_FDCWD) {
        r = nofollow ? lstat(name, &st) : stat(name, &st);
        ok &= (r == 0 ? 0 : errno) == error && (error || same(&truth, &st));
    }
    if (!ok) {
        fprintf(stderr,
                "after %s: \"%s\"%s from %d: size %ld mode %o nlink %ld error %d; truth: size %ld "
                "mode %o nlink %ld error %d\n",
                what, name, nofollow ? " (nofollow)" : "", dirfd, (long)st.st_size, st.st_mode,
                (long)st.st_nlink, errno, (long)truth.st_size, truth.st_mode, (long)truth.st_nlink,
                error);
        exit(1);
    }
}

static void check_all(const char *what)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(g_names) / sizeof(g_names[0]); i++) {
        for (int nofollow = 0; nofollow < 2; nofollow++) {
            check_name(g_dir, g_names[i], nofollow, what);
            snprintf(path, sizeof(path), "dir/%.64s", g_names[i]);
            check_name(AT_FDCWD, path, nofollow, what);
        }
    }
    snprintf(path, sizeof(path), "%.2000s/dir/f", g_compat_dir);
    check_name(AT_FDCWD, path, 0, what);
}

/* Makes the answers old ones. */
static void warm(void)
{
    struct stat st;
    struct statx x;
    char path[PATH_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof(g_names) / sizeof(g_names[0]); i++) {
            snprintf(path, sizeof(path), "dir/%.64s", g_names[i]);
            for (int flags = 0; flags <= AT_SYMLINK_NOFOLLOW; flags += AT_SYMLINK_NOFOLLOW) {
                fstatat(g_dir, g_names[i], &st, flags);
                fstatat(AT_FDCWD, path, &st, flags);
                statx(g_dir, g_names[i], flags, STATX_BASIC_STATS, &x);
            }
            access(path, F_OK);
        }
    }
}

/* --- the changes: each leaves things so that it can be made again --- */

#define DO(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            perror(#call);                                                                         \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void by_write(void)
{
    DO(write(g_file, "more", 4));
}
static void by_pwrite(void)
{
    DO(pwrite(g_file, "p", 1, 5000));
}
static void by_ftruncate(void)
{
    DO(ftruncate(g_file, 100));
}
static void by_truncate(void)
{
    DO(truncate("dir/f", 9000));
}
static void by_o_trunc(void)
{
    DO(close(open("dir/other", O_WRONLY | O_TRUNC)));
}
static void by_fallocate(void)
{
    DO(fallocate(g_file, 0, 0, 40000));
}
static void by_punch(void)
{
    DO(fallocate(g_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
}
static void by_chmod(void)
{
    struct stat st;
    DO(fstat(g_file, &st));
    DO(chmod("dir/f", (st.st_mode ^ 0020) & 0777));
}
static void by_fchmod(void)
{
    struct stat st;
    DO(fstat(g_file, &st));
    DO(fchmod(g_file, (st.st_mode ^ 0002) & 0777));
}
static void by_dir_chmod(void)
{
    struct stat st;
    DO(stat("dir/sub", &st));
    DO(chmod("dir/sub", (st.st_mode ^ 0055) & 0777));
}
static void by_chown(void)
{
    struct stat st;
    DO(fstat(g_file, &st));
    if (getuid() == 0)
        DO(chown("dir/f", st.st_uid ^ 1, (gid_t)-1));
}
static void by_lchown(void)
{
    struct stat st;
    DO(lstat("dir/l", &st));
    if (getuid() == 0)
        DO(lchown("dir/l", st.st_uid ^ 1, (gid_t)-1));
}
static void by_utimens(void)
{
    static long n;
    const struct timespec t[2] = {{1000 + n, 5}, {2000 + n, 7}};
    n++;
    DO(utimensat(g_dir, "f", t, 0));
    DO(utimensat(g_dir, "l", t, AT_SYMLINK_NOFOLLOW));
    DO(utimensat(g_dir, "sub", t, 0));
}
static void by_read(void)
{
    char c;
    by_write();
    DO(pread(g_file, &c, 1, 0));
}
static void by_readdir(void)
{
    char b[4096];
    int fd = open("dir/sub", O_RDONLY);
    DO(fd);
    DO(syscall(217, fd, b, sizeof(b)));
    close(fd);
}
static void by_readlink(void)
{
    char b[64];
    DO(readlink("dir/l", b, sizeof(b)));
}
static void by_create(void)
{
    DO(close(open("dir/new", O_WRONLY | O_CREAT | O_EXCL, 0644)));
}
static void by_unlink(void)
{
    DO(unlink("dir/new"));
}
static void by_link(void)
{
    DO(link("dir/f", "dir/sub/new"));
}
static void by_unlinkat(void)
{
    DO(unlinkat(g_dir, "sub/new", 0));
}
static void by_mkdir(void)
{
    DO(mkdir("dir/sub/x", 0755));
}
static void by_create_deep(void)
{
    DO(close(open("dir/sub/x/y", O_WRONLY | O_CREAT, 0600)));
}
static void by_unlink_deep(void)
{
    DO(unlink("dir/sub/x/y"));
}
static void by_rmdir(void)
{
    DO(rmdir("dir/sub/x"));
}
static void by_mkdir_again(void)
{
    DO(mkdir("dir/sub/x", 0700));
}
static void by_symlink(void)
{
    DO(symlink("sub/g", "dir/new"));
}
static void by_relink(void)
{
    DO(unlink("dir/l"));
    DO(symlink("other", "dir/l"));
}
static void by_relink_back(void)
{
    DO(unlink("dir/l"));
    DO(symlink("f", "dir/l"));
}
static void by_relink_dir(void)
{
    DO(unlink("dir/ls"));
    DO(symlink(".", "dir/ls"));
}
static void by_relink_dir_back(void)
{
    DO(unlink("dir/ls"));
    DO(symlink("sub", "dir/ls"));
}
static void by_target(void)
{
    compat_file("dir/nowhere", "x");
}
static void by_no_target(void)
{
    DO(unlink("dir/nowhere"));
}
static void by_rename(void)
{
    DO(rename("dir/other", "dir/new"));
}
static void by_rename_over(void)
{
    compat_file("dir/other", "another");
    DO(rename("dir/new", "dir/other"));
}
static void by_rename_into(void)
{
    DO(rename("dir/other", "dir/sub/new"));
}
static void by_rename_out(void)
{
    DO(rename("dir/sub/new", "dir/other"));
}
static void by_exchange(void)
{
    DO(renameat2(g_dir, "f", g_dir, "other", RENAME_EXCHANGE));
}
static void by_exchange_dir(void)
{
    DO(renameat2(g_dir, "sub", g_dir, "deep", RENAME_EXCHANGE));
}
static void by_move_dir(void)
{
    DO(rename("dir/sub", "dir/moved"));
}
static void by_move_dir_back(void)
{
    DO(rename("dir/moved", "dir/sub"));
}
static void by_move_dir_over(void)
{
    DO(mkdir("dir/moved", 0755));
    DO(rename("dir/sub", "dir/moved"));
}
static void by_mknod(void)
{
    DO(mknod("dir/new", S_IFIFO | 0644, 0));
}
static void by_bind(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "dir/sock"};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(s);
    DO(bind(s, (struct sockaddr *)&a, sizeof(a)));
    close(s);
}
static void by_unbind(void)
{
    DO(unlink("dir/sock"));
}
static void by_map(void)
{
    int fd = open(g_map_name, O_RDWR);
    DO(fd);
    g_map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (g_map == MAP_FAILED) {
        _exit(1);
    }
}
static void by_mapped_write(void)
{
    if (!g_map || g_map == MAP_FAILED) {
        by_map();
    }
    memset(g_map, 'm', 65536);
    DO(msync(g_map, 65536, MS_SYNC));
}
static void by_unmap(void)
{
    if (g_map && g_map != MAP_FAILED) {
        DO(munmap(g_map, 65536));
    }
    g_map = NULL;
}
static void by_sendfile(void)
{
    int from = open("dir/sub/g", O_RDONLY), to = open("dir/f", O_WRONLY);
    DO(from);
    DO(to);
    DO(sendfile(to, from, NULL, 50));
    close(from), close(to);
}
static void by_copy_range(void)
{
    int from = open("dir/sub/g", O_RDONLY), to = open("dir/f", O_WRONLY);
    DO(from);
    DO(to);
    lseek(to, 0, SEEK_END);
    DO(copy_file_range(from, NULL, to, NULL, 50, 0));
    close(from), close(to);
}
static void by_splice(void)
{
    int p[2], to = open("dir/f", O_WRONLY);
    DO(to);
    DO(pipe(p));
    DO(write(p[1], "spliced", 7));
    lseek(to, 0, SEEK_END);
    DO(splice(p[0], NULL, to, NULL, 7, 0));
    close(p[0]), close(p[1]), close(to);
}
static void by_many_writes(void) /* so many that they need no kernel any more */
{
    char block[512] = {1};
    int fd = open("dir/other", O_RDWR);
    DO(fd);
    for (int i = 0; i < 100; i++) {
        DO(pwrite(fd, block, sizeof(block), i * 512));
        struct stat st;
        if (i % 20 == 0) {
            DO(stat("dir/other", &st));
        }
    }
    close(fd);
}
static void by_tmpfile(void)
{
    char path[64];
    int fd = open("dir", O_TMPFILE | O_RDWR, 0600);
    if (fd < 0) { /* not every file system has them */
        compat_file("dir/new", "");
        return;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    DO(linkat(AT_FDCWD, path, g_dir, "new", AT_SYMLINK_FOLLOW));
    close(fd);
}
static void by_setxattr(void)
{
    static char v;
    v++;
    (void)!setxattr("dir/f", "user.x", &v, 1, 0);
}
static void by_removexattr(void)
{
    (void)!removexattr("dir/f", "user.x");
}

static const struct change {
    const char *name;
    void (*make)(void);
} g_changes[] = {
#define CHANGE(name)                                                                               \
    {                                                                                              \
#name, name                                                                                \
    }
    CHANGE(by_write),         CHANGE(by_pwrite),
    CHANGE(by_ftruncate),     CHANGE(by_truncate),
    CHANGE(by_o_trunc),       CHANGE(by_fallocate),
    CHANGE(by_punch),         CHANGE(by_chmod),
    CHANGE(by_fchmod),        CHANGE(by_dir_chmod),
    CHANGE(by_chown),         CHANGE(by_lchown),
    CHANGE(by_utimens),       CHANGE(by_read),
    CHANGE(by_readdir),       CHANGE(by_readlink),
    CHANGE(by_create),        CHANGE(by_unlink),
    CHANGE(by_link),          CHANGE(by_unlinkat),
    CHANGE(by_mkdir),         CHANGE(by_create_deep),
    CHANGE(by_unlink_deep),   CHANGE(by_rmdir),
    CHANGE(by_mkdir_again),   CHANGE(by_create_deep),
    CHANGE(by_unlink_deep),   CHANGE(by_rmdir),
    CHANGE(by_symlink),       CHANGE(by_unlink),
    CHANGE(by_relink),        CHANGE(by_relink_back),
    CHANGE(by_relink_dir),    CHANGE(by_relink_dir_back),
    CHANGE(by_target),        CHANGE(by_no_target),
    CHANGE(by_rename),        CHANGE(by_rename_over),
    CHANGE(by_rename_into),   CHANGE(by_rename_out),
    CHANGE(by_exchange),      CHANGE(by_exchange),
    CHANGE(by_exchange_dir),  CHANGE(by_exchange_dir),
    CHANGE(by_move_dir),      CHANGE(by_move_dir_back),
    CHANGE(by_move_dir_over), CHANGE(by_move_dir_back),
    CHANGE(by_mknod),         CHANGE(by_unlink),
    CHANGE(by_bind),          CHANGE(by_unbind),
    CHANGE(by_map),           CHANGE(by_mapped_write),
    CHANGE(by_unmap),         CHANGE(by_sendfile),
    CHANGE(by_copy_range),    CHANGE(by_splice),
    CHANGE(by_many_writes),   CHANGE(by_tmpfile),
    CHANGE(by_unlink),        CHANGE(by_setxattr),
    CHANGE(by_removexattr),   CHANGE(by_dir_chmod),
};

static void *in_thread(void *arg)
{
    ((const struct change *)arg)->make();
    return NULL;
}

static void make(const struct change *c, int who)
{
    pthread_t thread;
    pid_t pid;
    int status;
    switch (who) {
    case 0:
        c->make();
        break;
    case 1:
        CHECK_EQ(pthread_create(&thread, NULL, in_thread, (void *)(uintptr_t)c), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        break;
    default:
        pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            c->make();
            _exit(0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
}

int main(void)
{
    static const char *const whos[] = {"this thread", "another thread", "another process"};
    char what[128];
    compat_tmpdir();
    CHECK_EQ(mkdir("dir", 0755), 0);
    CHECK_EQ(mkdir("dir/sub", 0755), 0);
    CHECK_EQ(mkdir("dir/deep", 0755), 0);
    CHECK_EQ(mkdir("dir/deep/a", 0755), 0);
    CHECK_EQ(mkdir("dir/deep/a/b", 0755), 0);
    compat_file("dir/deep/a/b/c", "deep");
    compat_file("dir/f", "file");
    compat_file("dir/other", "other file");
    compat_file("dir/empty", "");
    compat_file("dir/sub/g",
                "0123456789012345678901234567890123456789012345678901234567890123456789");
    compat_file(g_map_name, "");
    CHECK_EQ(truncate(g_map_name, 65536), 0);
    CHECK_EQ(symlink("f", "dir/l"), 0);
    CHECK_EQ(symlink("l", "dir/l2"), 0);
    CHECK_EQ(symlink("nowhere", "dir/dangling"), 0);
    CHECK_EQ(symlink("sub", "dir/ls"), 0);
    g_dir = open("dir", O_RDONLY | O_DIRECTORY);
    g_file = open("dir/f", O_RDWR);
    CHECK(g_dir >= 0 && g_file >= 0);
    for (int who = 0; who < 3; who++) {
        for (size_t i = 0; i < sizeof(g_changes) / sizeof(g_changes[0]); i++) {
            warm();
            make(&g_changes[i], who);
            snprintf(what, sizeof(what), "%s by %s", g_changes[i].name, whos[who]);
            check_all(what);
        }
    }
    return 0;
}
