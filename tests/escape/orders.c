/*
 * Orders of the kernel that a guest carries out in another way than it was told: other flags, twice, late, not at
 * all, by a thread that was told to end. What the gate allows then must be exactly what was ordered, and a process
 * must be gone when the kernel believes that it is.
 */
#include "tests/escape/forge.h"

#include <sys/auxv.h>

#define READABLE "/tmp/readable" /* root's; everybody may read it */
#define SET_ID   "/tmp/set-id"   /* root's; runs as root */
static const char g_readable[] = "written by root, for all to read";

/* What processes that left their kernel behind have seen; they end by the gate, and can't say more. */
static volatile struct report {
    int control; /* the attack was one: the order was there, and worked when obeyed */
    int got, refused, children, rounds, parked, told;
    long value;
} * g_report;

static int g_variant;

static void report_new(void)
{
    g_report = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
/* Runs fn in a process that may end in any way, or be killed; then nothing may have been got. */
static void lawless(void (*fn)(void), double seconds)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        GATE(SYS_exit_group, 0);
    }
    if (!wait_until(pid, &status, now() + seconds)) {
        kill(pid, SIGKILL);
        if (!wait_until(pid, &status, now() + 5)) {
            BREACH("a process can't be killed");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}
static void must_be_refused(long r, long value)
{
    if (r >= 0 || r < -4095) {
        g_report->got++;
        g_report->value = value;
    } else {
        g_report->refused++;
    }
}
static void verdict(const char *what)
{
    if (!g_report->control) {
        BREACH("%s: the order did not come, so this attack is none", what);
    }
    if (g_report->got) {
        BREACH("%s: %d of %d were let through, as %#lx", what, g_report->got,
               g_report->got + g_report->refused, g_report->value);
    }
}

/* --- clone --- */
static long clone_at_gate(uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid,
                          uint64_t tls)
{
    long r = gate(0, SYS_clone, flags, stack, ptid, ctid, tls, 0);
    if (r == 0) {
        g_report->children++;
        for (int i = 0; i < 100; i++) {
            GATE(SYS_sched_yield);
        }
        GATE(SYS_exit_group, 0);
    }
    return r;
}
static void altered_fork(void)
{
    struct stub_order_clone o;
    if (CONVERSE(SYS_clone, SIGCHLD) != ORDER_CLONE) {
        return;
    }
    o = my_channel()->clone;
    for (unsigned bit = 0; bit < 64; bit++) {
        must_be_refused(clone_at_gate(o.flags ^ 1UL << bit, 0, 0, o.child_tid, o.tls), (long)bit);
        must_be_refused(clone_at_gate(o.flags, 1UL << bit, 0, o.child_tid, o.tls), (long)bit);
        must_be_refused(clone_at_gate(o.flags, 0, 1UL << bit, o.child_tid, o.tls), (long)bit);
        must_be_refused(clone_at_gate(o.flags, 0, 0, o.child_tid ^ 1UL << bit, o.tls), (long)bit);
        must_be_refused(clone_at_gate(o.flags, 0, 0, o.child_tid, o.tls ^ 1UL << bit), (long)bit);
    }
    my_channel()->clone.flags |= CLONE_NEWUSER; /* the order as the guest can rewrite it */
    must_be_refused(clone_at_gate(o.flags | CLONE_NEWUSER, 0, 0, o.child_tid, o.tls), -1);
    g_report->control = clone_at_gate(o.flags, 0, 0, o.child_tid, o.tls) > 0;
}
#define THREAD_FLAGS                                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
static void altered_thread(void)
{
    static char stack[65536];
    static const uint64_t tops[] = {0,
                                    8,
                                    AREA_STACK,
                                    AREA_STRIDE,
                                    AREA_STRIDE * SLOT_COUNT + AREA_STACK,
                                    AREA_STRIDE + AREA_STACK + 8,
                                    0UL - AREA_STRIDE + AREA_STACK};
    if (CONVERSE(SYS_clone, THREAD_FLAGS, (uint64_t)(stack + sizeof(stack))) != ORDER_CLONE) {
        return;
    }
    struct stub_order_clone o = my_channel()->clone;
    uint64_t good = AREA_BASE + AREA_STRIDE + AREA_STACK;
    g_report->control = 1;
    for (unsigned bit = 0; bit < 64; bit++) {
        must_be_refused(clone_at_gate(o.flags ^ 1UL << bit, good, 0, o.child_tid, o.tls),
                        (long)bit);
        must_be_refused(clone_at_gate(o.flags, good, 1UL << bit, o.child_tid, o.tls), (long)bit);
        must_be_refused(clone_at_gate(o.flags, good, 0, o.child_tid ^ 1UL << bit, o.tls),
                        (long)bit);
    }
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) { /* slots in use, and none */
        must_be_refused(clone_at_gate(o.flags, AREA_BASE + tops[i], 0, o.child_tid, o.tls),
                        (long)i);
    }
    must_be_refused(clone_at_gate(o.flags, (uint64_t)(stack + 4096), 0, o.child_tid, o.tls), -1);
}
static void other_clones(void)
{
    report_new();
    lawless(altered_fork, 5);
    verdict("an ordered fork with other arguments");
    if (g_report->children > 1) {
        BREACH("%d children", g_report->children);
    }
    report_new();
    lawless(altered_thread, 5);
    verdict("an ordered thread with other arguments");
}

