/*
 * getrlimit, prlimit64 and uname, called often: what setrlimit, another process's prlimit, sethostname and personality
 * change is seen at once, in all threads; vfork's child and fork's have limits and a personality of their own.
 */
#include "../compat.h"

#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

static void is_core(rlim_t want)
{
    struct rlimit r;
    for (int i = 0; i < 8; i++) {
        memset(&r, 1, sizeof(r));
        CHECK_EQ(syscall(SYS_getrlimit, RLIMIT_CORE, &r), 0);
        CHECK_EQ(r.rlim_cur, want);
        memset(&r, 1, sizeof(r));
        CHECK_EQ(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &r), 0);
        CHECK_EQ(r.rlim_cur, want);
        CHECK_EQ(syscall(SYS_prlimit64, getpid(), RLIMIT_CORE, NULL, &r), 0);
        CHECK_EQ(r.rlim_cur, want);
    }
    CHECK_ERRNO(syscall(SYS_getrlimit, RLIM_NLIMITS, &r), EINVAL);
    CHECK_ERRNO(syscall(SYS_getrlimit, -1, &r), EINVAL);
    CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_CORE, NULL), EFAULT);
    CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, (void *)8), EFAULT);
    CHECK_EQ(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, NULL), 0);
}
static void set_core(pid_t pid, rlim_t to)
{
    struct rlimit r;
    CHECK_EQ(prlimit(pid, RLIMIT_CORE, NULL, &r), 0);
    r.rlim_cur = to;
    CHECK_EQ(prlimit(pid, RLIMIT_CORE, &r, NULL), 0);
}

static void *other(void *arg)
{
    compat_wait_turn(1);
    is_core(5);
    set_core(0, 6);
    g_compat_turn = 2;
    return arg;
}

static int from_outside(void)
{
    set_core(getppid(), 9);
    set_core(0, 3);
    is_core(3);
    return 0;
}

static void named(const char *node, const char *machine)
{
    struct utsname u;
    for (int i = 0; i < 8; i++) {
        memset(&u, 'x', sizeof(u));
        CHECK_EQ(uname(&u), 0);
        CHECK(strcmp(u.sysname, "Linux") == 0);
        CHECK(!node || strcmp(u.nodename, node) == 0);
        CHECK(strcmp(u.machine, machine) == 0);
    }
    CHECK_ERRNO(syscall(SYS_uname, 8), EFAULT);
}

int main(void)
{
    pthread_t t;
    struct rlimit r;
    CHECK_EQ(getrlimit(RLIMIT_CORE, &r), 0);
    if (r.rlim_max < 10) {
        SKIP("RLIMIT_CORE can't be raised");
    }
    set_core(0, 4);
    is_core(4);
    set_core(0, 5);
    CHECK_EQ(pthread_create(&t, NULL, other, NULL), 0);
    is_core(5);
    g_compat_turn = 1;
    compat_wait_turn(2);
    is_core(6);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(compat_child(from_outside), 0);
    is_core(9);

    named(NULL, "x86_64");
    pid_t pid = vfork();
    if (pid == 0) {
        set_core(0, 2);
        is_core(2);
        personality(PER_LINUX32);
        named(NULL, "i686");
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    is_core(9);
    named(NULL, "x86_64");
    personality(PER_LINUX32);
    named(NULL, "i686");
    personality(PER_LINUX);
    named(NULL, "x86_64");
    struct utsname before;
    uname(&before);
    pid = fork(); /* in its own UTS namespace where there are such */
    if (pid == 0) {
        if (unshare(CLONE_NEWUTS) == 0 || errno == EPERM) {
            if (strcmp(before.nodename, "sandbox") == 0 && sethostname("first", 5) == 0) {
                named("first", "x86_64");
                CHECK_EQ(sethostname("second", 6), 0);
                named("second", "x86_64");
                CHECK_EQ(sethostname(before.nodename, strlen(before.nodename)), 0);
            }
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    named(before.nodename, "x86_64");
    return 0;
}
