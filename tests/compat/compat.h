/*
 * What every compat test needs: CHECK, SKIP, and a private directory. A test is a plain Linux
 * program; it exits 0 (claims hold), 1 (one does not; stderr says which) or 77 (can't be tried here).
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* so include this first */
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tests pass bad pointers and sizes on purpose. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Wnonnull"

#define CHECK(c)                                                                                   \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "%s:%d: CHECK(%s) failed; errno %d (%s)\n", __FILE__, __LINE__, #c,    \
                    errno, strerror(errno));                                                       \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The call fails with -1 and exactly this errno. */
#define CHECK_ERRNO(call, want)                                                                    \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long got_ = (long)(call);                                                                  \
        if (got_ != -1 || errno != (want)) {                                                       \
            fprintf(stderr, "%s:%d: %s: got %ld, errno %d (%s); want -1, errno %d (%s)\n",         \
                    __FILE__, __LINE__, #call, got_, errno, strerror(errno), (want),               \
                    strerror(want));                                                               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The call succeeds with exactly this value. */
#define CHECK_EQ(call, want)                                                                       \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long got_ = (long)(call), want_ = (long)(want);                                            \
        if (got_ != want_) {                                                                       \
            fprintf(stderr, "%s:%d: %s: got %ld, errno %d (%s); want %ld\n", __FILE__, __LINE__,   \
                    #call, got_, errno, strerror(errno), want_);                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define SKIP(...)                                                                                  \
    do {                                                                                           \
        fprintf(stderr, "skipped: " __VA_ARGS__);                                                  \
        fputc('\n', stderr);                                                                       \
        exit(77);                                                                                  \
    } while (0)

static char g_compat_dir[PATH_MAX];
static pid_t g_compat_pid;

static inline int compat_remove_(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

static inline void compat_cleanup_(void)
{
    if (getpid() == g_compat_pid && g_compat_dir[0] && chdir("/") == 0) {
        for (int fd = 3; fd < 256; fd++) {
            close(fd); /* a test may have used them all up */
        }
        nftw(g_compat_dir, compat_remove_, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* Makes a fresh directory, goes there, and removes it with all that is in it at exit. */
static inline const char *compat_tmpdir(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(g_compat_dir, sizeof(g_compat_dir), "%s/compat.XXXXXX", base && *base ? base : "/tmp");
    CHECK(mkdtemp(g_compat_dir) != NULL);
    CHECK(chdir(g_compat_dir) == 0);
    g_compat_pid = getpid();
    atexit(compat_cleanup_);
    return g_compat_dir;
}

/* A file with this content. */
static inline void compat_file(const char *name, const char *content)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    CHECK(close(fd) == 0);
}

/* The file's content is exactly this. */
static inline int compat_file_is(const char *name, const char *content)
{
    char buf[4096];
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0);
    ssize_t n = read(fd, buf, sizeof(buf));
    close(fd);
    return n == (ssize_t)strlen(content) && memcmp(buf, content, (size_t)n) == 0;
}

/* Is this Linux at least major.minor? */
static inline int compat_linux(int major, int minor)
{
    struct utsname u;
    int have_major = 0, have_minor = 0;
    CHECK(uname(&u) == 0);
    CHECK(sscanf(u.release, "%d.%d", &have_major, &have_minor) == 2);
    return have_major > major || (have_major == major && have_minor >= minor);
}

/* Runs fn in a child; its exit status. */
static inline int compat_child(int (*fn)(void))
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(fn());
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Threads that take turns: who is done sets the number of who is next. */
static volatile int g_compat_turn __attribute__((unused));
static inline void compat_wait_turn(int turn)
{
    while (g_compat_turn != turn) {
        sched_yield();
    }
}
