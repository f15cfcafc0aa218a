/* What the ptrace tests share: a child that waits for its tracer, and the tracer's usual steps. */
#pragma once

#include "tests/compat/compat.h"

#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#define SYSGOOD (SIGTRAP | 0x80)

/* fn runs in a child that is traced by us, and has stopped once (SIGSTOP) before it. Its result is the exit status. */
static inline pid_t traced_child(int (*fn)(void))
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
        raise(SIGSTOP);
        _exit(fn());
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    return pid;
}

/* The next stop of pid: its status without the low byte, an event included. */
static inline int next_stop(pid_t pid)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, __WALL), pid);
    if (!WIFSTOPPED(status)) {
        fprintf(stderr, "pid %d has ended with status %#x\n", (int)pid, (unsigned)status);
        exit(1);
    }
    return status >> 8;
}

/* Lets pid go on by request, with sig, to its next stop. */
static inline int go(pid_t pid, int request, int sig)
{
    CHECK_EQ(ptrace((enum __ptrace_request)request, pid, 0, (long)sig), 0);
    return next_stop(pid);
}

static inline struct user_regs_struct regs_of(pid_t pid)
{
    struct user_regs_struct r;
    CHECK_EQ(ptrace(PTRACE_GETREGS, pid, 0, &r), 0);
    return r;
}

static inline void set_regs(pid_t pid, const struct user_regs_struct *r)
{
    CHECK_EQ(ptrace(PTRACE_SETREGS, pid, 0, r), 0);
}

/* A copy of this program in dir, which everybody may search then, with these permissions. */
static inline void copy_program(const char *self, const char *dir, const char *mode, char path[64])
{
    char command[PATH_MAX + 128];
    snprintf(path, 64, "%s/program", dir);
    snprintf(command, sizeof(command), "cp %s %s && chmod 755 %s && chmod %s %s", self, path, dir,
             mode, path);
    CHECK_EQ(system(command), 0);
}

/* From root to a user without rights. */
static inline void become_ordinary(void)
{
    CHECK_EQ(setresgid(1000, 1000, 1000), 0);
    CHECK_EQ(setresuid(1000, 1000, 1000), 0);
}

static int g_pipe[2];

/* A child that execs /bin/true at an 'x' from the pipe, and exits with 3 at its end. */
static inline pid_t waiting_child(void)
{
    CHECK_EQ(pipe(g_pipe), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char c;
        close(g_pipe[1]);
        while (read(g_pipe[0], &c, 1) > 0) {
            if (c == 'x') {
                execl("/bin/true", "true", (char *)NULL);
            }
        }
        _exit(3);
    }
    return pid;
}

static inline void set_options(pid_t pid, long options)
{
    CHECK_EQ(ptrace(PTRACE_SETOPTIONS, pid, 0, options), 0);
}

static inline unsigned long event_message(pid_t pid)
{
    unsigned long m;
    CHECK_EQ(ptrace(PTRACE_GETEVENTMSG, pid, 0, &m), 0);
    return m;
}

static inline void goes_and_exits(pid_t pid, int want)
{
    int status;
    CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    CHECK_EQ(waitpid(pid, &status, __WALL), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), want);
}

static inline void must_wait_for(pid_t pid, int want)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, __WALL), pid);
    CHECK_EQ(status, want);
}
