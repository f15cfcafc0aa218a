/*
 * stat(2), fstatat, access: a name means what it means to the caller now, however often it was asked before: after chdir, fchdir,
 * chroot, another directory under the same descriptor, other credentials; in threads, and in processes that share memory,
 * descriptors or the working directory, which change these for each other or do not.
 */
#include "../compat.h"

#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define ROUNDS 20
#define FD     77

static char g_a[PATH_MAX], g_b[PATH_MAX];
static char g_stack[2][65536];

/* Sizes of "x" by all ways; -1: not there, -2: they differ. */
static long size_here(void)
{
    struct stat a, b;
    int r = stat("x", &a), s = fstatat(AT_FDCWD, "./x", &b, 0);
    if (r != s || (r == 0 && a.st_size != b.st_size) || access("x", F_OK) != r) {
        return -2;
    }
    return r < 0 ? -1 : (long)a.st_size;
}
static long size_at(int fd)
{
    struct stat st;
    return fstatat(fd, "x", &st, 0) == 0 ? (long)st.st_size : errno == ENOENT ? -1 : -errno - 100;
}
static void warm(void)
{
    struct stat st;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(size_here() != -2);
        size_at(FD);
        stat("/x", &st);
        stat("y", &st);
    }
}

static void check_moves(void)
{
    struct stat st;
    CHECK_EQ(chdir(g_a), 0);
    warm();
    CHECK_EQ(size_here(), 1);
    CHECK_EQ(chdir(g_b), 0);
    CHECK_EQ(size_here(), 2);
    warm();
    int fd = open(g_a, O_RDONLY);
    CHECK_EQ(fchdir(fd), 0);
    CHECK_EQ(size_here(), 1);
    warm();
    CHECK_EQ(chdir("../empty"), 0);
    CHECK_EQ(size_here(), -1);
    warm();
    CHECK_EQ(chdir("../b/../a"), 0);
    CHECK_EQ(size_here(), 1);
    /* The directory itself goes elsewhere: names relative to it stay, ".." does not. */
    CHECK_EQ(mkdir("../other", 0755), 0);
    CHECK_EQ(stat("../b/x", &st), 0);
    for (int i = 0; i < ROUNDS; i++) {
        stat("../b/x", &st);
    }
    CHECK_EQ(rename("../a", "../other/a"), 0);
    CHECK_EQ(size_here(), 1);
    CHECK_ERRNO(stat("../b/x", &st), ENOENT);
    CHECK_EQ(rename("../a", g_a), 0);
    CHECK_EQ(stat("../b/x", &st), 0);
    CHECK_EQ(rmdir("../other"), 0);
    close(fd);
}

static void check_descriptors(void)
{
    int a = open(g_a, O_RDONLY), b = open(g_b, O_PATH | O_DIRECTORY), p[2];
    CHECK_EQ(dup2(a, FD), FD);
    warm();
    CHECK_EQ(size_at(FD), 1);
    CHECK_EQ(dup2(b, FD), FD);
    CHECK_EQ(size_at(FD), 2);
    warm();
    close(FD);
    CHECK_EQ(size_at(FD), -EBADF - 100);
    CHECK_EQ(fcntl(a, F_DUPFD, FD), FD);
    CHECK_EQ(size_at(FD), 1);
    warm();
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(dup3(p[0], FD, O_CLOEXEC), FD);
    CHECK_EQ(size_at(FD), -ENOTDIR - 100);
    CHECK_EQ(dup2(a, FD), FD);
    warm();
    CHECK_EQ(syscall(SYS_close_range, FD, FD, 0), 0);
    CHECK_EQ(size_at(FD), -EBADF - 100);
    CHECK_EQ(dup2(b, FD), FD);
    CHECK_EQ(size_at(FD), 2);
    close(a), close(b), close(p[0]), close(p[1]);
}

/* --- threads --- */