static void clone_again_and_again(void)
{
    struct chan *c = my_channel();
    g_report->control = CONVERSE(SYS_clone, SIGCHLD) == ORDER_CLONE;
    struct stub_order_clone o = c->clone;
    for (int i = 0; i < 200; i++) {
        g_report->got += clone_at_gate(o.flags, 0, 0, o.child_tid, o.tls) > 0;
    }
}
static void one_order_many_clones(void)
{
    report_new();
    for (int i = 0; i < 3; i++) {
        lawless(clone_again_and_again, 5);
    }
    if (!g_report->control || g_report->got > 3 || g_report->children > 3) {
        BREACH("3 orders, %d clones, %d children", g_report->got, g_report->children);
    }
}

/* --- hello --- */
static void bad_hello(void)
{
    struct chan *c = my_channel();
    g_report->control |= CONVERSE(SYS_clone, SIGCHLD) == ORDER_CLONE;
    struct stub_order_clone o = c->clone;
    uint64_t fd = STUB_FD_CHAN | (uint64_t)o.nonce << 32, size = CHAN_SIZE;
    if (gate(0, SYS_clone, o.flags, 0, 0, o.child_tid, o.tls, 0) != 0) {
        /* the parent, too, knows the nonce, but is somebody already */
        must_be_refused(GATE(SYS_mmap, CHAN_BASE, size, 3, 0x11, fd, 0), -1);
        GATE(GATE_DOORBELL, 0, o.nonce);
        return;
    }
    const uint64_t tries[][6] = {
        {GATE_DOORBELL, 0, o.nonce},
        {GATE_DOORBELL, 0, o.nonce ^ 1},
        {GATE_DOORBELL, 1, o.nonce},
        {SYS_mmap, CHAN_BASE, size, 3, 0x11, fd ^ 1UL << 32},
        {SYS_mmap, CHAN_BASE, size, 7, 0x11, fd},
        {SYS_mmap, CHAN_BASE, size / 2, 3, 0x11, fd},
        {SYS_mmap, 0x10000000, size, 3, 0x11, fd},
        {SYS_mmap, STUB_RO, size, 3, 0x11, fd},
        {SYS_mmap, CHAN_BASE, size, 3, 0x01, fd},
        {SYS_mmap, CHAN_BASE, size, 3, 0x11, fd ^ 7},
        {SYS_mmap, CHAN_BASE, size, 3, 0x11, STUB_FD_CHAN},
        {SYS_mmap, STUB_RO, STUB_RO_SIZE, 1, 0x11, STUB_FD_RO},
        {SYS_mmap, STUB_RO, STUB_RO_SIZE, 3, 0x11, STUB_FD_RO},
        {SYS_execveat, STUB_FD_IMAGE, stub()->exec_path, stub()->exec_argv, stub()->exec_envp,
         0x1000},
    };
    const uint64_t *a = tries[g_variant];
    must_be_refused(gate(0, a[0], a[1], a[2], a[3], a[4], a[5], 0), g_variant);
    /* still here: it may have been refused, but must not be able to do more */
    must_be_refused(GATE(SYS_openat, AT_FDCWD, "/", 0), 100 + g_variant);
}
static void forged_hello(void)
{
    report_new();
    for (g_variant = 0; g_variant < 14; g_variant++) {
        lawless(bad_hello, 0.5);
    }
    verdict("a forged hello");
}

