/*
 * What a tracer sees at the edges: a tracee's first stop in the middle of a vfork, a signal whose details the tracer replaces with
 * another signal's, and memory of a program that its user may execute, but not read.
 */
#include "tests/compat/ptrace/tracer.h"

#include <sys/mman.h>

static volatile int *g_flag; /* shared */

/* --- vfork, after calls that nobody looked at --- */

static int spins_and_vforks(void)
{
    while (!*g_flag) {
    }
    pid_t pid = vfork();
    if (pid == 0) {
        _exit(3);
    }
    int status;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void vfork_first(void)
{
    *g_flag = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(spins_and_vforks());
    }
    usleep(50000);
    CHECK_EQ(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEVFORK), 0);
    *g_flag = 1;
    CHECK_EQ(next_stop(pid), SIGTRAP | PTRACE_EVENT_VFORK << 8);
    struct user_fpregs_struct fp;
    memset(&fp, 0, sizeof(fp));
    if (ptrace(PTRACE_GETFPREGS, pid, 0, &fp) == 0) {
        CHECK_EQ(fp.mxcsr, 0x1f80);
        CHECK_EQ(fp.cwd, 0x37f);
    }
    static char all[65536];
    struct iovec v = {all, sizeof(all)};
    if (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &v) == 0) {
        CHECK(v.iov_len >= 576 && v.iov_len <= 16384);
    }
    int child = (int)event_message(pid);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    CHECK_EQ(next_stop(child), SIGTRAP | PTRACE_EVENT_STOP << 8);
    CHECK_EQ(ptrace(PTRACE_DETACH, child, 0, 0), 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
}

/* --- PTRACE_SETSIGINFO --- */

static volatile int g_signo, g_code;

static void handler(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    g_signo = info->si_signo;
    g_code = info->si_code;
}

static int handles(void)
{
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    raise(SIGUSR1);
    return g_signo == SIGUSR1 && g_code == SI_USER ? 0 : 1;
}

static void other_info(void)
{
    pid_t pid = traced_child(handles);
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);
    siginfo_t info;
    CHECK_EQ(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    info.si_signo = 100000;
    info.si_code = SI_QUEUE;
    CHECK_EQ(ptrace(PTRACE_SETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, SIGUSR1), 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* --- a program that may not be read --- */

static void unreadable(const char *self)
{
    char dir[] = "/tmp/ptrace.XXXXXX", path[64];
    int status;
    if (geteuid() != 0 || !mkdtemp(dir)) {
        return;
    }
    copy_program(self, dir, "711", path);
    pid_t middle = fork();
    if (middle == 0) {
        become_ordinary();
        pid_t pid = fork();
        if (pid == 0) {
            CHECK_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
            execl(path, path, "pass", (char *)NULL);
            _exit(99);
        }
        CHECK_EQ(next_stop(pid), SIGTRAP);
        struct user_regs_struct r = regs_of(pid);
        CHECK_ERRNO(ptrace(PTRACE_PEEKDATA, pid, r.rip, 0), EIO);
        CHECK_ERRNO(ptrace(PTRACE_POKEDATA, pid, r.rsp - 64, 0), EIO);
        CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        _exit(WEXITSTATUS(status));
    }
    CHECK_EQ(waitpid(middle, &status, 0), middle);
    unlink(path);
    rmdir(dir);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return 0;
    }
    g_flag = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    vfork_first();
    other_info();
    unreadable(argv[0]);
    return 0;
}
