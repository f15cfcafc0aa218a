/*
 * Pipes between processes, with long runs of reads and writes, and everything else that one can do to a pipe in between.
 *
 * Claims: every byte arrives once and in order, whatever sizes are written and read, while a timer's signals (with and
 * without SA_RESTART) hit both ends, others look at the pipe (poll, FIONREAD, fstat), the writer's end moves to a child
 * in the middle, and back; records of up to PIPE_BUF from several writers are not mixed; the end of the last writer is seen by
 * a reader that sleeps, that of the last reader by a writer that sleeps; a killed writer harms nobody.
 */
#include "tests/compat/compat.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#define STREAM (8L * 1024 * 1024)

static volatile sig_atomic_t g_ticks;

static void on_tick(int sig)
{
    (void)sig;
    g_ticks++;
}

static void ticks(int flags)
{
    struct sigaction a = {.sa_handler = on_tick, .sa_flags = flags};
    struct itimerval every = {{0, 3000}, {0, 3000}};
    CHECK(sigaction(SIGALRM, &a, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static unsigned char byte_at(long pos)
{
    return (unsigned char)(pos * 7 + (pos >> 8) * 13 + (pos >> 16));
}

static size_t some_size(unsigned *seed)
{
    static const size_t sizes[] = {1, 17, 512, 4096, 4097, 30000, 65536, 100000};
    return sizes[(size_t)rand_r(seed) % 8];
}

/* Writes [from, to) of the stream. */
static void produce(int fd, long from, long to, unsigned seed)
{
    static unsigned char buf[100000];
    while (from < to) {
        size_t n = some_size(&seed), left = (size_t)(to - from);
        n = n < left ? n : left;
        for (size_t i = 0; i < n; i++) {
            buf[i] = byte_at(from + (long)i);
        }
        ssize_t done = write(fd, buf, n);
        CHECK(done > 0 || errno == EINTR);
        from += done > 0 ? done : 0;
    }
}

/* A child does a part of it with the same end. */
static void produce_in_turns(int fd, unsigned seed)
{
    for (int part = 0; part < 4; part++) {
        long from = STREAM / 4 * part, to = STREAM / 4 * (part + 1);
        if (part % 2 == 0) {
            produce(fd, from, to, seed + (unsigned)part);
            continue;
        }
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            produce(fd, from, to, seed + (unsigned)part);
            _exit(0);
        }
        int status;
        while (waitpid(pid, &status, 0) < 0) {
            CHECK(errno == EINTR);
        }
        CHECK(status == 0);
    }
}

static void look(int fd, unsigned *seed)
{
    int held;
    struct stat st;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    switch (rand_r(seed) % 200) {
    case 0:
        CHECK(ioctl(fd, FIONREAD, &held) == 0 && held >= 0 && held <= 65536);
        break;
    case 1:
        while (poll(&p, 1, -1) < 0) {
            CHECK(errno == EINTR);
        }
        CHECK(p.revents & (POLLIN | POLLHUP));
        break;
    case 2:
        CHECK(fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode));
        break;
    default:
        break;
    }
}

static void consume(int fd, unsigned seed)
{
    static unsigned char buf[100000];
    long pos = 0;
    for (;;) {
        look(fd, &seed);
        ssize_t n = read(fd, buf, some_size(&seed));
        if (n == 0) {
            break;
        }
        CHECK(n > 0 || errno == EINTR);
        for (ssize_t i = 0; i < n; i++) {
            CHECK(buf[i] == byte_at(pos + i));
        }
        pos += n > 0 ? n : 0;
    }
    CHECK(pos == STREAM);
}

static void run_stream(int flags, unsigned seed)
{
    int p[2], status;
    CHECK(pipe(p) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(p[0]);
        ticks(flags);
        produce_in_turns(p[1], seed);
        _exit(0);
    }
    close(p[1]);
    ticks(flags);
    consume(p[0], seed + 1);
    struct itimerval off = {0};
    setitimer(ITIMER_REAL, &off, NULL);
    close(p[0]);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Records are whole; each writer's come in order. */
static void run_records(void)
{
    struct record {
        int writer, number;
        char fill[504];
    } r;
    enum { WRITERS = 3, RECORDS = 3000 };
    int p[2], next[WRITERS] = {0}, status;
    CHECK(pipe(p) == 0);
    for (int w = 0; w < WRITERS; w++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            for (int i = 0; i < RECORDS; i++) {
                r.writer = w;
                r.number = i;
                memset(r.fill, w + i, sizeof(r.fill));
                CHECK(write(p[1], &r, sizeof(r)) == sizeof(r));
            }
            _exit(0);
        }
    }
    close(p[1]);
    for (long total = 0;; total++) {
        size_t have = 0;
        ssize_t n = 1;
        while (have < sizeof(r) && (n = read(p[0], (char *)&r + have, sizeof(r) - have)) > 0) {
            have += (size_t)n;
        }
        if (have == 0) {
            CHECK(total == (long)WRITERS * RECORDS);
            break;
        }
        CHECK(have == sizeof(r) && r.writer >= 0 && r.writer < WRITERS);
        CHECK(r.number == next[r.writer]++);
        for (size_t i = 0; i < sizeof(r.fill); i++) {
            CHECK(r.fill[i] == (char)(r.writer + r.number));
        }
    }
    close(p[0]);
    for (int w = 0; w < WRITERS; w++) {
        CHECK(wait(&status) > 0 && status == 0);
    }
}

/* A writer that is killed in the middle; then its sibling goes on, alone. */
static void run_killed(void)
{
    static char buf[65536];
    int p[2], status;
    CHECK(pipe(p) == 0);
    for (int round = 0; round < 20; round++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            for (;;) {
                CHECK(write(p[1], buf, 5000) > 0);
            }
        }
        for (int i = 0; i < 50 + round; i++) {
            CHECK(read(p[0], buf, sizeof(buf)) > 0);
        }
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
        int held;
        CHECK(ioctl(p[0], FIONREAD, &held) == 0);
        while (held > 0) {
            ssize_t n = read(p[0], buf, sizeof(buf));
            CHECK(n > 0);
            held -= (int)n;
        }
        CHECK(held == 0);
        CHECK(write(p[1], "abc", 3) == 3 && read(p[0], buf, 10) == 3 && memcmp(buf, "abc", 3) == 0);
    }
    close(p[0]);
    close(p[1]);
}

/* The other end goes while this one sleeps. */
static void run_ends(void)
{
    static char buf[65536];
    int p[2], status;
    for (int writer = 0; writer < 2; writer++) {
        CHECK(pipe(p) == 0);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            close(p[!writer]);
            signal(SIGPIPE, SIG_IGN);
            for (;;) {
                ssize_t n = writer ? write(p[1], buf, 4096) : read(p[0], buf, sizeof(buf));
                if (n <= 0) {
                    _exit(writer ? n == -1 && errno == EPIPE : n == 0);
                }
            }
        }
        close(p[writer]);
        for (int i = 0; i < 40; i++) {
            CHECK(writer ? read(p[0], buf, 4096) > 0 : write(p[1], buf, 100) == 100);
        }
        usleep(20000); /* it sleeps by now */
        close(p[!writer]);
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1);
    }
}

int main(int argc, char **argv)
{
    unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 5;
    run_stream(SA_RESTART, seed);
    run_stream(0, seed + 10);
    run_records();
    run_killed();
    run_ends();
    return 0;
}