/* A child that nobody knows of, and that keeps silent, must not stay when all who are known have gone. */
static void silent_child(void)
{
    struct chan *c = my_channel();
    g_report->control = CONVERSE(SYS_clone, SIGCHLD) == ORDER_CLONE;
    struct stub_order_clone o = c->clone;
    if (gate(0, SYS_clone, o.flags, 0, 0, o.child_tid, o.tls, 0) == 0) {
        for (;;) {
            g_report->children++;
        }
    }
    CONVERSE(STUB_REQ_RESULT, (uint64_t)-EAGAIN);
}
static void silent_children(void)
{
    report_new();
    for (int i = 0; i < 3; i++) {
        lawless(silent_child, 2);
    }
    int before = g_report->children;
    usleep(100000);
    if (!g_report->control) {
        BREACH("the order did not come, so this attack is none");
    }
    if (g_report->children != before) {
        BREACH("a process that the kernel does not know of runs on");
    }
}

/* --- threads that were told to end --- */

/* Asks for a read that will wait, in the name of slot 1's thread; comes back when it is told to end. */
static int g_pipe[2];
static void wait_for_the_end(void)
{
    struct chan *c = (struct chan *)(CHAN_BASE + CHAN_STRIDE);
    c->nr = SYS_read;
    c->args[0] = (uint64_t)g_pipe[0];
    c->args[1] = (uint64_t)&g_pipe;
    c->args[2] = 1;
    __atomic_store_n(&c->state, CHAN_REQ | CHAN_NO_POLL, __ATOMIC_SEQ_CST);
    g_report->parked = 1;
    while ((c->state & CHAN_STATE_MASK) != CHAN_DONE) {
        GATE(GATE_DOORBELL, 1, 0);
    }
    g_report->told += c->order == ORDER_EXIT;
}
static void ignore_kicks(void)
{
    uint64_t ignore[4] = {1, 0, 0, 0};
    GATE(SYS_rt_sigaction, STUB_KICK, ignore, 0, 8);
}
static void *survivor(void *arg)
{
    ignore_kicks();
    wait_for_the_end();
    for (;;) { /* and what if it does not? */
        g_report->children++;
        must_be_refused(GATE(SYS_getpid), 1);
        must_be_refused(GATE(SYS_clone, SIGCHLD), 2);
    }
    return arg;
}
static void leave_a_thread(void)
{
    pthread_t t;
    pipe(g_pipe);
    pthread_create(&t, NULL, survivor, NULL);
    usleep(20000);
    g_report->control += g_report->parked;
    if (g_variant == 0) {
        _exit(0);
    } else if (g_variant == 1) {
        raise(SIGKILL);
    }
    execl("/bin/true", "true", NULL);
}
static void surviving_threads(void)
{
    report_new();
    for (g_variant = 0; g_variant < 3; g_variant++) {
        lawless(leave_a_thread, 2);
    }
    NOTE("%d were told to end\n", g_report->told);
    usleep(50000);
    int before = g_report->children;
    usleep(100000);
    if (g_report->children != before) {
        BREACH("a thread of a process that has ended runs on");
    }
    verdict("threads that were told to end");
}

