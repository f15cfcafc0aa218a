/*
 * Forged channels: the memory through which a guest speaks to the kernel is the guest's to write, at any time,
 * also while the kernel reads it. At worst the guest loses its own process.
 */
#include "tests/escape/forge.h"

static void states(void)
{
    uint64_t args[6] = {0};
    for (uint32_t state = 0; state < 0x500; state++) {
        if (fork() == 0) {
            alarm(1);
            forge(SYS_getppid, args, state);
            _exit(0);
        }
        while (state % 16 == 15 && wait(NULL) > 0) {
        }
    }
}

static void numbers(void)
{
    static const uint64_t nrs[] = {0x40000,   0x40001, 0x40002,    0x40003,   0x40004,
                                   0x40005,   0x40100, 0x2000,     600,       1UL << 32,
                                   1UL << 63, ~0UL,    0x40000000, 0x7fffffff};
    for (size_t i = 0; i < sizeof(nrs) / sizeof(nrs[0]); i++) {
        for (int k = 0; k < 4; k++) {
            if (fork() == 0) {
                uint64_t args[6] = {0};
                for (int a = 0; a < 6; a++) {
                    static const uint64_t odd[] = {~0UL, 1UL << 40, 0x1f001, STUB_TEXT};
                    args[a] = k == 0 ? (uint64_t)a : odd[(k + a) % 4];
                }
                forge(nrs[i], args, CHAN_REQ | (k & 1 ? CHAN_NO_POLL : 0));
                _exit(0);
            }
        }
        while (wait(NULL) > 0) {
        }
    }
}

/* Sizes of a floating-point state around the window's and the kernel's own limits; hostile registers. */
static void contexts(void)
{
    static const uint64_t sizes[] = {0,    1,    511,     512,     4096,      8191,
                                     8192, 8193, 0x1f000, 0x1f001, 1UL << 32, ~0UL};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int kind = 0; kind < 4; kind++) {
            if (fork() == 0) {
                uint64_t args[6] = {sizes[i], SIGSEGV, 0x80, ~0UL, 13, 0};
                struct chan *c = my_channel();
                for (int r = 0; r < REG_COUNT_; r++) {
                    c->regs[r] = rnd() << (rnd() % 64);
                }
                memset((char *)c + WINDOW_OFFSET, 0xff, 16384);
                signal(SIGSEGV, SIG_DFL);
                forge(kind == 0   ? STUB_REQ_CONTEXT
                      : kind == 1 ? STUB_REQ_FAULT
                      : kind == 2 ? STUB_REQ_BAD_FRAME
                                  : SYS_rt_sigreturn,
                      args, CHAN_REQ);
                _exit(0);
            }
        }
        while (wait(NULL) > 0) {
        }
    }
}

