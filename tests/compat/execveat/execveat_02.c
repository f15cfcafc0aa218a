/*
 * A program in a memfd can be executed while the descriptor that memfd_create gave is open for writing; one that was opened again
 * to write makes it ETXTBSY, as with any file.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static int run(int fd)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char *const argv[] = {"argv0", "end", NULL}, *const envp[] = {NULL};
        syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
        _exit(errno);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    static char buf[65536];
    char name[32];
    ssize_t n;
    if (argc > 1) {
        return strcmp(argv[0], "argv0") == 0 ? 0 : 99;
    }
    int self = open("/proc/self/exe", O_RDONLY), fd = memfd_create("program", 0);
    while ((n = read(self, buf, sizeof(buf))) > 0) {
        CHECK_EQ(write(fd, buf, (size_t)n), n);
    }
    CHECK_EQ(run(fd), 0);
    CHECK_EQ(run(dup(fd)), 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    int reader = open(name, O_RDONLY), writer = open(name, O_RDWR);
    CHECK(reader >= 0 && writer >= 0);
    CHECK_EQ(run(fd), ETXTBSY);
    close(writer);
    CHECK_EQ(run(reader), 0);
    close(fd);
    CHECK_EQ(run(reader), 0);
    return 0;
}
