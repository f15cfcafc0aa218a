/*
 * execveat(2): from a directory, of an open file (AT_EMPTY_PATH), without following a link
 * (AT_SYMLINK_NOFOLLOW). The program's name is /dev/fd/N...; a script on a close-on-exec descriptor is ENOENT.
 */
#include "../compat.h"

#include <sys/auxv.h>
#include <sys/syscall.h>

static char self[PATH_MAX];

static long run(int dirfd, const char *name, int flags)
{
    char *const argv[] = {"argv0", "show", NULL}, *const envp[] = {NULL};
    return syscall(SYS_execveat, dirfd, name, argv, envp, flags);
}

/* What AT_EXECFN and the name were in the new program: "execfn comm". */
static const char *shown(int dirfd, const char *name, int flags)
{
    static char out[PATH_MAX + 64];
    int p[2], status;
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(p[1], 1);
        run(dirfd, name, flags);
        _exit(errno);
    }
    close(p[1]);
    ssize_t n = read(p[0], out, sizeof(out) - 1);
    CHECK(n >= 0);
    out[n] = 0;
    close(p[0]);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(WEXITSTATUS(status), 0);
    return out;
}

int main(int argc, char **argv)
{
    char want[PATH_MAX + 64], *slash;
    if (argc > 1) {
        printf("%s", (const char *)getauxval(AT_EXECFN));
        return strcmp(argv[0], "argv0") != 0;
    }
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    CHECK(strcmp(shown(AT_FDCWD, self, 0), self) == 0);
    CHECK(strcmp(shown(-1, self, 0), self) == 0); /* an absolute name needs no directory */
    int fd = open(self, O_RDONLY);
    CHECK(fd >= 0);
    snprintf(want, sizeof(want), "/dev/fd/%d", fd);
    CHECK(strcmp(shown(fd, "", AT_EMPTY_PATH), want) == 0);
    int path_fd = open(self, O_PATH | O_CLOEXEC);
    snprintf(want, sizeof(want), "/dev/fd/%d", path_fd);
    CHECK(strcmp(shown(path_fd, "", AT_EMPTY_PATH), want) == 0);

    compat_tmpdir();
    CHECK_EQ(symlink(self, "link"), 0);
    int dir = open(".", O_RDONLY | O_DIRECTORY);
    snprintf(want, sizeof(want), "/dev/fd/%d/link", dir);
    CHECK(strcmp(shown(dir, "link", 0), want) == 0);
    CHECK_ERRNO(run(dir, "link", AT_SYMLINK_NOFOLLOW), ELOOP);
    CHECK_ERRNO(run(dir, "missing", 0), ENOENT);
    CHECK_ERRNO(run(dir, "", 0), ENOENT);
    CHECK_ERRNO(run(dir, "", AT_EMPTY_PATH), EACCES);
    CHECK_ERRNO(run(fd, "name", 0), ENOTDIR);
    CHECK_ERRNO(run(999, "name", 0), EBADF);
    CHECK_ERRNO(run(999, "", AT_EMPTY_PATH), EBADF);
    CHECK_ERRNO(run(dir, "link", 0x40000000), EINVAL);

    slash = strrchr(self, '/');
    CHECK(slash != NULL);
    char text[PATH_MAX + 16];
    snprintf(text, sizeof(text), "#!%s show\n", strlen(self) < 200 ? self : "./link");
    compat_file("script", text);
    CHECK_EQ(chmod("script", 0755), 0);
    int script = open("script", O_RDONLY | O_CLOEXEC);
    CHECK_ERRNO(run(script, "", AT_EMPTY_PATH), ENOENT);
    int open_script = open("script", O_RDONLY);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(1);
        CHECK(open("/dev/null", O_WRONLY) == 1);
        run(open_script, "", AT_EMPTY_PATH);
        _exit(99);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(WEXITSTATUS(status), 1); /* argv[0] is the interpreter's name now */
    return 0;
}