/* --- memory --- */
static void altered_mmap(void)
{
    struct chan *c = my_channel();
    int fd = open("/tmp/own", O_RDWR | O_CREAT, 0600);
    ftruncate(fd, 16384);
    if (CONVERSE(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, (uint64_t)fd, 0) !=
        ORDER_MEM_LIST) {
        return;
    }
    struct stub_mem_call m = *(struct stub_mem_call *)((char *)c + WINDOW_OFFSET);
    const uint64_t *a = m.args;
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            uint64_t b[6] = {a[0], a[1], a[2], a[3], a[4], a[5]};
            b[i] ^= 1UL << bit;
            if (b[4] >= STUB_FD_GIVEN && (uint32_t)b[4] < 1UL << 31) {
                continue; /* those the guest may map as it likes; there are none */
            }
            must_be_refused(gate(0, m.nr, b[0], b[1], b[2], b[3], b[4], b[5]),
                            (long)(i << 8 | bit));
        }
    }
    must_be_refused(gate(0, m.nr, STUB_TEXT, 4096, 7, 0x11, a[4], 0), -1);
    must_be_refused(gate(0, m.nr, STUB_RO, 4096, 3, 0x11, a[4], 0), -2);
    g_report->control = gate(0, m.nr, a[0], a[1], a[2], a[3], a[4], a[5]) > 0;
    CONVERSE(STUB_REQ_RESULT, 0);
    must_be_refused(gate(0, m.nr, a[0], a[1], a[2], a[3], a[4], a[5]), -3); /* too late */
}
static void other_maps(void)
{
    report_new();
    lawless(altered_mmap, 5);
    verdict("an ordered mmap with other arguments");
}

