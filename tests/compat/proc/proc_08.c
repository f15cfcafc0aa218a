/*
 * proc(5): task/TID/children names the children; the size of fd is how many there are (Linux 6.2); oom_score_adj may go
 * down again to what was set last with CAP_SYS_RESOURCE.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/prctl.h>

static long written(const char *value)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    CHECK(fd >= 0);
    errno = 0;
    long r = write(fd, value, strlen(value));
    int err = errno;
    close(fd);
    errno = err;
    return r;
}

static int oom_score(void)
{
    if (geteuid() == 0) {
        CHECK_EQ(setresuid(12345, 12345, 12345), 0);
        CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
    }
    CHECK_EQ(written("500"), 3);
    CHECK_EQ(written("300"), 3);
    CHECK_EQ(written("0"), 1);
    CHECK_ERRNO(written("-1"), EACCES);
    return 0;
}

static void check_children(void)
{
    char path[64], buf[256] = "", want[64];
    pid_t a = fork();
    if (a == 0) {
        pause();
    }
    pid_t b = fork();
    if (b == 0) {
        pause();
    }
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        CHECK(read(fd, buf, sizeof(buf) - 1) >= 0);
        close(fd);
        snprintf(want, sizeof(want), "%d %d ", a, b);
        CHECK(strcmp(buf, want) == 0);
    } else {
        CHECK_EQ(errno, ENOENT); /* a kernel without CONFIG_PROC_CHILDREN */
    }
    CHECK_EQ(kill(a, SIGKILL), 0);
    CHECK_EQ(kill(b, SIGKILL), 0);
    CHECK_EQ(waitpid(a, NULL, 0), a);
    CHECK_EQ(waitpid(b, NULL, 0), b);
}

int main(void)
{
    check_children();
    struct stat before, after;
    CHECK_EQ(stat("/proc/self/fd", &before), 0);
    if (before.st_size) {
        int fd = dup(0);
        CHECK(fd >= 0);
        CHECK_EQ(stat("/proc/self/fd", &after), 0);
        CHECK_EQ(after.st_size, before.st_size + 1);
        CHECK_EQ(close(fd), 0);
    }
    char score[16];
    int fd = open("/proc/self/oom_score_adj", O_RDONLY);
    CHECK(fd >= 0 && read(fd, score, sizeof(score)) > 0);
    return strncmp(score, "0\n", 2) == 0 ? compat_child(oom_score) : 0;
}
