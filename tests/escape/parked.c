/*
 * Threads that end and wait for their next life (platform/stub/park.c), when the guest says it in other ways than its stub
 * would: who ends goes on, exits that nobody made, lives that begin elsewhere. A guest thread that the kernel takes for dead
 * must get nothing from it, and no process may stay when the kernel believes that it is gone.
 */
#include "tests/escape/forge.h"

#include <pthread.h>
#include <sys/resource.h>

static struct stub_process *process(void)
{
    return (struct stub_process *)(CHAN_BASE + STUB_PROCESS_OFFSET);
}

static void *nothing(void *arg)
{
    return arg;
}

/* Says that the thread in slot has ended, and waits, without doing either. Context: that thread. */
static void post_exit(int slot, bool ring_for_it)
{
    struct chan *c = channel_of(slot);
    c->nr = SYS_exit;
    c->args[0] = 0;
    c->args[5] = STUB_EXIT_PARKED;
    __atomic_store_n(&c->state, CHAN_REQ, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&process()->exits, 1UL << slot, __ATOMIC_SEQ_CST);
    while (ring_for_it && (c->state & CHAN_STATE_MASK) != CHAN_DONE) {
        GATE(GATE_DOORBELL, slot, 0);
    }
}

/* Asks for a file in the name of slot's thread, and waits for a while. */
static void ask_when_dead(int slot)
{
    struct chan *c = channel_of(slot);
    static const char path[] = "/etc/passwd";
    for (int i = 0; i < 50; i++) {
        c->nr = SYS_openat;
        c->args[0] = (uint64_t)AT_FDCWD;
        c->args[1] = (uint64_t)path;
        c->args[2] = c->args[3] = 0;
        __atomic_store_n(&c->state, CHAN_REQ, __ATOMIC_SEQ_CST);
        GATE(GATE_DOORBELL, slot, 0);
        GATE(GATE_DOORBELL, slot, rnd());
        if ((c->state & CHAN_STATE_MASK) == CHAN_DONE && (long)c->ret >= 0 &&
            c->order == ORDER_RETURN) {
            g_report->got++;
        }
        must_be_refused(GATE(SYS_openat, AT_FDCWD, path, 0), 1);
        must_be_refused(GATE(SYS_clone, SIGCHLD), 2);
        must_be_refused(GATE(SYS_kill, 1, 0), 3);
    }
}

static void *goes_on(void *arg)
{
    ignore_kicks();
    post_exit(1, arg != NULL);
    g_report->parked = 1;
    if (arg) {
        ask_when_dead(1);
    }
    for (;;) {
        g_report->children++;
    }
    return arg;
}
static void leave_one_that_goes_on(void)
{
    pthread_t t;
    pthread_create(&t, NULL, goes_on, (void *)(long)(g_variant & 1));
    while (!g_report->parked) {
        usleep(1000);
    }
    usleep(20000);
    g_report->control = 1;
    switch (g_variant / 2) {
    case 0:
        _exit(0);
    case 1:
        raise(SIGKILL);
        break;
    case 2:
        syscall(SYS_exit, 0);
        break;
    default:
        execl("/bin/true", "true", NULL);
    }
}
static void dead_that_go_on(void)
{
    report_new();
    for (g_variant = 0; g_variant < 8; g_variant++) {
        g_report->parked = 0;
        lawless(leave_one_that_goes_on, 3);
        int before = g_report->children;
        usleep(60000);
        if (g_report->children != before) {
            BREACH("variant %d: a thread of a process that has ended runs on", g_variant);
        }
    }
    verdict("threads that said that they have ended");
}

/* The first thread, too, can be said to wait; and a slot that never was can be said to have an exit. */
static void *others_go_on(void *arg)
{
    pthread_t t;
    void *result;
    usleep(20000);
    for (long i = 0; i < 200; i++) {
        process()->exits = ~0UL;
        if (pthread_create(&t, NULL, nothing, (void *)i) == 0 &&
            (pthread_join(t, &result) != 0 || result != (void *)i)) {
            g_report->got++;
        }
        g_report->rounds++;
    }
    (void)arg;
    GATE(SYS_exit_group, 0);
    return arg;
}
static void first_thread_waits(void)
{
    pthread_t t;
    pthread_create(&t, NULL, others_go_on, NULL);
    post_exit(0, true);
    g_report->control = 1;
    for (;;) {
        GATE(SYS_sched_yield);
    }
}
static void first_threads(void)
{
    report_new();
    lawless(first_thread_waits, 3);
    verdict("a first thread that waits");
}

