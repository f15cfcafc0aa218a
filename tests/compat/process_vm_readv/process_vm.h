/* What these tests share: pages at the same addresses in a child that waits. */
#pragma once

#include "tests/compat/compat.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE 4096UL

static inline char *pages(size_t count)
{
    char *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

/* prepare has run in it. */
static inline pid_t waiting_child(void (*prepare)(void))
{
    int ready[2];
    char c;
    CHECK_EQ(pipe(ready), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prepare();
        if (write(ready[1], "r", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    CHECK_EQ(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static inline void end_child(pid_t pid)
{
    int status;
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static inline long vm(int nr, int pid, const void *local, unsigned long locals, const void *remote,
                      unsigned long remotes, unsigned long flags)
{
    return syscall(nr, pid, local, locals, remote, remotes, flags);
}
