/*
 * execve(2): what a new program inherits, and what it does not. Kept: pid, parent, cwd, umask,
 * ignored signals, the mask, pending signals, alarm, descriptors. Reset: caught signals, the
 * alternate stack, close-on-exec descriptors, the name, prctl's dumpable and POSIX timers.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

static void nothing(int sig)
{
    (void)sig;
}

static int after(char **argv)
{
    CHECK_EQ(getpid(), atoi(argv[2]));
    CHECK_EQ(getppid(), atoi(argv[3]));
    CHECK_EQ(umask(0), 031);
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, argv[4]) == 0);
    struct sigaction a;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &a), 0);
    CHECK(a.sa_handler == SIG_DFL && !(a.sa_flags & SA_ONSTACK));
    CHECK_EQ(sigaction(SIGUSR2, NULL, &a), 0);
    CHECK(a.sa_handler == SIG_IGN);
    sigset_t set;
    CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &set), 0);
    CHECK(sigismember(&set, SIGUSR1) && sigismember(&set, SIGTERM) && !sigismember(&set, SIGINT));
    CHECK_EQ(sigpending(&set), 0);
    CHECK(sigismember(&set, SIGTERM));
    stack_t ss;
    CHECK_EQ(sigaltstack(NULL, &ss), 0);
    CHECK(ss.ss_flags == SS_DISABLE);
    CHECK_ERRNO(fcntl(atoi(argv[5]), F_GETFD), EBADF);
    CHECK_EQ(fcntl(atoi(argv[6]), F_GETFD), 0);
    char name[16];
    CHECK_EQ(prctl(PR_GET_NAME, name), 0);
    CHECK(strcmp(name, "execve_04") == 0);
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    CHECK(alarm(0) > 900);
    struct itimerspec left;
    CHECK_ERRNO(syscall(SYS_timer_gettime, 0, &left), EINVAL);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return after(argv);
    }
    char self[PATH_MAX] = "", cwd[PATH_MAX], numbers[4][16];
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    compat_tmpdir();
    CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        return status != 0;
    }
    umask(031);
    CHECK(signal(SIGUSR1, nothing) != SIG_ERR);
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    CHECK_EQ(sigprocmask(SIG_SETMASK, &set, NULL), 0);
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    static char stack[65536];
    CHECK_EQ(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL), 0);
    int gone = open("/dev/null", O_RDONLY | O_CLOEXEC), kept = open("/dev/null", O_RDONLY);
    CHECK_EQ(prctl(PR_SET_NAME, "another name"), 0);
    CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
    alarm(1000);
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    int timer = -1;
    CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), 0);
    snprintf(numbers[0], 16, "%d", getpid());
    snprintf(numbers[1], 16, "%d", getppid());
    snprintf(numbers[2], 16, "%d", gone);
    snprintf(numbers[3], 16, "%d", kept);
    execl(self, "argv0", "after", numbers[0], numbers[1], cwd, numbers[2], numbers[3], NULL);
    CHECK(!"exec");
    return 1;
}
