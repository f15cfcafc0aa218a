/*
 * Births and ends that a guest carries out in another way than it was ordered to: other flags, twice, not at all, in
 * another's name, by a thread that was told to end. What the gate allows then must be exactly what was
 * ordered, and a process must be gone when the kernel believes that it is.
 */
#include "tests/escape/forge.h"

#define SET_ID "/tmp/set-id" /* root's; runs as root */

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
static void altered_thread(void)
{
    static char stack[65536];
    static const uint64_t first = AREA_BASE + AREA_STRUCT; /* of slot 0; the others go down */
    static const uint64_t tops[] = {0,
                                    first,
                                    first + 8,
                                    first - AREA_STRIDE + 8,
                                    first - AREA_STRIDE - 8,
                                    first + AREA_STRIDE,
                                    first - AREA_STRIDE * THREAD_SLOTS,
                                    first - AREA_STRIDE * SLOT_COUNT,
                                    STUB_TEXT,
                                    STUB_RO};
    if (CONVERSE(SYS_clone, THREAD_FLAGS, (uint64_t)(stack + sizeof(stack))) != ORDER_CLONE) {
        return;
    }
    struct stub_order_clone o = my_channel()->clone;
    uint64_t good = first - AREA_STRIDE;
    g_report->control = 1;
    for (unsigned bit = 0; bit < 64; bit++) {
        must_be_refused(clone_at_gate(o.flags ^ 1UL << bit, good, 0, o.child_tid, o.tls),
                        (long)bit);
        must_be_refused(clone_at_gate(o.flags, good, 1UL << bit, o.child_tid, o.tls), (long)bit);
        must_be_refused(clone_at_gate(o.flags, good, 0, o.child_tid ^ 1UL << bit, o.tls),
                        (long)bit);
    }
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) { /* slots in use, and none */
        must_be_refused(clone_at_gate(o.flags, tops[i], 0, o.child_tid, o.tls), (long)i);
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

/* A fork may come as the host call itself, with the request in the channel: this request, and this call. Return: what the gate said. */
static long call_with_request(uint64_t nr, const uint64_t call[5])
{
    struct chan *c = my_channel();
    c->nr = nr;
    memset(c->args, 0, sizeof(c->args));
    c->args[0] = SIGCHLD;
    __atomic_store_n(&c->state, CHAN_REQ | CHAN_NO_POLL, __ATOMIC_SEQ_CST);
    return clone_at_gate(call[0], call[1], call[2], call[3], call[4]);
}
/* The same, refused: what was asked for is ordered in the usual way, and not done. */
static void refused_with_request(const uint64_t call[5], long value)
{
    must_be_refused(call_with_request(SYS_clone, call), value);
    for (int i = 0; i < 2000 && (my_channel()->state & CHAN_STATE_MASK) != CHAN_DONE; i++) {
        GATE(SYS_sched_yield);
    }
    g_report->told += my_channel()->order == ORDER_CLONE;
    CONVERSE(STUB_REQ_RESULT, (uint64_t)-EAGAIN);
}
static void fork_by_itself(void)
{
    const uint64_t good[5] = {CLONE_PARENT | SIGCHLD};
    if (CONVERSE(SYS_clone, SIGCHLD) != ORDER_CLONE || !my_channel()->next_nonce) {
        return;
    }
    CONVERSE(STUB_REQ_RESULT, (uint64_t)-EAGAIN);
    must_be_refused(clone_at_gate(good[0], 0, 0, 0, 0), -1); /* nothing was asked for */
    must_be_refused(call_with_request(SYS_getppid, good), -2);
    must_be_refused(call_with_request(SYS_exit + 1000, good), -3);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (unsigned i = 0; i < 5; i++) {
            uint64_t call[5];
            memcpy(call, good, sizeof(call));
            call[i] ^= 1UL << bit;
            refused_with_request(call, (long)(i << 8 | bit));
        }
    }
    g_report->control = call_with_request(SYS_clone, good) > 0;
    must_be_refused(clone_at_gate(good[0], 0, 0, 0, 0), -4); /* it was one */
    must_be_refused(clone_at_gate(good[0], 0, 0, 0, 0), -5);
}
static void forks_without_order(void)
{
    report_new();
    lawless(fork_by_itself, 8);
    verdict("a fork by the host call itself");
    if (g_report->children > 1 || g_report->told != 5 * 64) {
        BREACH("%d children, %d orders", g_report->children, g_report->told);
    }
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
#define HELLO_TRIES 15
static void bad_hello(void)
{
    struct chan *c = my_channel();
    g_report->control |= CONVERSE(SYS_clone, SIGCHLD) == ORDER_CLONE;
    struct stub_order_clone o = c->clone;
    uint64_t size = CHAN_SIZE;
    if (gate(0, SYS_clone, o.flags, 0, 0, o.child_tid, o.tls, 0) != 0) {
        /* the parent, too, knows the nonce, but is somebody already */
        must_be_refused(GATE(GATE_HELLO, o.nonce), -1);
        GATE(GATE_DOORBELL, 0, o.nonce);
        return;
    }
    const uint64_t tries[HELLO_TRIES][6] = {
        {GATE_HELLO, o.nonce ^ 1},
        {GATE_HELLO, 0},
        {GATE_HELLO, 0, 1, 2, 3, 4},
        {GATE_DOORBELL, 0, o.nonce},
        {GATE_DOORBELL, 0, o.nonce ^ 1},
        {GATE_DOORBELL, 1, o.nonce},
        {SYS_mmap, CHAN_BASE, size, 7, 0x11, STUB_FD_CHAN},
        {SYS_mmap, CHAN_BASE, size / 2, 3, 0x11, STUB_FD_CHAN},
        {SYS_mmap, 0x10000000, size, 3, 0x11, STUB_FD_CHAN},
        {SYS_mmap, STUB_RO, size, 3, 0x11, STUB_FD_CHAN},
        {SYS_mmap, STUB_RO, STUB_RO_SIZE, 3, 0x11, STUB_FD_RO},
        {SYS_mmap, STUB_RO, STUB_RO_SIZE, 1, 0x11, STUB_FD_CHAN},
        {SYS_mmap, STUB_TEXT, 4096, 7, 0x12, STUB_FD_IMAGE},
        {SYS_mmap, STUB_DATA, 4096, 3, 0x12, STUB_FD_IMAGE},
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
    for (g_variant = 0; g_variant < HELLO_TRIES; g_variant++) {
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
/* Another process has a thread that never says who it is, so that it stays on its way for ever. */
static int nameless_thread(void *arg)
{
    for (;;) {
        channel_of(1)->host_tid = 0;
    }
    return arg != NULL;
}
static pid_t nameless(void)
{
    static uint8_t stack[65536] __attribute__((aligned(16)));
    pid_t pid = fork();
    if (pid == 0) {
        clone(nameless_thread, stack + sizeof(stack), THREAD_FLAGS, NULL);
        pause();
    }
    usleep(20000);
    return pid;
}
static void silent_children(void)
{
    report_new();
    pid_t pid = g_variant ? nameless() : 0;
    for (int i = 0; i < 3; i++) {
        lawless(silent_child, 2);
    }
    int before = g_report->children;
    usleep(100000);
    int after = g_report->children;
    if (pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (!g_report->control) {
        BREACH("the order did not come, so this attack is none");
    }
    if (after != before) {
        BREACH("a process that the kernel does not know of runs on");
    }
}
static void silent_beside_nameless(void)
{
    g_variant = 1;
    silent_children();
}

/* Nameless children come and go, while others make children of their own: nobody's child may be taken for dead. */
static void make_nameless(void)
{
    struct chan *c = my_channel();
    for (double end = now() + 1; now() < end;) {
        g_report->control |= CONVERSE(SYS_clone, SIGCHLD) == ORDER_CLONE;
        struct stub_order_clone o = c->clone;
        if (gate(0, SYS_clone, o.flags, 0, 0, o.child_tid, o.tls, 0) == 0) {
            GATE(SYS_exit_group, 0);
        }
        CONVERSE(STUB_REQ_RESULT, (uint64_t)-EAGAIN);
        g_report->rounds++;
    }
}
static void nameless_deaths(void)
{
    int forks = 0;
    report_new();
    pid_t pid = fork();
    if (pid == 0) {
        make_nameless();
        GATE(SYS_exit_group, 0);
    }
    for (double end = now() + 1; now() < end; forks++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            _exit(7);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 7 << 8) {
            BREACH("fork %d: child %d was lost: status %#x, error %d", forks, child, status, errno);
        }
    }
    NOTE("%d forks, %d nameless children\n", forks, g_report->rounds);
    waitpid(pid, NULL, 0);
    verdict("nameless deaths");
}

/* --- threads that were told to end --- */

/* Asks for a read that will wait, in the name of slot 1's thread; comes back when it is told to end. */
static int g_pipe[2];
static void wait_for_the_end(void)
{
    struct chan *c = channel_of(1);
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

/* A new thread says by itself which host task it is. It says that it is somebody else. */
static volatile bool g_stop;
static void *claimer(void *arg)
{
    for (uint32_t i = 0; !g_stop; i++) {
        for (uint64_t slot = 2; slot < 8; slot++) {
            struct chan *c = (struct chan *)(CHAN_BASE + slot * CHAN_STRIDE);
            c->host_tid = i % 400; /* the sentry, the neighbour, our parent are among them */
            c->start_kick = i & 1;
        }
    }
    return arg;
}
static void *short_life(void *arg)
{
    getppid();
    usleep(100);
    return arg;
}
static void claim_numbers(void)
{
    pthread_t claims, t[4];
    pthread_create(&claims, NULL, claimer, NULL);
    g_report->control = 1;
    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < 4; k++) {
            t[k] = 0;
            pthread_create(&t[k], NULL, short_life, NULL);
        }
        kill(getpid(), SIGCONT);
        for (int k = 0; k < 4; k++) {
            if (t[k]) {
                pthread_kill(t[k], SIGWINCH); /* a kick for whoever it says that it is */
                pthread_join(t[k], NULL);
            }
        }
        g_report->rounds++;
    }
}
static void numbers_of_others(void)
{
    report_new();
    for (int i = 0; i < 6; i++) {
        lawless(claim_numbers, 0.2);
    }
    NOTE("%d rounds of four threads\n", g_report->rounds);
    verdict("a thread under another's number");
}

/* --- exec --- */

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
    if (g_report->children & 1) {
        GATE(SYS_close, STUB_FD_IMAGE); /* every other time, nothing is left to chance */
    }
    g_report->value = GATE(SYS_execveat, STUB_FD_IMAGE, stub()->exec_path, stub()->exec_argv,
                           stub()->exec_envp, 0x1000);
    g_report->rounds++; /* still the old program */
    must_be_refused(GATE(SYS_mmap, 0x10000000, CHAN_SIZE, 3, 0x11, STUB_FD_CHAN, 0), 1);
    must_be_refused(GATE(SYS_mmap, CHAN_BASE + CHAN_SIZE, CHAN_SIZE, 3, 0x11, STUB_FD_CHAN, 0), 2);
    must_be_refused(GATE(SYS_munmap, CHAN_BASE, CHAN_SIZE), 3);
    must_be_refused(GATE(SYS_mprotect, CHAN_BASE, CHAN_SIZE, 0), 4);
    GATE(SYS_mmap, CHAN_BASE, CHAN_SIZE, 3, 0x11, STUB_FD_CHAN, 0); /* its own ones: as it likes */
    must_be_refused(GATE(GATE_HELLO, 0, 1, 2, 3, 4, 5), 5);
    if (CONVERSE(STUB_REQ_BOOT, 0) >= 0) {
        g_report->got++;
    }
}
static void false_programs(void)
{
    report_new();
    double end = now() + 4;
    for (int i = 0; (i < 50 || g_report->rounds < 5) && now() < end; i++) {
        lawless(play_the_new_program, 0.3);
    }
    NOTE("%d times the old program went on, of %d; %d %ld\n", g_report->rounds, g_report->children,
         g_report->told, g_report->value);
    verdict("the old program in place of the new one");
}

static const struct attack g_attacks[] = {
    {"order: clone with other arguments", other_clones},
    {"order: a fork by the host call itself", forks_without_order},
    {"order: one clone, many children", one_order_many_clones},
    {"order: a forged hello", forged_hello},
    {"order: a silent child stays", silent_children},
    {"order: ... while a thread has no name", silent_beside_nameless},
    {"order: nameless deaths while others fork", nameless_deaths},
    {"order: a thread ignores its end", surviving_threads},
    {"order: a thread under another's number", numbers_of_others, true},
    {"order: the old program plays the new", false_programs, true},
};

static void make_set_id(void)
{
    char buf[65536];
    int self = open("/proc/self/exe", O_RDONLY), fd = open(SET_ID, O_WRONLY | O_CREAT, 0755);
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
    make_set_id();
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
