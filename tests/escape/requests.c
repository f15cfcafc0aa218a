/*
 * Requests out of place, and replies that are used for something else: memory calls with other arguments than ordered, fds
 * that were given for one mapping, answers of which the guest makes its own, sizes past the window. What must
 * happen: the very thing that was ordered, or nothing; an ordinary user stays one.
 */
#include "tests/escape/forge.h"

#define READABLE "/tmp/readable" /* root's; everybody may read it */
static const char g_readable[] = "written by root, for all to read";

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
            if (STUB_FD_IS_MAPPABLE(b[4])) {
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
        if (!STUB_FD_IS_MAPPABLE(n)) {
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
                 1 << ORDER_EXEC | 1 << ORDER_SIGNAL | 1 << ORDER_CONTEXT;
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
    static char buf[1 << 20];
    uint8_t *next = (uint8_t *)(CHAN_BASE + CHAN_STRIDE); /* the window ends there */
    struct chan *c = my_channel();
    int fd = open("/dev/zero", O_RDWR); /* as many bytes as one likes, and never leased */
    memset(next, 0x77, 4096);
    static const uint16_t calls[] = {
        SYS_read, SYS_write,   SYS_openat,     SYS_readlink, SYS_getcwd,     SYS_uname,  SYS_stat,
        SYS_poll, SYS_pread64, SYS_getdents64, SYS_sysinfo,  SYS_newfstatat, SYS_execve, SYS_prctl};
    const char *const no_program = "/tmp/no-program"; /* its arguments are looked at first */
    close(open(no_program, O_CREAT | O_WRONLY, 0755));
    for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
        for (unsigned i = 0; i < 128; i++) {
            for (unsigned n = 0; n < 6; n++) {
                c->copy_size[n] = sizes[(i >> (n % 3)) % 8];
                c->copy_filled[n] = 0xffffffff;
            }
            uint64_t path = (uint64_t) "/proc/self/exe";
            c->nr = calls[k];
            c->args[0] = calls[k] == SYS_readlink || calls[k] == SYS_stat  ? path
                         : calls[k] == SYS_execve                          ? (uint64_t)no_program
                         : calls[k] == SYS_prctl                           ? 16 /* PR_GET_NAME */
                         : calls[k] == SYS_getcwd || calls[k] == SYS_uname ? (uint64_t)buf
                                                                           : (uint64_t)fd;
            c->args[1] =
                calls[k] == SYS_openat || calls[k] == SYS_newfstatat ? path : (uint64_t)buf;
            c->args[2] = i & 1 ? 4096 : sizeof(buf);
            if (calls[k] == SYS_execve) {
                c->args[2] = (uint64_t)buf;
                memset((uint8_t *)c + WINDOW_OFFSET, i & 1 ? 'x' : 0,
                       i * 900); /* no end, or only ends */
                memcpy((uint8_t *)c + WINDOW_OFFSET, no_program, strlen(no_program) + 1);
            }
            c->args[3] = 0;
            uint32_t sizes_said = i < 64 ? CHAN_SIZES : 0; /* else the arguments say them */
            __atomic_store_n(&c->state, CHAN_REQ | CHAN_NO_POLL | CHAN_COPY | sizes_said,
                             __ATOMIC_SEQ_CST);
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
    {"request: mmap with other arguments", other_maps},
    {"request: the fd of a mapping stays", leftover_fds, true},
    {"request: out of place", out_of_place, true},
    {"request: sizes past the window", past_the_window},
};

static void make_readable(void)
{
    int fd = open(READABLE, O_RDWR | O_CREAT, 0644);
    write(fd, g_readable, sizeof(g_readable));
    mmap(NULL, 4096, 3, MAP_SHARED, fd, 0); /* its bytes are in a memory file from now on */
    close(fd);
}

int main(void)
{
    make_readable();
    g_may_hang = true;
    int bad = run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
    if (!readable_is_well()) {
        printf("FAILED: root's readable file was changed\n");
        bad = 1;
    }
    return bad;
}
