/*
 * personality(2): 0xffffffff only asks; what is set is returned by the next call, inherited over fork and kept over
 * exec (here: seen in /proc/self/personality); PER_LINUX32 makes uname say i686.
 */
#include "../compat.h"

#include <sys/personality.h>
#include <sys/utsname.h>

static int child(void)
{
    return personality(0xffffffff) == ADDR_NO_RANDOMIZE ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct utsname u;
    if (argc > 1) {
        return personality(0xffffffff) == ADDR_NO_RANDOMIZE ? 0 : 1;
    }
    CHECK_EQ(personality(0xffffffff), 0);
    CHECK_EQ(personality(ADDR_NO_RANDOMIZE), 0);
    CHECK_EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE);
    CHECK_EQ(compat_child(child), 0);
    pid_t pid = fork();
    if (pid == 0) {
        execl(argv[0], argv[0], "again", (char *)NULL);
        _exit(2);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(personality(PER_LINUX32), ADDR_NO_RANDOMIZE);
    CHECK_EQ(uname(&u), 0);
    CHECK(strcmp(u.machine, "i686") == 0);
    CHECK_EQ(personality(PER_LINUX), PER_LINUX32);
    CHECK_EQ(uname(&u), 0);
    CHECK(strcmp(u.machine, "x86_64") == 0);
    return 0;
}
