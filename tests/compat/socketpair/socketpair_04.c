/*
 * Socket pairs where any file may be: sendfile(2), splice(2), dup(2), fork(2), exec, O_NONBLOCK by fcntl and ioctl.
 * Claims: sendfile and splice move bytes in and out; the other end sees the end of file when the last copy of a number
 * is closed, also when that happens by exec's close-on-exec or a process's death; FIONBIO and F_SETFL count; SIOCOUTQ is 0 when all
 * was read; several processes that read one end share the bytes.
 */
#include "../compat.h"

#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static void moved(void)
{
    char buf[32];
    off_t at = 2;
    int s[2], p[2], fd, n = -1;

    compat_file("file", "0123456789");
    fd = open("file", O_RDONLY);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
    CHECK_EQ(sendfile(s[0], fd, &at, 5), 5);
    CHECK(ioctl(s[0], SIOCOUTQ, &n) == 0 && n > 0);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 5);
    CHECK(memcmp(buf, "23456", 5) == 0);
    CHECK(ioctl(s[0], SIOCOUTQ, &n) == 0 && n == 0);
    CHECK(write(s[0], "through", 7) == 7);
    CHECK_EQ(splice(s[1], NULL, p[1], NULL, 100, 0), 7);
    CHECK_EQ(splice(p[0], NULL, s[1], NULL, 100, 0), 7);
    CHECK_EQ(read(s[0], buf, sizeof(buf)), 7);
    CHECK(memcmp(buf, "through", 7) == 0);
    n = 1;
    CHECK(ioctl(s[0], FIONBIO, &n) == 0);
    CHECK_ERRNO(read(s[0], buf, 1), EAGAIN);
    n = 0;
    CHECK(ioctl(s[0], FIONBIO, &n) == 0);
    CHECK_EQ(fcntl(s[0], F_GETFL), O_RDWR);
    CHECK(fcntl(s[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERRNO(read(s[0], buf, 1), EAGAIN);
    CHECK_ERRNO(ioctl(s[0], TIOCGWINSZ, buf), ENOTTY);
    for (int i = 0; i < 2; i++) {
        close(s[i]);
        close(p[i]);
    }
}

static void ends(void)
{
    char c;
    int s[2], copy, status;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0);
    copy = fcntl(s[1], F_DUPFD_CLOEXEC, 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(s[0]);
        usleep(20000);
        execl("/bin/sleep", "sleep", "1000", NULL); /* closes both copies */
        _exit(1);
    }
    close(s[1]);
    close(copy);
    CHECK_EQ(read(s[0], &c, 1), 0);
    close(s[0]);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    pid = fork();
    if (pid == 0) {
        pause();
    }
    close(s[1]);
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_EQ(read(s[0], &c, 1), 0);
    CHECK(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
    close(s[0]);
}

static void shared(void)
{
    int s[2], done[2], status, total = 0, part;
    char c;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(done) == 0);
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            close(s[0]);
            part = 0;
            while (read(s[1], &c, 1) == 1) {
                part++;
            }
            CHECK(write(done[1], &part, sizeof(part)) == sizeof(part));
            _exit(0);
        }
    }
    for (int i = 0; i < 1000; i++) {
        CHECK(write(s[0], "x", 1) == 1);
    }
    close(s[0]);
    for (int i = 0; i < 3; i++) {
        CHECK(wait(&status) > 0 && status == 0);
        CHECK(read(done[0], &part, sizeof(part)) == sizeof(part));
        total += part;
    }
    CHECK_EQ(total, 1000);
}

int main(void)
{
    compat_tmpdir();
    moved();
    ends();
    shared();
    return 0;
}
