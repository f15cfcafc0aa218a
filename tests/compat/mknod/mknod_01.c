/*
 * mknod(2): FIFOs and regular files for everybody, devices for the privileged; types that don't exist.
 */
#include "../compat.h"

#include <sys/sysmacros.h>

static int open_reader(void)
{
    int fd = open("fifo", O_RDONLY);
    char c;
    return fd >= 0 && read(fd, &c, 1) == 1 && c == 'x' && read(fd, &c, 1) == 0 ? 0 : 1;
}

int main(void)
{
    struct stat st;
    compat_tmpdir();
    umask(022);
    CHECK_EQ(mknod("fifo", S_IFIFO | 0666, 0), 0);
    CHECK_EQ(stat("fifo", &st), 0);
    CHECK_EQ(st.st_mode, S_IFIFO | 0644);
    CHECK_EQ(mknod("reg", 0600, 0), 0);
    CHECK_EQ(stat("reg", &st), 0);
    CHECK(S_ISREG(st.st_mode));
    CHECK_EQ(mknod("sock", S_IFSOCK | 0600, 0), 0);
    CHECK_ERRNO(open("sock", O_RDWR), ENXIO);
    CHECK_ERRNO(mknod("dir", S_IFDIR | 0755, 0), EPERM);
    CHECK_ERRNO(mknod("link", S_IFLNK | 0755, 0), EINVAL);
    CHECK_ERRNO(mknod("reg", S_IFIFO | 0600, 0), EEXIST);
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(open_reader());
    }
    int fd = open("fifo", O_WRONLY);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(close(fd), 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}
