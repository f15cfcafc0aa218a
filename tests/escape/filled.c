/*
 * The descriptor by which a process fills a leased file (platform/seccomp/writer.c): the guest may do with it what it could do
 * with the file's mapping, and no more. What must happen: it writes that one file, up to where the file may grow
 * without asking, for as long as the lease runs; and nobody inherits it.
 */
#include "tests/escape/forge.h"

#include <sys/resource.h>

static struct platform_lease_page *page(void)
{
    return (struct platform_lease_page *)LEASE_PAGE;
}

#define FILLED_SIZE 4000000
/* Fills path until its writes go by the descriptor. Return: its fd; -1: they don't. */
static int make_filled(const char *path, char fill)
{
    static char block[50000];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    memset(block, fill, sizeof(block));
    for (int i = 0; i < FILLED_SIZE / (int)sizeof(block); i++) {
        if (write(fd, block, sizeof(block)) != sizeof(block)) {
            BREACH("%s can't be filled, so this attack is none", path);
        }
    }
    int index = page()->lease_of[fd] - 1;
    return index >= 0 && index < LEASE_MAX && page()->leases[index].flags & LEASE_FILLED ? fd : -1;
}

static long fill_at(uint64_t pos)
{
    return GATE(SYS_pwrite64, STUB_FD_WRITE, "W", 1, pos);
}

static void must_be_over(const char *when)
{
    if (fill_at(0) > 0 || fill_at(FILLED_SIZE) > 0 || fill_at(1UL << 40) > 0) {
        BREACH("a file is still written %s", when);
    }
}

/* Nothing but pwrite64, no other number, and not farther than the file may grow. */
static void filled_misuse(void)
{
    static char buf[4096];
    static const uint64_t no_limit[2] = {~0UL, ~0UL};
    const uint64_t iov[2] = {(uint64_t)buf, sizeof(buf)};
    signal(SIGXFSZ, SIG_DFL);
    int fd = make_filled("/tmp/filled", 'F');
    if (fd < 0) {
        NOTE("not given\n");
        return;
    }
    if (fill_at(FILLED_SIZE) != 1) {
        BREACH("it can't be written, so this attack is none");
    }
    uint64_t room = page()->leases[page()->lease_of[fd] - 1].capacity;
    for (uint64_t pos = room; pos < 1UL << 62; pos = pos * 3 / 2) {
        GATE_MUST_FAIL(SYS_pwrite64, STUB_FD_WRITE, buf, 1, pos);
    }
    GATE(SYS_pwrite64, STUB_FD_WRITE, CHAN_BASE, CHAN_SIZE, room - 1);
    GATE_MUST_FAIL(SYS_pwrite64, STUB_FD_WRITE, buf, sizeof(buf), room);
    for (uint64_t other = 0; other < 4096; other++) {
        if (other != STUB_FD_WRITE) {
            GATE_MUST_FAIL(SYS_pwrite64, other, buf, 1, 0);
        }
    }
    for (int prot = 0; prot < 8; prot++) {
        GATE_MUST_FAIL(SYS_mmap, 0, 4096, prot, MAP_SHARED, STUB_FD_WRITE, 0);
        GATE_MUST_FAIL(SYS_mmap, 0, 4096, prot, MAP_PRIVATE, STUB_FD_WRITE, 0);
    }
    GATE_MUST_FAIL(SYS_write, STUB_FD_WRITE, buf, 1);
    GATE_MUST_FAIL(SYS_pwritev, STUB_FD_WRITE, iov, 1, 0);
    GATE_MUST_FAIL(SYS_pread64, STUB_FD_WRITE, buf, 1, 0);
    GATE_MUST_FAIL(SYS_ftruncate, STUB_FD_WRITE, 1UL << 40);
    GATE_MUST_FAIL(SYS_fallocate, STUB_FD_WRITE, 0, 0, 1UL << 40);
    GATE_MUST_FAIL(SYS_fcntl, STUB_FD_WRITE, F_DUPFD, 0);
    GATE_MUST_FAIL(SYS_dup2, STUB_FD_WRITE, 50);
    GATE_MUST_FAIL(SYS_prlimit64, 0, RLIMIT_FSIZE, no_limit, 0);
    GATE_MUST_FAIL(SYS_setrlimit, RLIMIT_FSIZE, no_limit);
}