/* The fd of a mapping is left open. What can be had from it beyond that mapping? */
static void leftover(const char *path, int flags)
{
    struct chan *c = my_channel();
    int fd = open(path, O_RDONLY);
    int order = CONVERSE(SYS_mmap, 0, 4096, PROT_READ, (uint64_t)flags, (uint64_t)fd, 0);
    struct stub_mem_call m = c->mem;
    if (order == ORDER_MEM_LIST) {
        m = *(struct stub_mem_call *)((char *)c + WINDOW_OFFSET);
    } else if (order != ORDER_MEM) {
        return;
    }
    const uint64_t *a = m.args;
    long at = gate(0, m.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    g_report->control += at > 0;
    converse(order == ORDER_MEM ? SYS_getppid : STUB_REQ_RESULT, (uint64_t[6]){0}); /* it is over */
    if (flags == MAP_SHARED) { /* a private copy may be written */
        must_be_refused(GATE(SYS_mprotect, at, 4096, PROT_READ | PROT_WRITE), 1);
    }
    for (uint64_t n = 0; n < 2300; n++) {
        must_be_refused(GATE(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, n, 0), (long)n);
        must_be_refused(GATE(SYS_mmap, 0, 4096, PROT_WRITE, MAP_SHARED_VALIDATE, n, 0), (long)n);
        if (n < STUB_FD_GIVEN) {
            must_be_refused(GATE(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, n, 0), (long)n);
            must_be_refused(GATE(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, n, 0), (long)n);
        } else if (m.args[4] == n) {
            long shared = GATE(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, n, 0);
            must_be_refused(GATE(SYS_mprotect, shared, 4096, PROT_READ | PROT_WRITE), 2);
            must_be_refused(GATE(SYS_madvise, shared, 4096, MADV_REMOVE), 3);
        }
        must_be_refused(GATE(SYS_read, n, &m, 1), (long)n);
        must_be_refused(GATE(SYS_pwrite64, n, "x", 1, 0), (long)n);
        must_be_refused(GATE(SYS_ftruncate, n, 0), (long)n);
        must_be_refused(GATE(SYS_fchmod, n, 0777), (long)n);
        must_be_refused(GATE(SYS_sendfile, n, n, 0, 1), (long)n);
    }
}
static void leftover_shared(void)
{
    leftover(READABLE, MAP_SHARED);
}
static void leftover_private(void)
{
    leftover(READABLE, MAP_PRIVATE);
}
static void leftover_of_the_host(void)
{
    leftover("/proc/self/exe", MAP_SHARED);
}
static bool readable_is_well(void)
{
    char buf[64] = "";
    int fd = open(READABLE, O_RDONLY);
    ssize_t n = read(fd, buf, sizeof(buf));
    close(fd);
    return n == sizeof(g_readable) && !memcmp(buf, g_readable, sizeof(g_readable));
}
static void leftover_fds(void)
{
    static void (*const kinds[])(void) = {leftover_shared, leftover_private, leftover_of_the_host};
    for (int i = 0; i < 3; i++) {
        report_new();
        lawless(kinds[i], 10);
        verdict("the fd of a mapping");
    }
    if (!readable_is_well()) {
        BREACH("root's file was changed");
    }
}

/* --- requests out of place --- */
static int g_answer;
static void misplaced(void)
{
    static const uint64_t answers[][6] = {
        {STUB_REQ_BOOT, 1, 2, 3, 4, 5},
        {STUB_REQ_CONTEXT, 512},
        {STUB_REQ_FAULT, 512, SIGSEGV},
        {STUB_REQ_RESULT, 0},
        {STUB_REQ_RESULT, (uint64_t)-1},
        {STUB_REQ_RESULT, STUB_TEXT},
        {STUB_REQ_RESULT, 1UL << 63},
        {STUB_REQ_COMEBACK},
        {STUB_REQ_COMEBACK + 1},
        {SYS_getppid},
        {SYS_exit_group, 0},
        {SYS_clone, SIGCHLD},
        {SYS_execve, (uint64_t) "/x"},
        {SYS_rt_sigreturn, 512},
        {SYS_munmap, 0x10000, 4096},
        {SYS_setuid, 0},
        {SYS_mmap, 0, 4096, 3, 0x22, 0},
        {SYS_exit, 0},
    };
#define ANSWER_COUNT (sizeof(answers) / sizeof(answers[0]))
    static const char *argv[] = {"/bin/true", NULL};
    void *page = mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int pid = getpid(), fd = open("/tmp/misplaced", O_RDWR | O_CREAT, 0600), order = -1;
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, (void (*)(int))page);
    switch (g_variant) {
    case 0:
        order = CONVERSE(SYS_getppid);
        break;
    case 1:
        order = CONVERSE(SYS_munmap, (uint64_t)page, 4096);
        break;
    case 2:
        order = CONVERSE(SYS_mmap, 0, 4096, 3, MAP_SHARED, (uint64_t)fd);
        break;
    case 3:
        order = CONVERSE(SYS_clone, SIGCHLD);
        break;
    case 4:
        order = CONVERSE(SYS_execve, (uint64_t)argv[0], (uint64_t)argv, (uint64_t)(argv + 1));
        break;
    case 5:
        order = CONVERSE(STUB_REQ_CONTEXT, 512);
        break;
    case 6:
        order = CONVERSE(STUB_REQ_FAULT, 512, SIGSEGV);
        break;
    case 7:
        order = CONVERSE(SYS_kill, (uint64_t)pid, SIGUSR2);
        break;
    case 8:
        order = CONVERSE(SYS_clone, THREAD_FLAGS, (uint64_t)page + 4096);
        break;
    }
    if (order >= 0) {
        g_report->control |= 1 << order;
        const uint64_t *a = answers[(size_t)g_answer % ANSWER_COUNT];
        converse(a[0], (uint64_t[6]){a[1], a[2], a[3], a[4], a[5]});
        a = answers[(size_t)(g_answer * 7 + 3) % ANSWER_COUNT]; /* and another one */
        converse(a[0], (uint64_t[6]){a[1], a[2], a[3], a[4], a[5]});
    }
    if (g_variant != 4 && CONVERSE(SYS_geteuid) == ORDER_RETURN &&
        my_channel()->ret != ORDINARY_UID) {
        g_report->got++;
    }
}
static void out_of_place(void)
{
    int wanted = 1 << ORDER_RETURN | 1 << ORDER_MEM | 1 << ORDER_MEM_LIST | 1 << ORDER_CLONE |
                 1 << ORDER_EXEC | 1 << ORDER_UPCALL | 1 << ORDER_CONTEXT;
    report_new();
    for (g_variant = 0; g_variant < 9; g_variant++) {
        for (g_answer = 0; g_answer < 18; g_answer++) {
            lawless(misplaced, g_variant == 4 ? 0.05 : 0.3);
        }
    }
    if ((g_report->control & wanted) != wanted) {
        BREACH("the orders %#x did not come, so this attack is half of one",
               wanted & ~g_report->control);
    }
    if (g_report->got) {
        BREACH("it has become another user");
    }
}

