/*
 * process_vm_readv(2) and process_vm_writev(2): who may. Not of one that is not dumpable, nor of another user's; a zombie has no memory.
 */
#include "process_vm.h"

#define USER 1234

static char *g_page;

static void become_user(void)
{
    if (geteuid() == 0 && (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0)) {
        _exit(1);
    }
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void hide(void)
{
    become_user();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void stay(void)
{
}

static int both(pid_t pid, long want)
{
    char buf[8];
    struct iovec local = {buf, 8}, remote = {g_page, 8};
    for (int nr = SYS_process_vm_readv; nr <= SYS_process_vm_writev; nr++) {
        long n = vm(nr, pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 8;
        if (n != want) {
            fprintf(stderr, "call %d of %d: got %ld, want %ld\n", nr, (int)pid, n, want);
            return 1;
        }
    }
    return 0;
}

static int as_user(void)
{
    become_user();
    pid_t open_one = waiting_child(stay), hidden = waiting_child(hide);
    int bad = both(open_one, 8) || both(hidden, -EPERM) || both(getpid(), 8);
    pid_t zombie = fork();
    if (zombie == 0) {
        _exit(0);
    }
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
    bad |= both(zombie, -ESRCH);
    end_child(open_one);
    end_child(hidden);
    return bad;
}

static pid_t g_other;

static int of_root(void)
{
    become_user();
    return both(g_other, -EPERM);
}

int main(void)
{
    g_page = pages(1);
    CHECK_EQ(compat_child(as_user), 0);
    if (geteuid() != 0) {
        return 0;
    }
    g_other = waiting_child(stay);
    CHECK_EQ(compat_child(of_root), 0);
    CHECK_EQ(both(g_other, 8), 0);
    end_child(g_other);
    g_other = waiting_child(hide);
    CHECK_EQ(both(g_other, 8), 0); /* by CAP_SYS_PTRACE */
    end_child(g_other);
    return 0;
}
