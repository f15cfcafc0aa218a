/*
 * A system call leaves the direction flag as it was: calls that are answered at once, calls that read and write memory,
 * calls that sleep, one that a signal's handler interrupts, and in a new thread. A handler begins with the flag clear,
 * and its return sets it again. The memory that such calls fill is filled forwards.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>

#define DIRECTION 0x400UL

static unsigned long g_in_handler;

/* nr(a, b, c) with the flag set. Return: the flags behind it. */
static unsigned long call_backwards(long nr, long a, long b, long c, long *out_result)
{
    register long r10 __asm__("r10") = 8; /* rt_sigprocmask's size */
    unsigned long flags;
    long result = nr;
    __asm__ volatile("std\n\tsyscall\n\tpushfq\n\tcld\n\tpop %1"
                     : "+a"(result), "=&r"(flags)
                     : "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory", "cc");
    *out_result = result;
    return flags;
}

/* Often enough for call sites to be known by then. */
static void always_kept(long nr, long a, long b, long c, long want)
{
    for (int i = 0; i < 40; i++) {
        long result;
        CHECK(call_backwards(nr, a, b, c, &result) & DIRECTION);
        CHECK_EQ(result, want);
    }
}

static void on_signal(int sig)
{
    unsigned long flags;
    (void)sig;
    __asm__ volatile("pushfq\n\tpop %0" : "=r"(flags));
    g_in_handler += 1 + (flags & DIRECTION);
}

static void *in_thread(void *arg)
{
    always_kept(SYS_gettid, 0, 0, 0, syscall(SYS_gettid));
    return arg;
}

static void signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    always_kept(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1, 0);
    CHECK_EQ(g_in_handler, 40);
    /* and one that comes from elsewhere, into a sleep */
    timer_t timer;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    const struct itimerspec soon = {.it_value.tv_nsec = 20000000};
    const struct timespec second = {.tv_sec = 1};
    long result;
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &soon, NULL), 0);
    CHECK(call_backwards(SYS_nanosleep, (long)&second, 0, 0, &result) & DIRECTION);
    CHECK_EQ(result, -EINTR);
    CHECK_EQ(g_in_handler, 41);
}

int main(void)
{
    struct utsname u = {0};
    struct stat st;
    sigset_t set;
    static char buf[8192];
    compat_tmpdir();
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    memset(buf, 'x', sizeof(buf));
    CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
    memset(buf, 0, sizeof(buf));

    always_kept(SYS_getppid, 0, 0, 0, getppid());
    always_kept(SYS_uname, (long)&u, 0, 0, 0);
    CHECK(strcmp(u.sysname, "Linux") == 0);
    always_kept(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&set, 0);
    always_kept(SYS_lseek, fd, 0, SEEK_END, sizeof(buf));
    always_kept(SYS_lseek, fd, 0, SEEK_SET, 0);
    always_kept(SYS_fstat, fd, (long)&st, 0, 0);
    CHECK_EQ(st.st_size, sizeof(buf));
    long got;
    CHECK(call_backwards(SYS_read, fd, (long)buf, 4096, &got) & DIRECTION);
    CHECK_EQ(got, 4096);
    CHECK(buf[0] == 'x' && buf[4095] == 'x' && buf[4096] == 0);
    always_kept(SYS_sched_yield, 0, 0, 0, 0);
    always_kept(SYS_read, -1, (long)buf, 1, -EBADF);
    signals();
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, in_thread, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    /* fork's child goes on in the same state */
    for (int i = 0; i < 3; i++) {
        long pid;
        unsigned long flags = call_backwards(SYS_fork, 0, 0, 0, &pid);
        if (pid == 0) {
            _exit(flags & DIRECTION ? 0 : 1);
        }
        int status;
        CHECK(flags & DIRECTION);
        CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    return 0;
}
