/*
 * Who may look into a process may not look into the set-user-ID program that it executes, nor go on to trace it: not even who begins
 * while the exec is under way, from any side of it.
 */
#include "tests/compat/ptrace/tracer.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define ROUNDS 60

static volatile long g_secret = 0x5ec2e7;

/* The program: root's. The rest of its life is the tracer's chance. */
static int privileged(const char *fd)
{
    char line[128];
    int out = atoi(fd);
    if (geteuid() != 0) {
        return 11; /* it was traced before */
    }
    FILE *f = fopen("/proc/self/status", "r");
    int tracer = 0;
    while (f && fgets(line, sizeof(line), f)) {
        sscanf(line, "TracerPid: %d", &tracer);
    }
    uint64_t at = (uint64_t)&g_secret;
    CHECK_EQ(write(out, &at, sizeof(at)), (long)sizeof(at));
    char c;
    CHECK_EQ(read(out, &c, 1), 1);
    return tracer ? 12 : 10;
}

static int open_memory(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void set_user(void)
{
    become_ordinary();
    CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0); /* the same user may look in */
}

/* From the same user: looks into pid as long as it is let. */
static void one_round(const char *path, int wait_us, int seize)
{
    int p[2], status, fd = -1, tries = 0;
    char number[16];
    uint64_t at;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    snprintf(number, sizeof(number), "%d", p[1]);
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, path, number, (char *)NULL);
        _exit(99);
    }
    close(p[1]);
    if (wait_us) {
        usleep((useconds_t)wait_us);
    }
    int traces = 0;
    for (;;) {
        if (seize && !traces && tries > seize * 2 && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
            traces = 1;
        }
        int again = open_memory(pid);
        if (again < 0) {
            break;
        }
        if (fd >= 0) {
            close(fd);
        }
        fd = again;
        if (tries++ > 100000) {
            break;
        }
        struct pollfd f = {.fd = p[0], .events = POLLIN};
        if (poll(&f, 1, 0) > 0) {
            break;
        }
    }
    if (read(p[0], &at, sizeof(at)) == (long)sizeof(at)) {
        long secret = 0;
        if (fd >= 0 && pread(fd, &secret, sizeof(secret), (off_t)at) > 0) {
            fprintf(stderr, "memory of a set-user-ID program: %lx\n", (unsigned long)secret);
            exit(1);
        }
        CHECK_EQ(write(p[0], "x", 1), 1);
    }
    close(p[0]);
    if (fd >= 0) {
        close(fd);
    }
    for (;;) {
        CHECK_EQ(waitpid(pid, &status, __WALL), pid);
        if (!WIFSTOPPED(status)) {
            break;
        }
        ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
    }
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 12) {
        fprintf(stderr, "a set-user-ID program is traced\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/ptrace.XXXXXX", path[64];
    if (argc > 1) {
        return privileged(argv[1]);
    }
    if (geteuid() != 0 || !mkdtemp(dir)) {
        SKIP("needs root");
    }
    bool mounted = mount("none", dir, "tmpfs", 0, "") == 0; /* the root may be mounted nosuid */
    copy_program(argv[0], dir, "4755", path);
    pid_t user = fork();
    if (user == 0) {
        set_user();
        for (int i = 0; i < ROUNDS; i++) {
            one_round(path, i * 20 % 600, i % 8);
        }
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(user, &status, 0), user);
    unlink(path);
    if (mounted) {
        umount2(dir, MNT_DETACH);
    }
    rmdir(dir);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}