/* An order to make a child of another kind, carried out in the place of one that waits: two threads in one channel. */
static void clone_over_parked(void)
{
    pthread_t t;
    pthread_create(&t, NULL, nothing, NULL);
    pthread_join(t, NULL);
    usleep(20000); /* its exit has been served */
    if (CONVERSE(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD) != ORDER_CLONE) {
        return;
    }
    struct stub_order_clone o = my_channel()->clone;
    g_report->control = 1;
    for (uint64_t slot = 0; slot < 2; slot++) {
        uint64_t stack = AREA_BASE + AREA_STRUCT - slot * AREA_STRIDE;
        long r = gate(0, SYS_clone, o.flags, stack, 0, o.child_tid, o.tls, 0);
        if (r == 0) {
            GATE(SYS_exit_group, 0);
        }
        must_be_refused(r, (long)slot);
    }
}
static void places_of_others(void)
{
    report_new();
    lawless(clone_over_parked, 3);
    verdict("the place of a thread that waits");
}

/* Orders, times and exits are overwritten all the time while threads come and go: only this process may suffer. */
static volatile bool g_stop;
static void *spoiler(void *arg)
{
    while (!g_stop) {
        struct chan *c = channel_of((int)(rnd() % 6));
        switch (rnd() % 6) {
        case 0:
            c->clone.parked = (uint32_t)rnd();
            break;
        case 1:
            c->cpu_start_ns = rnd();
            break;
        case 2:
            process()->exits = rnd();
            break;
        case 3:
            c->host_tid = rnd() % 2 ? (uint32_t)rnd() : 1;
            break;
        case 4:
            c->args[5] = STUB_EXIT_PARKED;
            break;
        default:
            c->state = rnd() % 4;
        }
        g_report->rounds++;
    }
    return arg;
}
static void spoilt_lives(void)
{
    pthread_t s, t;
    struct timespec now_;
    struct rusage usage;
    pthread_create(&s, NULL, spoiler, NULL);
    g_report->control = 1;
    for (int i = 0; i < 500; i++) {
        if (pthread_create(&t, NULL, nothing, NULL) == 0) {
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now_);
            getrusage(RUSAGE_THREAD, &usage);
            pthread_join(t, NULL);
        }
    }
    GATE(SYS_exit_group, 0);
}
static void spoilt_words(void)
{
    report_new();
    for (int i = 0; i < 4; i++) {
        lawless(spoilt_lives, 2);
    }
    NOTE("%d words spoilt\n", g_report->rounds);
    verdict("spoilt words");
}

/* --- slots of threads that were told to end, and killed before they could --- */

#define ENDING 60
static volatile int g_at_end;

static int ends_with_a_lock(void *arg)
{
    static uint64_t robust[3] = {0, 0, 8}; /* who has such a list is not kept for another life */
    syscall(SYS_set_robust_list, robust, sizeof(robust));
    __atomic_fetch_add(&g_at_end, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_exit, 0);
    return 0;
}

/* A process that shares its parent's memory, and ends while its threads do. */
static int ends_amid_threads(void *stacks)
{
    for (int i = 1; i <= ENDING; i++) {
        clone(ends_with_a_lock, (char *)stacks + i * 16384,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, 0);
    }
    while (g_at_end < ENDING) {
    }
    syscall(SYS_exit_group, 7);
    return 0;
}

static int slots_in_use(void)
{
    int n = 0;
    for (int i = 0; i < SLOT_COUNT / 64; i++) {
        n += __builtin_popcountl(((volatile uint64_t *)STUB_HOT)[i]);
    }
    return n;
}

static void slots_of_the_killed(void)
{
    static char own[65536] __attribute__((aligned(64)));
    char *stacks = mmap(NULL, (ENDING + 1) * 16384, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int before = slots_in_use();
    for (int i = 0; i < 200; i++) {
        int status;
        g_at_end = 0;
        pid_t pid = clone(ends_amid_threads, own + sizeof(own), CLONE_VM | SIGCHLD, stacks);
        if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status != 7 << 8) {
            BREACH("round %d: %d, status %#x", i, pid, status);
        }
    }
    for (double end = now() + 5; slots_in_use() > before + 8 && now() < end;) {
        pthread_t thread; /* to make one is to look for the dead */
        pthread_create(&thread, NULL, nothing, NULL);
        pthread_join(thread, NULL);
    }
    NOTE("%d slots in use, then %d\n", before, slots_in_use());
    if (slots_in_use() > before + 8) {
        BREACH("%d slots are lost", slots_in_use() - before);
    }
}

static const struct attack g_attacks[] = {
    {"parked: slots of the killed", slots_of_the_killed},
    {"parked: the dead go on", dead_that_go_on},
    {"parked: the first thread waits", first_threads},
    {"parked: another child in its place", places_of_others},
    {"parked: spoilt words", spoilt_words},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
