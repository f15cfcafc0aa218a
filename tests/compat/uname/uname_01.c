/*
 * uname(2), sethostname(2): Linux on x86_64 with a version number of at least 5; the names that are set are the names
 * that are seen; bad pointers are EFAULT; a name of more than 64 bytes is EINVAL; without privileges EPERM.
 */
#include "../compat.h"

#include <sched.h>
#include <sys/utsname.h>

static int unprivileged(void)
{
    if (setresuid(12345, 12345, 12345) < 0) {
        return 77;
    }
    return sethostname("x", 1) == -1 && errno == EPERM && setdomainname("x", 1) == -1 &&
                   errno == EPERM
               ? 0
               : 1;
}

static int rename_machine(void)
{
    struct utsname u;
    char host[65];
    if (unshare(CLONE_NEWUTS) < 0 && errno == EPERM) {
        struct utsname kernel;
        if (uname(&kernel) < 0 || !strstr(kernel.release, "sandbox")) {
            return 77; /* the machine's real name stays */
        }
    }
    CHECK_EQ(sethostname("renamed.example", 15), 0);
    CHECK_EQ(uname(&u), 0);
    CHECK(strcmp(u.nodename, "renamed.example") == 0);
    CHECK_EQ(gethostname(host, sizeof(host)), 0);
    CHECK(strcmp(host, "renamed.example") == 0);
    CHECK_EQ(setdomainname("dom", 3), 0);
    CHECK_EQ(uname(&u), 0);
    CHECK(strcmp(u.domainname, "dom") == 0);
    CHECK_EQ(sethostname("0123456789012345678901234567890123456789012345678901234567890123", 64),
             0);
    CHECK_ERRNO(
        sethostname("01234567890123456789012345678901234567890123456789012345678901234", 65),
        EINVAL);
    CHECK_ERRNO(sethostname("x", (size_t)-1), EINVAL);
    CHECK_ERRNO(sethostname((char *)8, 4), EFAULT);
    CHECK_EQ(sethostname("", 0), 0);
    CHECK_EQ(uname(&u), 0);
    CHECK(u.nodename[0] == '\0');
    return 0;
}

int main(void)
{
    struct utsname u;
    CHECK_EQ(uname(&u), 0);
    CHECK(strcmp(u.sysname, "Linux") == 0);
    CHECK(strcmp(u.machine, "x86_64") == 0);
    CHECK(atoi(u.release) >= 5);
    CHECK(u.version[0] == '#');
    CHECK_ERRNO(uname((struct utsname *)8), EFAULT);
    if (geteuid() == 0) {
        int r = compat_child(unprivileged);
        CHECK(r == 0 || r == 77);
        r = compat_child(rename_machine);
        CHECK(r == 0 || r == 77);
    }
    return 0;
}