/* With the lease, or before a process or a thread comes that would have it, too, it is gone. */
static void *filling_thread(void *arg)
{
    must_be_over("by a thread");
    return arg;
}
static void filled_and_over(void)
{
    int status, pipe_[2];
    pthread_t t;
    pid_t pid;
    struct stat st;
    int fd = make_filled("/tmp/filled", 'F');
    if (fd < 0 || pipe(pipe_) < 0) {
        NOTE("not given\n");
        return;
    }
    pid = fork();
    if (pid == 0) {
        must_be_over("by a child");
        close(make_filled("/tmp/filled-too", 'f'));
        if (fill_at(0) == 1 || first_byte("/tmp/filled") != 'F') {
            BREACH("a child writes its parent's file, or one that it closed");
        }
        _exit(0);
    }
    must_be_over("after a fork");
    waitpid(pid, &status, 0);
    if (WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
    close(fd);
    fd = make_filled("/tmp/filled", 'F');
    int next = make_filled("/tmp/filled-too", 'G');
    if (next < 0 || (fill_at(0) == 1 && first_byte("/tmp/filled") != 'F')) {
        BREACH("it leads to the file before");
    }
    pread(next, &status, 1, 0);
    ftruncate(next, 0);
    fill_at(0);
    close(next);
    must_be_over("that was closed");
    if (stat("/tmp/filled-too", &st) < 0 || st.st_size != 0) {
        BREACH("a size of %ld", (long)st.st_size);
    }
    close(fd);
    fd = make_filled("/tmp/filled", 'F');
    mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    must_be_over("that was mapped");
    close(fd);
    fd = make_filled("/tmp/filled-too", 'H');
    pthread_create(&t, NULL, filling_thread, NULL);
    pthread_join(t, NULL);
    must_be_over("after a thread was made");
}

/* A thread of which the kernel knows nothing any more would still be writing when the right is taken back. */
static volatile int g_hidden_runs;
static void *parked_thread(void *arg)
{
    return arg;
}
static void *hidden_thread(void *arg)
{
    struct chan *c = channel_of(1);
    ignore_kicks();
    c->nr = SYS_exit;
    __atomic_store_n(&c->state, CHAN_REQ | CHAN_NO_POLL, __ATOMIC_SEQ_CST);
    while ((c->state & CHAN_STATE_MASK) != CHAN_DONE) {
        GATE(GATE_DOORBELL, 1, 0);
    }
    for (g_hidden_runs = 1;;) {
        GATE(SYS_sched_yield);
    }
    return arg;
}
static void filled_by_hidden(void)
{
    pthread_t t;
    bool hides[] = {false, true};
    int fd = make_filled("/tmp/filled-alone", 'A');
    if (fd < 0) {
        NOTE("not given\n");
        return;
    }
    close(fd);
    for (int i = 0; i < 2; i++) {
        pthread_create(&t, NULL, hides[i] ? hidden_thread : parked_thread, NULL);
        if (hides[i]) {
            while (!g_hidden_runs) {
                GATE(SYS_sched_yield);
            }
        } else {
            pthread_join(t, NULL);
        }
        usleep(10000);
        if (make_filled("/tmp/filled", 'F') >= 0 || fill_at(FILLED_SIZE) > 0) {
            BREACH("a file is written with %s thread in the process",
                   hides[i] ? "a hidden" : "a parked");
        }
    }
}

static const struct attack g_attacks[] = {
    {"a filled file's descriptor, and other threads", filled_by_hidden},
    {"a filled file's descriptor", filled_misuse},
    {"a filled file's descriptor, afterwards", filled_and_over},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