static void *go_to_b(void *arg)
{
    CHECK_EQ(chdir(g_b), 0);
    CHECK_EQ(dup2(open(g_b, O_RDONLY), FD), FD);
    return arg;
}
static void *go_alone(void *arg)
{
    warm();
    CHECK_EQ(unshare(CLONE_FS), 0);
    CHECK_EQ(chdir(g_b), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(size_here(), 2);
    }
    CHECK_EQ(unshare(CLONE_FILES), 0);
    CHECK_EQ(dup2(open(g_b, O_RDONLY), FD), FD);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(size_at(FD), 2);
    }
    return arg;
}
static void check_threads(void)
{
    pthread_t t;
    CHECK_EQ(chdir(g_a), 0);
    CHECK_EQ(dup2(open(g_a, O_RDONLY), FD), FD);
    warm();
    CHECK_EQ(pthread_create(&t, NULL, go_to_b, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(size_here() == 2 && size_at(FD) == 2);
    CHECK_EQ(chdir(g_a), 0);
    CHECK_EQ(dup2(open(g_a, O_RDONLY), FD), FD);
    warm();
    CHECK_EQ(pthread_create(&t, NULL, go_alone, NULL), 0);
    for (int i = 0; i < 20 * ROUNDS; i++) {
        CHECK(size_here() == 1 && size_at(FD) == 1);
    }
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK(size_here() == 1 && size_at(FD) == 1);
}

/* --- processes --- */

static int in_child(void *arg)
{
    int shares_fs = (int)(intptr_t)arg & 1, shares_files = (int)(intptr_t)arg & 2;
    struct stat st;
    for (int i = 0; i < ROUNDS; i++) { /* what the parent knew holds here as well */
        if (size_here() != 1 || size_at(FD) != 1) {
            return 2;
        }
    }
    if (chdir(g_b) < 0 || dup2(open(g_b, O_RDONLY), FD) < 0) {
        return 3;
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (size_here() != 2 || size_at(FD) != 2 || stat("y", &st) < 0) {
            return 4;
        }
    }
    return shares_fs + shares_files >= 0 ? 0 : 5;
}
static void check_processes(void)
{
    static const int flags[] = {0,
                                CLONE_FS,
                                CLONE_FILES,
                                CLONE_FS | CLONE_FILES,
                                CLONE_VM,
                                CLONE_VM | CLONE_FS,
                                CLONE_VM | CLONE_FILES,
                                CLONE_VM | CLONE_FS | CLONE_FILES,
                                CLONE_VM | CLONE_VFORK,
                                CLONE_VM | CLONE_VFORK | CLONE_FS,
                                CLONE_VM | CLONE_VFORK | CLONE_FILES};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        int status, fs = flags[i] & CLONE_FS ? 1 : 0, files = flags[i] & CLONE_FILES ? 1 : 0;
        CHECK_EQ(chdir(g_a), 0);
        int a = open(g_a, O_RDONLY);
        CHECK_EQ(dup2(a, FD), FD);
        close(a);
        warm();
        CHECK(size_here() == 1 && size_at(FD) == 1);
        pid_t pid = clone(in_child, g_stack[i % 2] + sizeof(g_stack[0]), flags[i] | SIGCHLD,
                          (void *)(intptr_t)(fs + 2 * files));
        CHECK(pid > 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        CHECK_EQ(size_here(), fs ? 2 : 1);
        CHECK_EQ(size_at(FD), files ? 2 : 1);
    }
}

/* --- rights --- */

static int as_nobody(void)
{
    struct stat st;
    CHECK_EQ(chdir(g_a), 0);
    CHECK_EQ(mkdir("private", 0700), 0);
    compat_file("private/f", "secret");
    compat_file("mine", "m");
    CHECK_EQ(chmod("mine", 0600), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(stat("private/f", &st), 0);
        CHECK_ERRNO(stat("private/none", &st), ENOENT);
        CHECK_EQ(access("mine", R_OK | W_OK), 0);
    }
    CHECK_EQ(setgroups(0, NULL), 0);
    CHECK_EQ(seteuid(1000), 0);
    CHECK_ERRNO(stat("private/f", &st), EACCES);
    CHECK_EQ(access("mine", R_OK | W_OK), 0); /* the real user may */
    CHECK_EQ(seteuid(0), 0);
    CHECK_EQ(stat("private/f", &st), 0);
    CHECK_EQ(setgid(1000), 0);
    CHECK_EQ(setuid(1000), 0);
    CHECK_ERRNO(stat("private/f", &st), EACCES);
    CHECK_ERRNO(stat("private/none", &st), EACCES);
    CHECK_ERRNO(access("mine", R_OK), EACCES);
    CHECK_EQ(access("mine", F_OK), 0);
    return 0;
}

static int in_root(void)
{
    struct stat st;
    CHECK_EQ(chdir(g_a), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_ERRNO(stat("/x", &st), ENOENT);
    }
    if (chroot(g_b) < 0) {
        return 0; /* not here */
    }
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(stat("/x", &st), 0);
        CHECK_EQ(st.st_size, 2);
        CHECK_EQ(size_here(), 1);
    }
    return 0;
}

static void check_modes(void)
{
    CHECK_EQ(chdir(g_a), 0);
    CHECK_EQ(chmod("x", 0644), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(access("x", R_OK), 0);
        CHECK_ERRNO(access("x", X_OK), EACCES);
    }
    CHECK_EQ(chmod("x", 0755), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(access("x", X_OK), 0);
    }
    CHECK_EQ(chmod("x", 0644), 0);
    CHECK_ERRNO(access("x", X_OK), EACCES);
    CHECK_ERRNO(access("x", 8), EINVAL);
}

static void check_xattrs(void)
{
    char value[32];
    CHECK_EQ(chdir(g_a), 0);
    int want = getxattr("x", "system.posix_acl_access", value, sizeof(value)) < 0 ? errno : 0;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_ERRNO(getxattr("x", "system.posix_acl_access", value, sizeof(value)), want);
        CHECK(lgetxattr("x", "security.selinux", value, sizeof(value)) < 0);
        CHECK(getxattr("x", "user.test", value, sizeof(value)) < 0);
    }
    if (setxattr("x", "user.test", "1", 1, 0) == 0) {
        CHECK_EQ(getxattr("x", "user.test", value, sizeof(value)), 1);
        CHECK_EQ(removexattr("x", "user.test"), 0);
    }
    if (setxattr("x", "security.selinux", "label", 5, 0) == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            CHECK_EQ(lgetxattr("x", "security.selinux", value, sizeof(value)), 5);
        }
        CHECK_EQ(removexattr("x", "security.selinux"), 0);
        CHECK_ERRNO(lgetxattr("x", "security.selinux", value, sizeof(value)), ENODATA);
    }
    CHECK_ERRNO(getxattr("none", "security.selinux", value, sizeof(value)), ENOENT);
}

