/*
 * bind(2) to names in the file system, abstract names, and names of the kernel's choice.
 * Claims: the socket's name is a socket file with 0777 & ~umask, or the mode that fchmod gave; a name
 * that is taken is EADDRINUSE, and stays after close; a bound socket is not bound again (EINVAL, and no name is left); abstract
 * names are byte strings and vanish with the socket; binding to an empty address picks a name of five hexadecimal digits;
 * getsockname tells the sizes that unix(7) says.
 */
#include "../compat.h"

#include <ctype.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OFFSET offsetof(struct sockaddr_un, sun_path)

static int named(int fd, const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    strcpy(a.sun_path, path);
    return bind(fd, (void *)&a, (socklen_t)(OFFSET + strlen(path) + 1));
}

static int dgram(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    CHECK(fd >= 0);
    return fd;
}

static void paths(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct sockaddr_storage got;
    socklen_t size = sizeof(got);
    struct stat st;
    int s = dgram();

    umask(027);
    CHECK(getsockname(s, (void *)&got, &size) == 0 && size == 2 && got.ss_family == AF_UNIX);
    CHECK(named(s, "name") == 0);
    CHECK(stat("name", &st) == 0 && st.st_mode == (S_IFSOCK | 0750));
    size = sizeof(got);
    CHECK(getsockname(s, (void *)&got, &size) == 0 && size == OFFSET + 5);
    CHECK(strcmp(((struct sockaddr_un *)&got)->sun_path, "name") == 0);
    size = 5;
    memset(&got, 'x', sizeof(got));
    CHECK(getsockname(s, (void *)&got, &size) == 0 && size == OFFSET + 5);
    CHECK(((char *)&got)[4] == 'm' && ((char *)&got)[5] == 'x');
    CHECK_ERRNO(named(dgram(), "name"), EADDRINUSE);
    CHECK_ERRNO(named(s, "name"), EADDRINUSE);
    CHECK_ERRNO(named(s, "other"), EINVAL);
    CHECK_ERRNO(access("other", F_OK), ENOENT);
    CHECK_ERRNO(open("name", O_RDWR), ENXIO);
    close(s);
    CHECK(access("name", F_OK) == 0);
    CHECK_ERRNO(named(dgram(), "name"), EADDRINUSE);
    CHECK(unlink("name") == 0);
    s = dgram();
    CHECK(fchmod(s, 0600) == 0);
    CHECK(named(s, "name") == 0);
    CHECK(stat("name", &st) == 0 && st.st_mode == (S_IFSOCK | 0600));
    compat_file("plain", "");
    CHECK(symlink("nowhere", "link") == 0);
    s = dgram();
    CHECK_ERRNO(named(s, "plain"), EADDRINUSE);
    CHECK_ERRNO(named(s, "link"), EADDRINUSE);
    CHECK_ERRNO(named(s, "plain/x"), ENOTDIR);
    CHECK_ERRNO(named(s, "none/x"), ENOENT);
    /* 108 bytes without a NUL */
    memset(a.sun_path, 'n', sizeof(a.sun_path));
    CHECK(bind(s, (void *)&a, sizeof(a)) == 0);
    size = sizeof(got);
    CHECK(getsockname(s, (void *)&got, &size) == 0 && size == sizeof(a) + 1);
    CHECK_EQ(strlen(((struct sockaddr_un *)&got)->sun_path), 108);
}

static void forms(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "y"};
    char big[200] = {AF_UNIX};
    int s = dgram();

    CHECK_ERRNO(bind(s, (void *)&a, 1), EINVAL);
    CHECK_ERRNO(bind(s, (void *)&a, -1), EINVAL);
    CHECK_ERRNO(bind(s, (void *)big, sizeof(big)), EINVAL);
    CHECK_ERRNO(bind(s, (void *)big, 111), EINVAL);
    CHECK_ERRNO(bind(s, (void *)16, sizeof(a)), EFAULT);
    a.sun_family = AF_INET;
    CHECK_ERRNO(bind(s, (void *)&a, sizeof(a)), EINVAL);
}

static void abstract(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX}, got;
    socklen_t size;
    int s = dgram(), b = dgram();

    snprintf(a.sun_path + 1, 100, "compat-%d", getpid());
    CHECK(bind(s, (void *)&a, OFFSET + 20) == 0);
    CHECK_ERRNO(bind(b, (void *)&a, OFFSET + 20), EADDRINUSE);
    CHECK_ERRNO(bind(s, (void *)&a, OFFSET + 21), EINVAL);
    CHECK(bind(b, (void *)&a, OFFSET + 21) == 0); /* another name */
    size = sizeof(got);
    CHECK(getsockname(s, (void *)&got, &size) == 0 && size == OFFSET + 20);
    CHECK(memcmp(&a, &got, OFFSET + 20) == 0);
    close(s);
    s = dgram();
    CHECK(bind(s, (void *)&a, OFFSET + 20) == 0);
}

static void automatic(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX}, got;
    socklen_t size = sizeof(got), size2 = sizeof(got);
    int s = dgram();

    CHECK(bind(s, (void *)&a, OFFSET) == 0);
    CHECK(getsockname(s, (void *)&got, &size) == 0 && size == OFFSET + 6 && got.sun_path[0] == 0);
    for (int i = 1; i < 6; i++) {
        CHECK(isxdigit((unsigned char)got.sun_path[i]));
    }
    CHECK(bind(s, (void *)&a, OFFSET) == 0); /* it has one: nothing to do */
    CHECK(getsockname(s, (void *)&a, &size2) == 0 && size2 == size && memcmp(&a, &got, size) == 0);
}

int main(void)
{
    compat_tmpdir();
    paths();
    forms();
    abstract();
    automatic();
    return 0;
}
