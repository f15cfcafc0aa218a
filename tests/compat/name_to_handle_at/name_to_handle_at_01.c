/*
 * name_to_handle_at(2), open_by_handle_at(2): a handle leads to its file whatever it is called by now, until it is gone (ESTALE); sizes,
 * flags and pointers are checked; AT_HANDLE_FID names files of every file system; only who may search everything opens.
 */
#include "../compat.h"

#include <sys/syscall.h>

#define HANDLE_FID 0x200

union handle {
    struct file_handle head;
    char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int g_mount;

static union handle handle_of(int dirfd, const char *name, int flags)
{
    union handle h = {.head.handle_bytes = MAX_HANDLE_SZ};
    CHECK_EQ(name_to_handle_at(dirfd, name, &h.head, &g_mount, flags), 0);
    CHECK(h.head.handle_bytes > 0 && h.head.handle_bytes <= MAX_HANDLE_SZ);
    return h;
}

static int reopen(union handle h, int flags)
{
    int at = open(".", O_RDONLY), fd = open_by_handle_at(at, &h.head, flags), error = errno;
    close(at);
    errno = error;
    return fd;
}

static void is_file(int fd, const char *name)
{
    struct stat a, b;
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &a), 0);
    CHECK_EQ(lstat(name, &b), 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    close(fd);
}

static void names(void)
{
    union handle h = {.head.handle_bytes = MAX_HANDLE_SZ};
    int dir = open("d", O_RDONLY), path = open("d", O_PATH), m;
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "nothing", &h.head, &m, 0), ENOENT);
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "", &h.head, &m, 0), ENOENT);
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "d/f/x", &h.head, &m, 0), ENOTDIR);
    CHECK_ERRNO(name_to_handle_at(999, "f", &h.head, &m, 0), EBADF);
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "d", &h.head, &m, 0x8000), EINVAL);
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, (char *)8, &h.head, &m, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_name_to_handle_at, AT_FDCWD, "d", 8, &m, 0), EFAULT);
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "d", &h.head, (int *)8, 0), EFAULT);
    h.head.handle_bytes = MAX_HANDLE_SZ + 1;
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "d", &h.head, &m, 0), EINVAL);
    h.head.handle_bytes = 0;
    CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "d", &h.head, &m, 0), EOVERFLOW);
    CHECK_EQ(name_to_handle_at(AT_FDCWD, "d", &h.head, &m, 0), 0);
    CHECK_EQ(m, g_mount);
    handle_of(dir, "f", 0);
    handle_of(dir, "", AT_EMPTY_PATH);
    handle_of(path, "", AT_EMPTY_PATH);
    h.head.handle_bytes = MAX_HANDLE_SZ;
    int version = open("/proc/version", O_RDONLY);
    CHECK_ERRNO(name_to_handle_at(version, "", &h.head, &m, AT_EMPTY_PATH), EOPNOTSUPP);
    if (compat_linux(6, 6)) {
        CHECK_EQ(name_to_handle_at(version, "", &h.head, &m, AT_EMPTY_PATH | HANDLE_FID), 0);
    }
}

static void opens(void)
{
    union handle file = handle_of(AT_FDCWD, "d/f", 0), dir = handle_of(AT_FDCWD, "d", 0),
                 link = handle_of(AT_FDCWD, "d/l", 0),
                 target = handle_of(AT_FDCWD, "d/l", AT_SYMLINK_FOLLOW), bad = file;
    is_file(reopen(file, O_RDWR), "d/f");
    is_file(reopen(target, O_RDONLY), "d/f");
    is_file(reopen(dir, O_RDONLY | O_DIRECTORY), "d");
    is_file(reopen(link, O_PATH), "d/l");
    is_file(reopen(handle_of(AT_FDCWD, ".", 0), O_RDONLY), ".");
    CHECK_ERRNO(reopen(link, O_RDONLY), ELOOP);
    CHECK_ERRNO(reopen(dir, O_RDWR), EISDIR);
    CHECK_ERRNO(reopen(file, O_RDONLY | O_DIRECTORY), ENOTDIR);
    bad.head.handle_bytes = 0;
    CHECK_ERRNO(reopen(bad, O_RDONLY), EINVAL);
    bad.head.handle_bytes = MAX_HANDLE_SZ + 1;
    CHECK_ERRNO(reopen(bad, O_RDONLY), EINVAL);
    CHECK_ERRNO(open_by_handle_at(999, &file.head, O_RDONLY), EBADF);
    CHECK_ERRNO(syscall(SYS_open_by_handle_at, AT_FDCWD, 8, O_RDONLY), EFAULT);
    CHECK_ERRNO(open_by_handle_at(open("/proc/version", O_RDONLY), &file.head, O_RDONLY), ESTALE);

    int fd = reopen(file, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    CHECK_EQ(mkdir("e", 0755), 0);
    CHECK_EQ(rename("d/f", "e/g"), 0);
    is_file(reopen(file, O_RDONLY), "e/g");
    CHECK_EQ(rename("e", "d/e"), 0);
    is_file(reopen(file, O_RDONLY), "d/e/g");
    CHECK_EQ(unlink("d/e/g"), 0);
    CHECK_ERRNO(reopen(file, O_RDONLY), ESTALE);
}

static int as_nobody(void)
{
    union handle h = handle_of(AT_FDCWD, "d", 0);
    CHECK_EQ(setuid(12345), 0);
    CHECK_ERRNO(open_by_handle_at(AT_FDCWD, &h.head, O_RDONLY), EPERM);
    return 0;
}

int main(void)
{
    setenv("TMPDIR", "/dev/shm", 1); /* a tmpfs: overlays have no handles */
    compat_tmpdir();
    CHECK_EQ(mkdir("d", 0755), 0);
    compat_file("d/f", "0123456789");
    CHECK_EQ(symlink("f", "d/l"), 0);
    if (!compat_linux(6, 13)) {
        SKIP("Linux knew fewer flags, and let fewer open handles");
    }
    handle_of(AT_FDCWD, "d", 0);
    names();
    if (geteuid() != 0) {
        SKIP("opening needs CAP_DAC_READ_SEARCH");
    }
    opens();
    CHECK_EQ(compat_child(as_nobody), 0);
    return 0;
}