/*
 * A set-id program is executed, but another thread, which was told to end, takes the image's fd away before the host
 * opens it: the old program goes on, and the kernel believes that it is the new one.
 */
static void *spoiler(void *arg)
{
    ignore_kicks();
    wait_for_the_end();
    for (int i = 0; i < 200000; i++) {
        GATE(SYS_close, STUB_FD_IMAGE);
    }
    GATE(SYS_exit_group, 0);
    return arg;
}
static void play_the_new_program(void)
{
    static const char *argv[] = {SET_ID, "new program", NULL};
    pthread_t t;
    pipe(g_pipe);
    pthread_create(&t, NULL, spoiler, NULL);
    usleep(2000);
    g_report->children++;
    g_report->value = CONVERSE(SYS_execve, (uint64_t)argv[0], (uint64_t)argv, (uint64_t)(argv + 2));
    if (g_report->value != ORDER_EXEC) {
        return;
    }
    g_report->control++;
    g_report->value = GATE(SYS_execveat, STUB_FD_IMAGE, stub()->exec_path, stub()->exec_argv, stub()->exec_envp,
         0x1000);
    g_report->rounds++; /* still the old program */
    must_be_refused(GATE(SYS_mmap, 0x10000000, CHAN_SIZE, 3, 0x11, STUB_FD_CHAN, 0), 1);
    must_be_refused(GATE(SYS_mmap, CHAN_BASE + CHAN_SIZE, CHAN_SIZE, 3, 0x11, STUB_FD_CHAN, 0), 2);
    must_be_refused(GATE(SYS_munmap, CHAN_BASE, CHAN_SIZE), 3);
    must_be_refused(GATE(SYS_mprotect, CHAN_BASE, CHAN_SIZE, 0), 4);
    must_be_refused(GATE(SYS_mmap, CHAN_BASE, CHAN_SIZE, 3, 0x11, STUB_FD_CHAN, 0), 5);
    if (CONVERSE(STUB_REQ_BOOT, 0) >= 0) {
        g_report->got++;
    }
}
static void false_programs(void)
{
    report_new();
    double end = now() + 1.5;
    for (int i = 0; i < 100 && now() < end; i++) {
        lawless(play_the_new_program, 0.3);
    }
    NOTE("%d times the old program went on, of %d; %d %ld\n", g_report->rounds, g_report->children,
         g_report->told, g_report->value);
    verdict("the old program in place of the new one");
}

