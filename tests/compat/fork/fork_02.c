/*
 * fork(2), again and again from one process, whose children make calls that it does not make itself:
 * 1. Every call of every child means what it says, however often it was made before, also after changes of what the parent is.
 * 2. The parent's own code, as write(2) takes it, stays what it is in its file.
 * 3. A fork that fails (EAGAIN, with RLIMIT_NPROC) leaves no child, and the next one that may works.
 * 4. A signal that comes before the fork is handled before it: the child has it not pending, and its handler runs once.
 * 5. The child has its own id at *child_tid, and the parent's at *parent_tid; _exit after clone(SIGCHLD), fork and vfork.
 */
#include "../compat.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define CHILDREN 24

extern const char __executable_start[], etext[];

/* Call sites that only children reach, in both usual forms. */
static long only_children(long nr)
{
    long r;
    __asm__ volatile("syscall; cmp $-4096, %%rax" : "=a"(r) : "0"(nr) : "rcx", "r11", "memory");
    return r;
}
static long only_getppid(void)
{
    long r;
    __asm__ volatile("mov $110, %%eax; syscall" : "=a"(r) : : "rcx", "r11", "memory");
    return r;
}

static void child(int i, pid_t parent)
{
    CHECK_EQ(only_getppid(), parent);
    CHECK_EQ(only_children(SYS_getppid), parent);
    CHECK_EQ(only_children(SYS_getpid), getpid());
    CHECK_EQ(only_children(SYS_gettid), getpid());
    CHECK_EQ(only_children(1000 + i), -ENOSYS);
    CHECK_EQ(setpgid(0, 0), 0);
    CHECK_EQ(only_children(SYS_getpgrp), getpid());
    CHECK_EQ(umask(022), 077);
    _exit(i);
}

static void reap(pid_t pid, int status)
{
    int s;
    CHECK_EQ(waitpid(pid, &s, 0), pid);
    CHECK_EQ(s, status << 8);
}

/* The code as the kernel sees it. */
static void take_code(char *to, size_t size)
{
    int fd = (int)syscall(SYS_memfd_create, "code", 0);
    CHECK_EQ(write(fd, __executable_start, size), size);
    CHECK_EQ(pread(fd, to, size, 0), size);
    close(fd);
}

static volatile int g_handled;
static void handler(int sig)
{
    (void)sig;
    g_handled++;
}

static void failing(void)
{
    struct rlimit old, none = {0, 0};
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &old), 0);
    none.rlim_max = old.rlim_max;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) { /* an ordinary user: root has no limit */
        CHECK_EQ(setgid(1000), 0);
        CHECK_EQ(setuid(1000), 0);
        for (int i = 0; i < CHILDREN; i++) {
            CHECK_EQ(setrlimit(RLIMIT_NPROC, i % 3 ? &none : &old), 0);
            pid_t grandchild = fork();
            if (grandchild == 0) {
                _exit(1);
            }
            CHECK_EQ(grandchild < 0, i % 3 != 0);
            if (grandchild > 0) {
                reap(grandchild, 1);
            }
            CHECK_ERRNO(wait(NULL), ECHILD);
        }
        _exit(3);
    }
    reap(pid, 3);
}

static void interrupted(void)
{
    sigset_t usr1, pending;
    signal(SIGUSR1, handler);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    for (int i = 0; i < CHILDREN; i++) {
        int before = g_handled;
        pid_t sender = fork();
        if (sender == 0) {
            kill(getppid(), SIGUSR1);
            _exit(0);
        }
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(g_handled - before <= 1 && sigpending(&pending) == 0);
            CHECK_EQ(sigismember(&pending, SIGUSR1), 0);
            _exit(5);
        }
        reap(sender, 0);
        reap(pid, 5);
        CHECK_EQ(g_handled, before + 1);
    }
}

int main(void)
{
    pid_t parent = getpid();
    size_t size = (size_t)(etext - __executable_start);
    char *before = malloc(size), *after = malloc(size);
    int tids[2], status;
    take_code(before, size);
    umask(077);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(i, parent);
        }
        reap(pid, i);
    }
    take_code(after, size);
    CHECK_EQ(memcmp(before, after, size), 0);
    CHECK_EQ(only_getppid(), getppid());
    CHECK_EQ(only_children(SYS_getpid), parent);

    if (getuid() == 0) {
        failing();
    }
    interrupted();

    for (int i = 0; i < CHILDREN; i++) {
        unsigned long flags = SIGCHLD | (i & 1 ? CLONE_CHILD_SETTID : 0) |
                              (i & 2 ? CLONE_PARENT_SETTID : 0) |
                              (i & 4 ? CLONE_CHILD_CLEARTID : 0);
        tids[0] = tids[1] = -1;
        long pid = syscall(SYS_clone, flags, NULL, &tids[0], &tids[1], 0);
        if (pid == 0) {
            _exit(tids[1] == (i & 1 ? (int)syscall(SYS_getpid) : -1) ? 7 : 8);
        }
        CHECK_EQ(tids[0], i & 2 ? pid : -1);
        CHECK_EQ(tids[1], -1);
        reap((pid_t)pid, 7);
        pid = i & 1 ? syscall(SYS_fork) : vfork();
        if (pid == 0) {
            _exit(9);
        }
        reap((pid_t)pid, 9);
    }
    CHECK_ERRNO(wait(&status), ECHILD);
    free(before);
    free(after);
    return 0;
}
