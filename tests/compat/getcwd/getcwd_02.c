/*
 * getcwd(2) called often: chdir, fchdir and chroot change it at once, for all threads; so does a rename or a removal of any directory on
 * the way, by whichever process; a thread that unshares CLONE_FS has its own; fork copies it; too small buffers and bad
 * pointers are refused each time.
 */
#include "../compat.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

static char g_top[PATH_MAX];

static void is_at(const char *tail)
{
    char want[2 * PATH_MAX], got[PATH_MAX];
    snprintf(want, sizeof(want), "%s%s", g_top, tail);
    for (int i = 0; i < 8; i++) {
        memset(got, '?', sizeof(got));
        CHECK_EQ(syscall(SYS_getcwd, got, sizeof(got)), strlen(want) + 1);
        CHECK(strcmp(got, want) == 0);
        CHECK(got[strlen(want) + 1] == '?');
    }
    CHECK_EQ(syscall(SYS_getcwd, got, strlen(want) + 1), strlen(want) + 1);
    CHECK_ERRNO(syscall(SYS_getcwd, got, strlen(want)), ERANGE);
    CHECK_ERRNO(syscall(SYS_getcwd, got, 0), ERANGE);
    CHECK_ERRNO(syscall(SYS_getcwd, (char *)8, sizeof(got)), EFAULT);
}

static int renames(void)
{
    char name[2 * PATH_MAX], new_name[2 * PATH_MAX];
    snprintf(name, sizeof(name), "%s/a", g_top);
    snprintf(new_name, sizeof(new_name), "%s/z", g_top);
    return rename(name, new_name);
}

static void *other(void *arg)
{
    compat_wait_turn(1);
    is_at("/z");
    CHECK_EQ(chdir("b"), 0);
    g_compat_turn = 2;
    compat_wait_turn(3);
    CHECK_EQ(unshare(CLONE_FS), 0);
    CHECK_EQ(chdir("c"), 0);
    g_compat_turn = 4;
    is_at("/z/b/c");
    compat_wait_turn(5);
    is_at("/z/b/c");
    return arg;
}

static int in_child(void)
{
    is_at("/z/b");
    CHECK_EQ(chdir(".."), 0);
    is_at("/z");
    return 0;
}

int main(void)
{
    char got[PATH_MAX];
    int status;
    pthread_t t;
    compat_tmpdir();
    CHECK(getcwd(g_top, sizeof(g_top)) != NULL);
    is_at("");
    CHECK_EQ(mkdir("a", 0755), 0);
    CHECK_EQ(mkdir("a/b", 0755), 0);
    CHECK_EQ(mkdir("a/b/c", 0755), 0);
    int top = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(chdir("a/b/c"), 0);
    is_at("/a/b/c");
    CHECK_EQ(fchdir(top), 0);
    is_at("");
    CHECK_EQ(chdir("a"), 0);
    is_at("/a");
    CHECK_EQ(compat_child(renames), 0);
    is_at("/z");
    CHECK_EQ(pthread_create(&t, NULL, other, NULL), 0);
    g_compat_turn = 1;
    compat_wait_turn(2);
    is_at("/z/b");
    g_compat_turn = 3;
    compat_wait_turn(4);
    is_at("/z/b");
    CHECK_EQ(compat_child(in_child), 0);
    is_at("/z/b");
    CHECK_EQ(chdir("../.."), 0);
    g_compat_turn = 5;
    CHECK_EQ(pthread_join(t, NULL), 0);
    is_at("");
    /* shared with another process */
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        _exit(chdir("z/b/c") == 0 ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    is_at("/z/b/c");
    /* exchanged, replaced, removed */
    CHECK_EQ(mkdirat(top, "other", 0755), 0);
    CHECK_EQ(renameat2(top, "other", top, "z", RENAME_EXCHANGE), 0);
    is_at("/other/b/c");
    CHECK_EQ(unlinkat(top, "other/b/c", AT_REMOVEDIR), 0);
    for (int i = 0; i < 8; i++) {
        CHECK_ERRNO(syscall(SYS_getcwd, got, sizeof(got)), ENOENT);
    }
    CHECK_EQ(chdir(g_top), 0);
    is_at("");
    if (geteuid() == 0) {
        CHECK_EQ(chdir("other"), 0);
        CHECK_EQ(chroot("."), 0);
        g_top[0] = 0;
        is_at("/");
        CHECK_EQ(fchdir(top), 0);
        CHECK_EQ(chroot("."), 0);
        is_at("/");
    }
    return 0;
}