/* --- sizes --- */
static void window_sizes(void)
{
    static const uint32_t sizes[] = {0xffffffff,
                                     0x80000000,
                                     (uint32_t)WINDOW_SIZE,
                                     0x10000,
                                     (uint32_t)WINDOW_SIZE + 1,
                                     (uint32_t)WINDOW_SIZE - 1,
                                     63,
                                     0};
    static char buf[4096];
    uint8_t *next = (uint8_t *)(CHAN_BASE + CHAN_STRIDE); /* the window ends there */
    struct chan *c = my_channel();
    int fd = open("/proc/self/exe", O_RDONLY);
    memset(next, 0x77, 4096);
    static const uint16_t calls[] = {SYS_read,    SYS_write,      SYS_openat,  SYS_readlink,
                                     SYS_getcwd,  SYS_uname,      SYS_stat,    SYS_poll,
                                     SYS_pread64, SYS_getdents64, SYS_sysinfo, SYS_newfstatat};
    for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
        for (unsigned i = 0; i < 64; i++) {
            for (unsigned n = 0; n < 6; n++) {
                c->copy_size[n] = sizes[(i >> (n % 3)) % 8];
                c->copy_filled[n] = 0xffffffff;
            }
            uint64_t path = (uint64_t) "/proc/self/exe";
            c->nr = calls[k];
            c->args[0] = calls[k] == SYS_readlink || calls[k] == SYS_stat  ? path
                         : calls[k] == SYS_getcwd || calls[k] == SYS_uname ? (uint64_t)buf
                                                                           : (uint64_t)fd;
            c->args[1] =
                calls[k] == SYS_openat || calls[k] == SYS_newfstatat ? path : (uint64_t)buf;
            c->args[2] = i & 1 ? 4096 : 0xffffffffffff;
            c->args[3] = 0;
            __atomic_store_n(&c->state, CHAN_REQ | CHAN_NO_POLL | CHAN_COPY, __ATOMIC_SEQ_CST);
            for (int spin = 0; spin < 2000 && (c->state & CHAN_STATE_MASK) != CHAN_DONE; spin++) {
                ring();
            }
            g_report->control += (c->state & CHAN_STATE_MASK) == CHAN_DONE;
            c->state = CHAN_IDLE;
        }
    }
    for (int i = 0; i < 4096; i++) {
        g_report->got += next[i] != 0x77;
    }
}
static void past_the_window(void)
{
    report_new();
    lawless(window_sizes, 5);
    verdict("sizes past the window");
}

static const struct attack g_attacks[] = {
    {"order: clone with other arguments", other_clones},
    {"order: one clone, many children", one_order_many_clones},
    {"order: a forged hello", forged_hello},
    {"order: a silent child stays", silent_children},
    {"order: a thread ignores its end", surviving_threads},
    {"order: mmap with other arguments", other_maps},
    {"order: the fd of a mapping stays", leftover_fds, true},
    {"order: requests out of place", out_of_place, true},
    {"order: the old program plays the new", false_programs, true},
    {"order: sizes past the window", past_the_window},
};

static void make_files(void)
{
    char buf[65536];
    int self = open("/proc/self/exe", O_RDONLY), fd = open(READABLE, O_RDWR | O_CREAT, 0644);
    write(fd, g_readable, sizeof(g_readable));
    mmap(NULL, 4096, 3, MAP_SHARED, fd, 0); /* its bytes are in a memory file from now on */
    close(fd);
    fd = open(SET_ID, O_WRONLY | O_CREAT, 0755);
    for (ssize_t n; (n = read(self, buf, sizeof(buf))) > 0;) {
        write(fd, buf, (size_t)n);
    }
    fchmod(fd, 04755);
    close(fd);
    close(self);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        return 0; /* the new program */
    }
    make_files();
    g_may_hang = true;
    int bad = run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
    if (!readable_is_well()) {
        printf("FAILED: root's readable file was changed\n");
        bad = 1;
    }
    return bad;
}
