/*
 * A pseudo-terminal's rarer ioctls, ioctl_tty(2), at both ends:
 * 1. TIOCGSOFTCAR and TIOCSSOFTCAR are CLOCAL of the terminal's c_cflag.
 * 2. TIOCGLCKTRMIOS: nothing is locked. TIOCSLCKTRMIOS and TIOCVHANGUP are EPERM without privilege.
 */
#include "../compat.h"

#include <pty.h>
#include <sys/ioctl.h>

static void end(int fd, int other)
{
    char locks[64];
    struct termios tio;
    int on = -1;
    memset(locks, 7, sizeof(locks));
    CHECK_EQ(ioctl(fd, TIOCGLCKTRMIOS, locks), 0);
    for (int i = 0; i < 36; i++) {
        CHECK_EQ(locks[i], 0);
    }
    CHECK_EQ(locks[36], 7);
    CHECK_ERRNO(ioctl(fd, TIOCGLCKTRMIOS, NULL), EFAULT);
    for (int round = 0; round < 4; round++) {
        int want = round & 1;
        CHECK_EQ(ioctl(fd, TIOCSSOFTCAR, &want), 0);
        CHECK_EQ(ioctl(other, TIOCGSOFTCAR, &on), 0);
        CHECK_EQ(on, want);
        CHECK_EQ(tcgetattr(fd, &tio), 0);
        CHECK_EQ((tio.c_cflag & CLOCAL) != 0, want);
    }
    CHECK_ERRNO(ioctl(fd, TIOCSSOFTCAR, NULL), EFAULT);
    if (geteuid() != 0) {
        CHECK_ERRNO(ioctl(fd, TIOCSLCKTRMIOS, locks), EPERM);
        CHECK_ERRNO(ioctl(fd, TIOCVHANGUP), EPERM);
    }
}

int main(void)
{
    int master, slave, status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) { /* some of it nobody may who is not root */
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0) {
            _exit(77);
        }
        CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
        end(master, slave);
        end(slave, master);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}