/* One page that can be used, and one that can't. */
static char *mmap_two_pages(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(mprotect(p + 4096, 4096, PROT_NONE), 0);
    return p;
}

/* Answers come to where they are wanted, or not at all. */
static void check_pointers(void)
{
    struct stat st;
    char *page = mmap_two_pages();
    CHECK_EQ(chdir(g_a), 0);
    warm();
    CHECK_ERRNO(stat("x", (struct stat *)8), EFAULT);
    CHECK_ERRNO(stat("x", (struct stat *)(page + 4096 - 100)), EFAULT);
    CHECK_ERRNO(stat((char *)8, &st), EFAULT);
    strcpy(page + 4096 - 2, "x"); /* the name ends where memory ends */
    CHECK_EQ(stat(page + 4096 - 2, &st), 0);
    CHECK_EQ(st.st_size, 1);
    page[4095] = 'x';
    CHECK_ERRNO(stat(page + 4094, &st), EFAULT);
}

int main(void)
{
    char dir[PATH_MAX];
    compat_tmpdir();
    CHECK(getcwd(dir, sizeof(dir) - 8) != NULL);
    snprintf(g_a, sizeof(g_a), "%.4000s/a", dir);
    snprintf(g_b, sizeof(g_b), "%.4000s/b", dir);
    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("empty", 0755) == 0);
    CHECK_EQ(chmod(dir, 0755), 0);
    compat_file("a/x", "1");
    compat_file("b/x", "22");
    compat_file("b/y", "22");
    check_moves();
    check_descriptors();
    check_threads();
    check_processes();
    check_modes();
    check_xattrs();
    check_pointers();
    CHECK_EQ(compat_child(in_root), 0);
    if (getuid() == 0) {
        CHECK_EQ(compat_child(as_nobody), 0);
    }
    return 0;
}
