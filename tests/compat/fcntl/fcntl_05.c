/*
 * What a descriptor leads to, asked again and again. Claims: it is a terminal or not (TCGETS, TIOCGWINSZ: ENOTTY), and can seek or not (ESPIPE), as
 * what it leads to now: regular file, directory, pipe, socket, /dev/null, /dev/zero, a pseudo-terminal, O_PATH, nothing; also when another file has taken
 * its number, by dup2 or open; a whence that does not exist is EINVAL. lseek(2), ioctl_tty(2), fcntl(2).
 */
#include "tests/compat/compat.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#define ROUNDS 12

enum kind { PLAIN, DIRECTORY, STREAM, NULL_DEVICE, ZERO, TERMINAL, PATH, CLOSED, KINDS };

static void is(int fd, enum kind k)
{
    struct termios tio;
    struct winsize size;
    if (k == TERMINAL) {
        CHECK_EQ(ioctl(fd, TCGETS, &tio), 0);
        CHECK_EQ(ioctl(fd, TIOCGWINSZ, &size), 0);
        CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), ESPIPE);
        return;
    }
    int error = k == PATH || k == CLOSED ? EBADF : ENOTTY;
    CHECK_ERRNO(ioctl(fd, TCGETS, &tio), error);
    CHECK_ERRNO(ioctl(fd, TIOCGWINSZ, &size), error);
    if (error == EBADF) {
        CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), EBADF);
        CHECK_EQ(fcntl(fd, F_GETFL) >= 0, k == PATH);
        return;
    }
    CHECK_ERRNO(lseek(fd, 0, 77), EINVAL);
    if (k == STREAM) {
        CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), ESPIPE);
        CHECK_ERRNO(lseek(fd, 5, SEEK_SET), ESPIPE);
    } else if (k == NULL_DEVICE) {
        CHECK_EQ(lseek(fd, 5, SEEK_SET), 0);
        CHECK_EQ(lseek(fd, -3, SEEK_CUR), 0);
    } else if (k == PLAIN) {
        CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
        CHECK_EQ(lseek(fd, 1, SEEK_CUR), 6);
        CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    } else {
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
    }
    CHECK(fcntl(fd, F_GETFL) >= 0 && fcntl(fd, F_GETFD) >= 0);
}

int main(void)
{
    int fds[KINDS + 1], pipes[2], sockets[2];
    compat_tmpdir();
    fds[PLAIN] = open("file", O_RDWR | O_CREAT, 0644);
    fds[DIRECTORY] = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    fds[STREAM] = pipes[0];
    fds[NULL_DEVICE] = open("/dev/null", O_RDWR);
    fds[ZERO] = open("/dev/zero", O_RDWR);
    fds[TERMINAL] = posix_openpt(O_RDWR | O_NOCTTY);
    fds[PATH] = open("file", O_PATH);
    fds[CLOSED] = 200;
    for (int k = 0; k < CLOSED; k++) {
        CHECK(fds[k] >= 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < KINDS; k++) {
            is(fds[k], (enum kind)k);
        }
        is(pipes[1], STREAM);
        is(sockets[0], STREAM);
    }
    for (int i = 0; i < 2 * ROUNDS; i++) { /* one number leads to all of them in turn */
        for (int k = 0; k < CLOSED; k++) {
            CHECK_EQ(dup2(fds[k], 100), 100);
            is(100, (enum kind)k);
        }
        CHECK_EQ(close(100), 0);
        is(100, CLOSED);
        int file = open("file", O_RDONLY);
        is(file, PLAIN);
        close(file);
        int null = open("/dev/null", O_RDONLY);
        CHECK_EQ(null, file);
        is(null, NULL_DEVICE);
        CHECK_EQ(fcntl(null, F_SETFL, O_NONBLOCK), 0);
        is(null, NULL_DEVICE);
        CHECK_EQ(fcntl(null, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
        close(null);
    }
    return 0;
}
