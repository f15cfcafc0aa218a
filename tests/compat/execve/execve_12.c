/*
 * Programs that nobody has started before, in a dynamic loader that every program begins in. Claims: each of the system's programs
 * runs and ends well, the first time and the next ones, whatever was started in between. execve(2).
 */
#include "tests/compat/compat.h"

#define STARTS 6 /* of each; what a program does at each start may be known by then */

static void start(char *const argv[])
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        execv(argv[0], argv);
        _exit(126);
    }
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
}

int main(void)
{
    char *const programs[][5] = {
        {"/bin/true"},
        {"/bin/sh", "-c", ":"},
        {"/bin/cat"},
        {"/bin/echo", "x"},
        {"/bin/sh", "-c", "/bin/true; /bin/true"},
        {"/bin/ls", "/"},
        {"/usr/bin/env", "/bin/true"},
        {"/usr/bin/id"},
    };
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        for (int k = 0; k < STARTS; k++) {
            start(programs[i]);
            start(programs[0]);
        }
    }
    return 0;
}
