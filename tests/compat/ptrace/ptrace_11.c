/*
 * Errors of ptrace: who may trace whom, requests for what is no tracee, is not stopped, or does not exist, and options that are not known. A
 * program that is set-user-ID gets nothing of that from a tracee.
 */
#include "tests/compat/ptrace/tracer.h"

#include <pthread.h>
#include <sys/prctl.h>

static int pauses(void)
{
    pause();
    return 0;
}

static pid_t pausing_child(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    usleep(10000);
    return pid;
}

static void ends(pid_t pid)
{
    kill(pid, SIGKILL);
    must_wait_for(pid, SIGKILL);
}

static volatile pid_t g_tid;
static void *thread(void *arg)
{
    g_tid = (pid_t)syscall(SYS_gettid);
    usleep(100000);
    return arg;
}

static void who(void)
{
    pthread_t t;
    CHECK_ERRNO(ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
    CHECK_EQ(pthread_create(&t, NULL, thread, NULL), 0);
    while (!g_tid) {
        usleep(1000);
    }
    CHECK_ERRNO(ptrace(PTRACE_ATTACH, g_tid, 0, 0), EPERM);
    pthread_join(t, NULL);
    CHECK_ERRNO(ptrace(PTRACE_ATTACH, 0, 0, 0), ESRCH);
    CHECK_ERRNO(ptrace(PTRACE_ATTACH, -1, 0, 0), ESRCH);
    CHECK_ERRNO(ptrace(PTRACE_ATTACH, 4000000, 0, 0), ESRCH);

    pid_t pid = fork();
    if (pid == 0) { /* a zombie */
        _exit(0);
    }
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_ERRNO(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
    must_wait_for(pid, 0);

    pid = pausing_child();
    CHECK_EQ(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
    CHECK_ERRNO(ptrace(PTRACE_SEIZE, pid, 0, 0), EPERM);
    pid_t other = fork();
    if (other == 0) {
        CHECK_ERRNO(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
        CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
        CHECK_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
        CHECK_ERRNO(ptrace(PTRACE_TRACEME, 0, 0, 0), EPERM);
        _exit(0);
    }
    must_wait_for(other, 0);
    ends(pid);
}

static void credentials(void)
{
    if (geteuid() != 0) {
        return;
    }
    pid_t pid = pausing_child(); /* root's */
    pid_t secret = fork();
    if (secret == 0) {
        CHECK_EQ(setresuid(1000, 1000, 1000), 0);
        CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
        pause();
    }
    usleep(20000);
    pid_t other = fork();
    if (other == 0) {
        become_ordinary();
        CHECK_ERRNO(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
        CHECK_ERRNO(ptrace(PTRACE_SEIZE, pid, 0, 0), EPERM);
        CHECK_ERRNO(ptrace(PTRACE_ATTACH, secret, 0, 0), EPERM);
        CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
        pid_t mine = pausing_child();
        CHECK_EQ(ptrace(PTRACE_ATTACH, mine, 0, 0), 0);
        CHECK_EQ(next_stop(mine), SIGSTOP);
        ends(mine);
        _exit(0);
    }
    must_wait_for(other, 0);
    ends(pid);
    ends(secret);
}

/* The helper is a set-user-ID copy of ourselves; it tells its effective user as its exit status. */
static void set_id(const char *self)
{
    char dir[] = "/tmp/ptrace.XXXXXX", path[64];
    if (geteuid() != 0 || !mkdtemp(dir)) {
        return;
    }
    copy_program(self, dir, "4755", path);
    int status;
    for (int traced = 0; traced < 2; traced++) {
        pid_t middle = fork();
        if (middle == 0) {
            become_ordinary();
            pid_t pid = fork();
            if (pid == 0) {
                if (traced) {
                    CHECK_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
                }
                execl(path, path, "tell", (char *)NULL);
                _exit(99);
            }
            if (traced) {
                CHECK_EQ(next_stop(pid), SIGTRAP);
                CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
            }
            CHECK_EQ(waitpid(pid, &status, 0), pid);
            _exit(WEXITSTATUS(status));
        }
        CHECK_EQ(waitpid(middle, &status, 0), middle);
        CHECK(WIFEXITED(status));
        if (!traced && WEXITSTATUS(status) != 10) {
            break; /* mounted nosuid */
        }
        CHECK_EQ(WEXITSTATUS(status), traced ? 11 : 10);
    }
    unlink(path);
    rmdir(dir);
}

static void requests(void)
{
    pid_t pid = traced_child(pauses);
    CHECK_ERRNO(ptrace((enum __ptrace_request)12345, pid, 0, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_SETOPTIONS, pid, 0, 1L << 29), EINVAL);
    CHECK_ERRNO(ptrace(PTRACE_INTERRUPT, pid, 0, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_LISTEN, pid, 0, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_PEEKUSER, pid, 3, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_PEEKUSER, pid, 928, 0),
                EIO); /* as large as the kernel has struct user */
    CHECK_EQ(ptrace(PTRACE_PEEKUSER, pid, 920, 0), 0);
    CHECK_ERRNO(ptrace(PTRACE_POKEUSER, pid, -8L, 0), EIO);
    CHECK_ERRNO(ptrace(PTRACE_GETREGS, pid, 0, 8), EFAULT);
    struct iovec v = {&v, 7};
    CHECK_ERRNO(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v), EINVAL);
    v.iov_len = 8;
    CHECK_ERRNO(ptrace(PTRACE_GETREGSET, pid, 0x777, &v), EINVAL);
    CHECK_ERRNO(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, 8), EFAULT);
    struct user_regs_struct r = regs_of(pid);
    r.fs_base = 0x800000000000;
    CHECK_ERRNO(ptrace(PTRACE_SETREGS, pid, 0, &r), EIO);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    CHECK_ERRNO(ptrace(PTRACE_GETREGS, pid, 0, &r), ESRCH); /* it runs */
    ends(pid);
    CHECK_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return geteuid() == 0 ? 10 : 11;
    }
    who();
    credentials();
    set_id(argv[0]);
    requests();
    return 0;
}
