/*
 * vfork(2):
 * 1. The parent does not run until the child exits or execs.
 * 2. The child writes to the parent's memory.
 * 3. A child that execs releases the parent, and its status is the program's.
 */
#include "../compat.h"

int main(int argc, char **argv)
{
    if (argc > 1) {
        return 42;
    }
    volatile int word = 0;
    pid_t pid = vfork();
    CHECK(pid >= 0);
    if (pid == 0) {
        usleep(50000);
        word = 1;
        _exit(5);
    }
    CHECK_EQ(word, 1);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 5);

    for (volatile int i = 0; i < 10; i++) {
        pid = vfork();
        CHECK(pid >= 0);
        if (pid == 0) {
            execl("/proc/self/exe", argv[0], "child", NULL);
            _exit(99);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(WEXITSTATUS(status), 42);
    }
    pid = vfork();
    if (pid == 0) {
        execl("/nonexistent", "x", NULL);
        _exit(errno == ENOENT ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    return 0;
}
