/*
 * eventfd(2): blocking, and across fork. A reader sleeps until another process writes; a writer sleeps
 * until the counter has room.
 */
#include "../compat.h"

#include <sys/eventfd.h>

int main(void)
{
    uint64_t v = UINT64_MAX - 1;
    int a = eventfd(0, 0), b = eventfd(0, 0), status;
    pid_t child;

    CHECK(a >= 0 && b >= 0);
    CHECK_EQ(write(b, &v, 8), 8);
    child = fork();
    if (child == 0) {
        usleep(20000);
        v = 5;
        CHECK_EQ(write(a, &v, 8), 8);
        usleep(20000);
        CHECK_EQ(read(b, &v, 8), 8);
        _exit(0);
    }
    CHECK_EQ(read(a, &v, 8), 8);
    CHECK(v == 5);
    v = 7;
    CHECK_EQ(write(b, &v, 8), 8);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_EQ(read(b, &v, 8), 8);
    CHECK(v == 7);
    return 0;
}