/* A fault that the guest invents, with signal numbers and codes of its choice. */
static void faults(void)
{
    for (long sig = -3; sig < 70; sig++) {
        if (fork() == 0) {
            uint64_t args[6] = {512, (uint64_t)sig, rnd(), rnd(), rnd(), rnd()};
            forge(STUB_REQ_FAULT, args, CHAN_REQ);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
}

static void misled(void)
{
    struct chan *c = my_channel();
    c->order = (uint32_t)rnd() % (rnd() & 1 ? ORDER_LAST + 2 : UINT32_MAX);
    c->wake_id = (uint32_t)rnd(); /* it may well sleep where nobody wakes it */
    c->ret = rnd();
    for (int k = 0; k < 6; k++) {
        c->reply_args[k] = rnd();
    }
    getppid();
}
static void orders(void)
{
    for (uint32_t i = 0; i < 100; i++) {
        rnd();
        expendable_for(misled, 0.1);
    }
}

/*
 * What lets a thread run its handlers by itself: handlers, stacks, masks and ids of the attacker's choice, for signals that it
 * sends, for faults and for returns. The ids are another process's: that must not feel anything.
 */
static void on_own(int sig)
{
    struct chan *c = my_channel();
    if (rnd() % 4 == 0) {
        c->altstack[rnd() % 3] = rnd() >> (rnd() % 64);
    }
    if (sig == SIGSEGV || rnd() % 4 == 0) {
        _exit(0);
    }
}
static void spoil_own(struct chan *c, uint32_t victim)
{
    static const uint64_t at[] = {
        STUB_TEXT, STUB_RO, CHAN_BASE, AREA_BASE, 0xffffffff81000000UL, 0x800000000000UL, 0, 3};
    struct stub_action *a = &c->actions[(rnd() & 1 ? SIGUSR1 : SIGSEGV) - 1];
    switch (rnd() % 6) {
    case 0:
        a->handler = at[rnd() % 8];
        break;
    case 1:
        a->flags = rnd();
        a->restorer = at[rnd() % 8];
        break;
    case 2:
        c->altstack[0] = at[rnd() % 8];
        c->altstack[1] = 0;
        c->altstack[2] = rnd() >> (rnd() % 64);
        break;
    case 3:
        c->handlers = ~0UL;
        c->sigmask = rnd();
        break;
    case 4:
        c->self_pid = c->self_tid = victim;
        c->self_uid = 0;
        kill((pid_t)victim, SIGUSR1);
        break;
    default:
        a->mask = ~0UL;
        c->ask = (uint32_t)rnd();
        break;
    }
}
static void own_signals(void)
{
    pid_t victim = fork();
    if (victim == 0) {
        signal(SIGUSR1, SIG_IGN);
        for (;;) {
            pause();
        }
    }
    for (int i = 0; i < 80; i++) {
        if (fork() == 0) {
            alarm(2);
            g_random ^= (uint64_t)i * 0x9e3779b97f4a7c15UL;
            signal(SIGUSR1, on_own);
            signal(SIGSEGV, on_own);
            for (int k = 0; k < 20; k++) {
                raise(SIGUSR1);
                spoil_own(my_channel(), (uint32_t)victim);
            }
            *(volatile int *)8 = 1;
        }
        if (i % 8 == 7 && waitpid(victim, NULL, WNOHANG) != 0) {
            BREACH("a process died of another's channel");
        }
    }
    kill(victim, SIGKILL);
    while (wait(NULL) > 0) {
    }
}

static void garbage(void)
{
    for (int i = 0; i < 300; i++) {
        if (fork() == 0) {
            alarm(2);
            g_random ^= (uint64_t)i * 0x9e3779b97f4a7c15UL;
            for (int k = 0; k < 10; k++) {
                uint8_t *p = (uint8_t *)my_channel();
                for (int n = 0; n < 300; n++) {
                    p[rnd() % (n & 1 ? 512 : CHAN_STRIDE)] = (uint8_t)rnd();
                }
                rnd() & 1 ? ring() : (void)syscall(SYS_getppid);
            }
            _exit(0);
        }
        while (i % 20 == 19 && wait(NULL) > 0) {
        }
    }
}

static volatile bool g_stop;
/* Changes the first thread's request while the kernel reads it. */
static void *racer(void *arg)
{
    struct chan *c = my_channel();
    uint64_t n = (uint64_t)arg;
    g_random ^= n * 77777777777UL;
    while (!g_stop) {
        uint64_t *words = (uint64_t *)c;
        uint64_t at = rnd() % (sizeof(*c) / 8), old = words[at];
        if (n == 0 && at == 0) {
            continue; /* the state word stays: more calls get through */
        }
        words[at] = rnd() & 1 ? rnd() : rnd() % 400;
        __builtin_ia32_pause();
        words[at] = old;
    }
    return NULL;
}
static void race(uint64_t kind)
{
    pthread_t t;
    int status;
    for (int i = 0; i < 6; i++) {
        if (fork() == 0) {
            alarm(3);
            pthread_create(&t, NULL, racer, (void *)kind);
            double end = now() + 0.4;
            char buf[100];
            for (int k = 0; k % 64 || now() < end; k++) {
                int fd = open("/etc/passwd", O_RDONLY);
                pread(fd, buf, sizeof(buf), 0);
                munmap(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0), 8192);
                close(fd);
                getppid();
            }
            _exit(0);
        }
        wait(&status);
    }
}
static void race_request(void)
{
    race(0);
}
static void race_all(void)
{
    race(1);
}

/* The same against clone: other flags and slots than were ordered. */
static void *clone_racer(void *arg)
{
    static const uint64_t flags[] = {CLONE_NEWUSER | SIGCHLD,
                                     CLONE_VM | SIGCHLD,
                                     CLONE_FILES | SIGCHLD,
                                     SIGCHLD,
                                     CLONE_PARENT | SIGCHLD | CLONE_VM | CLONE_VFORK,
                                     CLONE_UNTRACED};
    struct chan *c = my_channel();
    for (unsigned i = 0; !g_stop; i++) {
        c->clone.flags = flags[i % 6];
        c->clone.nonce = (uint32_t)i;
        c->order = i % 3 ? ORDER_CLONE : c->order;
        __builtin_ia32_pause();
    }
    return arg;
}
static void race_clone(void)
{
    pthread_t t;
    for (int i = 0; i < 6; i++) {
        if (fork() == 0) {
            alarm(3);
            pthread_create(&t, NULL, clone_racer, NULL);
            for (int k = 0; k < 60; k++) {
                if (fork() == 0) {
                    struct stat st;
                    _exit(stat("/proc/self/ns/user", &st));
                }
                waitpid(-1, NULL, WNOHANG);
            }
            _exit(0);
        }
        wait(NULL);
    }
}

/*
 * A child that was ordered, but never says that it lives, while its parent denies it: nobody knows it. It may
 * look on at what it shared with its parent, but must not see the channel of whoever comes next.
 */
static const char g_magic[] = "said-by-the-next-guest";
static void unknown_child(void)
{
    volatile long *shared = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t parent = fork();
    if (parent == 0) {
        struct chan *c = my_channel();
        converse(SYS_clone, (uint64_t[6]){SIGCHLD});
        long r = gate(0, SYS_clone, c->clone.flags, 0, 0, c->clone.child_tid, c->clone.tls, 0);
        if (r == 0) {
            for (int i = 0; i < 4000; i++) {
                shared[1]++;
                for (char *p = (char *)CHAN_BASE; p < (char *)CHAN_BASE + CHAN_STRIDE; p += 64) {
                    shared[0] += memcmp(p, g_magic, sizeof(g_magic)) == 0;
                }
            }
            gate(0, SYS_exit, 0, 0, 0, 0, 0, 0);
        }
        converse(STUB_REQ_RESULT, (uint64_t[6]){(uint64_t)-EAGAIN});
        gate(0, SYS_exit_group, 0, 0, 0, 0, 0, 0);
    }
    if (!wait_until(parent, &status, now() + 5)) {
        kill(parent, SIGKILL);
        waitpid(parent, &status, 0);
    }
    long before = shared[1];
    for (int i = 0; i < 10; i++) {
        if (fork() == 0) {
            for (char *p = (char *)CHAN_BASE + WINDOW_OFFSET + 8192; p < (char *)CHAN_BASE + 60000;
                 p += 64) {
                memcpy(p, g_magic, sizeof(g_magic));
            }
            usleep(20000);
            _exit(0);
        }
        wait(NULL);
    }
    NOTE("the unknown child looked %ld times, %ld of them after its parent's end\n", shared[1],
         shared[1] - before);
    if (shared[0]) {
        BREACH("another guest's channel was seen");
    }
}

/* Requests in the name of a thread that waits already. */
static int g_pipe[2];
static void *parked(void *arg)
{
    char c;
    read(g_pipe[0], &c, 1);
    return arg;
}
static void request_while_parked(void)
{
    pthread_t t[4];
    pipe(g_pipe);
    for (int i = 0; i < 4; i++) {
        pthread_create(&t[i], NULL, parked, NULL);
    }
    usleep(50000);
    for (int slot = 1; slot < 5; slot++) {
        struct chan *c = channel_of(slot);
        for (uint32_t state = 0; state < 5; state++) {
            c->nr = SYS_getppid;
            c->order = ORDER_RETURN;
            __atomic_store_n(&c->state, state, __ATOMIC_SEQ_CST);
            GATE(GATE_DOORBELL, slot, 0);
            getppid();
            usleep(1000);
        }
    }
    write(g_pipe[1], "abcd", 4);
    for (int i = 0; i < 200 && kill(getpid(), 0) == 0; i++) {
        usleep(500);
    }
}

/* Every thread claims the same slot: one channel for all of them. */
static void same_slot(void)
{
    pthread_t t[4];
    pipe(g_pipe);
    uint64_t *words = (uint64_t *)STUB_DATA;
    for (int i = 0; i < 4; i++) {
        pthread_create(&t[i], NULL, parked, NULL);
        usleep(10000);
        for (int w = 0; w < 64; w++) {
            words[w] = words[w] >> 32 ? words[w]
                                      : words[w] & 1; /* small bitmaps: "slots are free again" */
        }
    }
    write(g_pipe[1], "abcd", 4);
    for (int i = 0; i < 200; i++) {
        getppid();
    }
}

static void do_wipe_stub_data(void)
{
    memset((void *)STUB_DATA, 0xff, 512);
    getppid();
    fork();
    _exit(0);
}
static void do_wipe_area(void)
{
    memset((void *)(AREA_BASE + AREA_STRUCT - 0x2000), 0x41, 0x2600);
    getppid();
    _exit(0);
}
static void do_wipe_channels(void)
{
    for (uint64_t slot = 0; slot < 64; slot++) {
        memset((void *)(CHAN_BASE + slot * CHAN_STRIDE), 0xff, 4096);
    }
    getppid();
    _exit(0);
}
static void wipe_stub_data(void)
{
    expendable(do_wipe_stub_data);
}
static void wipe_area(void)
{
    expendable(do_wipe_area);
}
static void wipe_channels(void)
{
    expendable(do_wipe_channels);
}
static void write_text(void)
{
    *(volatile char *)STUB_TEXT = 1;
    BREACH("the stub's text is writable");
}
static void write_shared_page(void)
{
    *(volatile char *)STUB_RO = 1;
    BREACH("the page that all guests read is writable");
}
static void signal_stack(void)
{
    uint64_t stacks[][3] = {{STUB_RO, 0, 0x5000},
                            {STUB_TEXT, 0, 0x10000},
                            {0xffffffff80000000UL, 0, 0x10000},
                            {0, 0, 0x10000}};
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            GATE(SYS_sigaltstack, stacks[i], 0);
            open("/etc/passwd", O_RDONLY);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
}
static void big_windows(void)
{
    /* buffers that lie in the slice, or run into it: the kernel neither reads nor writes there for a guest */
    static const uint64_t at[] = {STUB_TEXT, STUB_RO,      CHAN_BASE, CHAN_BASE + WINDOW_OFFSET,
                                  AREA_BASE, STUB_TEXT - 8};
    int fd = open("/dev/zero", O_RDWR);
    uint32_t before = *(volatile uint32_t *)STUB_RO;
    for (int i = 0; i < 6; i++) {
        if (read(fd, (void *)at[i], 0x2000) > (i == 5 ? 8 : 0)) {
            BREACH("read into %#lx", at[i]);
        }
        MUST_FAIL(readlink((char *)at[i], (char *)at[i], 100));
    }
    (void)before;
}

static const struct attack g_attacks[] = {
    {"signals of one's own", own_signals},
    {"every state of the channel", states},
    {"request numbers that are none", numbers},
    {"sizes and registers of contexts", contexts},
    {"invented faults", faults},
    {"orders and wake-ups of one's own", orders},
    {"random channels", garbage},
    {"race with the kernel's reads", race_request},
    {"race with everything", race_all},
    {"race with an ordered clone", race_clone},
    {"a child that nobody knows", unknown_child},
    {"a request while one is parked", request_while_parked},
    {"one slot for all threads", same_slot},
    {"wipe the stub's data", wipe_stub_data},
    {"wipe the thread's area", wipe_area},
    {"wipe all channels", wipe_channels},
    {"write the stub's text", write_text},
    {"write the shared page", write_shared_page},
    {"signal stacks in odd places", signal_stack},
    {"buffers in the slice", big_windows},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
