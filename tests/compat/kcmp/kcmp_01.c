/*
 * kcmp(2):
 * 1. Descriptors of one open file are the same, of two opens are not; an order is the reverse of the other way round.
 * 2. A forked child shares open files, and no table, memory, directory or handlers; with CLONE_* flags it does.
 * 3. ESRCH nobody, EBADF no such descriptor, EINVAL no such type, EPERM a process of somebody else.
 */
#include "../compat.h"

#include <linux/kcmp.h>
#include <signal.h>
#include <sys/syscall.h>

static long kcmp(pid_t a, pid_t b, int type, unsigned long x, unsigned long y)
{
    return syscall(SYS_kcmp, a, b, type, x, y);
}

static int idle(void *arg)
{
    (void)arg;
    for (;;) {
        pause();
    }
    return 0;
}

static void check_child(int flags, int shares)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t me = getpid(), pid = clone(idle, stack + sizeof(stack), flags | SIGCHLD, NULL);
    CHECK(pid > 0);
    CHECK_EQ(kcmp(me, pid, KCMP_FILE, 0, 0), 0);
    CHECK_EQ(kcmp(me, pid, KCMP_FILES, 0, 0) == 0, !!(shares & CLONE_FILES));
    CHECK_EQ(kcmp(me, pid, KCMP_FS, 0, 0) == 0, !!(shares & CLONE_FS));
    CHECK_EQ(kcmp(me, pid, KCMP_VM, 0, 0) == 0, !!(shares & CLONE_VM));
    CHECK_EQ(kcmp(me, pid, KCMP_SIGHAND, 0, 0) == 0, !!(shares & CLONE_SIGHAND));
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static int as_another(void)
{
    CHECK_EQ(setresuid(12345, 12345, 12345), 0);
    CHECK_ERRNO(kcmp(getpid(), getppid(), KCMP_FILE, 0, 0), EPERM);
    CHECK_ERRNO(kcmp(getppid(), getpid(), KCMP_VM, 0, 0), EPERM);
    return 0;
}

int main(void)
{
    pid_t me = getpid();
    if (kcmp(me, me, KCMP_VM, 0, 0) < 0 && errno == ENOSYS) {
        SKIP("no kcmp");
    }
    int a = open("/", O_RDONLY), b = dup(a), c = open("/", O_RDONLY);
    CHECK(a >= 0 && b >= 0 && c >= 0);
    CHECK_EQ(kcmp(me, me, KCMP_FILE, (unsigned long)a, (unsigned long)b), 0);
    long r = kcmp(me, me, KCMP_FILE, (unsigned long)a, (unsigned long)c);
    CHECK(r == 1 || r == 2);
    CHECK_EQ(kcmp(me, me, KCMP_FILE, (unsigned long)c, (unsigned long)b), 3 - r);
    for (int type = KCMP_VM; type <= KCMP_SYSVSEM; type++) {
        CHECK_EQ(kcmp(me, me, type, 0, 0), 0);
    }
    check_child(0, 0);
    check_child(CLONE_FILES | CLONE_FS, CLONE_FILES | CLONE_FS);

    CHECK_ERRNO(kcmp(me, 4194303, KCMP_VM, 0, 0), ESRCH);
    CHECK_ERRNO(kcmp(-1, me, KCMP_VM, 0, 0), ESRCH);
    CHECK_ERRNO(kcmp(me, me, KCMP_FILE, (unsigned long)a, 999), EBADF);
    CHECK_ERRNO(kcmp(me, me, KCMP_FILE, ~0UL, (unsigned long)a), EBADF);
    CHECK_ERRNO(kcmp(me, me, KCMP_TYPES, 0, 0), EINVAL);
    CHECK_ERRNO(kcmp(me, me, -1, 0, 0), EINVAL);
    if (geteuid() == 0) {
        CHECK_EQ(compat_child(as_another), 0);
    }
    return 0;
}
