/*
 * What the host's filter lets through at the gate without asking anybody, with the worst arguments there are: advice,
 * maps, barriers, closed fds, futexes of others, words that the host clears, sheer numbers. What must happen: a guest
 * reaches its own memory and its own threads, and nothing that others sleep on or read.
 */
#include "tests/escape/escape.h"

#include <linux/futex.h>

static char g_page[8192] __attribute__((aligned(4096)));

static void every_advice(void)
{
    static const uint64_t at[] = {STUB_TEXT, STUB_TEXT + 0x1000,        STUB_DATA, STUB_RO,
                                  CHAN_BASE, CHAN_BASE + WINDOW_OFFSET, AREA_BASE};
    const uint64_t iov[2] = {STUB_TEXT, 4096};
    for (int advice = 0; advice < 120; advice++) {
        for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
            GATE_MUST_FAIL(SYS_madvise, at[i], 4096, advice);
        }
        GATE_MUST_FAIL(SYS_madvise, STUB_TEXT - 4096, 8192, advice);
        GATE_MUST_FAIL(SYS_madvise, 0x100000000, 0x700000000000, advice);
        GATE_MUST_FAIL(SYS_process_madvise, -1, iov, 1, advice, 0);
        if (advice == 9 || advice == 12 || advice >= 100) { /* REMOVE, MERGEABLE, HWPOISON */
            GATE_MUST_FAIL(SYS_madvise, g_page, 4096, advice);
        }
    }
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        GATE_MUST_FAIL(SYS_mlock2, at[i], 4096, 1);
        GATE_MUST_FAIL(SYS_munlock, at[i], 4096);
        GATE_MUST_FAIL(SYS_msync, at[i], 4096, 2);
        GATE_MUST_FAIL(SYS_mincore, at[i], 4096, g_page);
        GATE_MUST_FAIL(SYS_msync, at[i] - 0x100000000, 0x200000000, 1);
        GATE_MUST_FAIL(SYS_mbind, at[i], 4096, 2, g_page, 8, 2);
        GATE_MUST_FAIL(SYS_move_pages, 0, 1, at, 0, g_page, 0);
    }
}

/* What the host writes for a guest, it writes where the guest could. */
static void told_into_the_stub(void)
{
    GATE_MUST_FAIL(SYS_mincore, g_page, 4096, STUB_TEXT);
    GATE_MUST_FAIL(SYS_mincore, g_page, 4096, STUB_RO);
    GATE_MUST_FAIL(SYS_getrusage, 0, STUB_RO);
    GATE_MUST_FAIL(SYS_clock_gettime, 1, STUB_RO);
    GATE_MUST_FAIL(SYS_getrandom, STUB_RO, 8, 0);
}

/* Flags that need a decision, at addresses of one's own and of the slice. */
static void every_mmap_flag(void)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        for (int type = 1; type <= 3; type++) {
            uint64_t flags = (uint64_t)type | MAP_ANONYMOUS | 1UL << bit;
            GATE_MUST_FAIL(SYS_mmap, STUB_TEXT, 4096, 7, flags | MAP_FIXED, -1, 0);
            GATE_MUST_FAIL(SYS_mmap, STUB_RO, 4096, 3, flags | MAP_FIXED, -1, 0);
            GATE_MUST_FAIL(SYS_mmap, STUB_TEXT + 0x400000, 4096, 3, flags, -1, 0);
            GATE_MUST_FAIL(SYS_mmap, STUB_TEXT - 4096, 8192, 3, flags | MAP_FIXED, -1, 0);
        }
    }
    GATE_MUST_FAIL(SYS_mmap, 0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    GATE_MUST_FAIL(SYS_mmap, 0, 2 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    GATE_MUST_FAIL(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    GATE_MUST_FAIL(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    GATE_MUST_FAIL(SYS_mprotect, g_page, 4096, 3 | PROT_GROWSDOWN);
}

/* When all else is taken the host would give holes of the slice. Whatever it gives, nothing there may be replaced. */
static void fill_the_address_space(void)
{
    uint32_t ro_before = ((volatile struct stub_ro *)STUB_RO)->patch;
    for (uint64_t size = 1UL << 46; size >= 1UL << 20; size >>= 1) {
        while (mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) !=
               MAP_FAILED) {
        }
    }
    unsigned in_slice = 0;
    for (int i = 0; i < 5000; i++) {
        long at = GATE(SYS_mmap, 0, 0x100000, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at < 0) {
            break;
        }
        in_slice += at >> 32 == SLICE_HI;
    }
    NOTE("%u MiB in holes of the slice\n", in_slice);
    if (stub()->magic != STUB_MAGIC || ((volatile struct stub_ro *)STUB_RO)->patch != ro_before) {
        BREACH("the slice was replaced");
    }
    if (getppid() <= 0 || healthy()) {
        _exit(0); /* no memory left for a healthy process, or still some: both are fine */
    }
}

/* Its own cpuids fault: it may do that to itself, and to nobody whom it starts. Nothing else of arch_prctl. */
static void cpuid_of_ones_own(void)
{
    uint32_t a, b, c, d;
    for (uint64_t option = 0x1000; option < 0x5010; option++) {
        if (option != 0x1012 /* ARCH_SET_CPUID */) {
            GATE_MUST_FAIL(SYS_arch_prctl, option, g_page);
        }
    }
    GATE_MUST_FAIL(SYS_arch_prctl, 0x1012 | 1UL << 40 | 1, 0);
    for (int i = 0; i < 20; i++) {
        int status;
        GATE(SYS_arch_prctl, 0x1012, 0);
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/true", "true", NULL);
            _exit(0);
        }
        if (!wait_until(pid, &status, now() + 5) || status != 0) {
            BREACH("a program that it started ended with %#x", status);
        }
    }
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(0), "2"(0));
    GATE(SYS_arch_prctl, 0x1012, 1);
}

/* The files that it keeps are read at the gate, and nothing else is; into memory that it could write itself. */
static void read_at_the_gate(void)
{
    char buf[64];
    for (uint64_t fd = 0; fd < 2 * STUB_FD_GIVEN; fd++) {
        bool kept = fd - STUB_FD_KEPT < STUB_KEPT_MAX;
        if (!kept) {
            GATE_MUST_FAIL(SYS_pread64, fd, buf, sizeof(buf), 0);
        } else if (GATE(SYS_pread64, fd, buf, sizeof(buf), 0) > 0) {
            GATE_MUST_FAIL(SYS_pread64, fd, STUB_TEXT, sizeof(buf), 0);
            GATE_MUST_FAIL(SYS_pread64, fd, STUB_RO, sizeof(buf), 0);
            GATE_MUST_FAIL(SYS_read, fd, buf, sizeof(buf));
            GATE_MUST_FAIL(SYS_pwrite64, fd, buf, sizeof(buf), 0);
            GATE_MUST_FAIL(SYS_lseek, fd, 0, 0);
        }
    }
}

static void membarriers(void)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned command = 1U << bit;
        for (unsigned flags = 0; flags < 4; flags++) {
            long r = GATE(SYS_membarrier, command, flags, 0);
            if (r >= 0 &&
                (flags & 1 || command == 1 || command == 2 || command == 4 || command >= 128)) {
                BREACH("membarrier(%#x, %u): %ld", command, flags,
                       r); /* the ones that reach others */
            }
        }
    }
}

/* Every fd that the stub may have for a moment is closed under its feet, while calls need them. */
static volatile bool g_stop;
static void *closer(void *arg)
{
    while (!g_stop) {
        for (uint64_t fd = 0; fd < 16; fd++) {
            GATE(SYS_close, fd);
            GATE(SYS_close, STUB_FD_MAP + fd);
            GATE(SYS_close, STUB_FD_GIVEN + fd);
        }
    }
    return arg;
}
static void close_everything(void)
{
    pthread_t t;
    static const uint64_t odd[] = {~0UL, 1UL << 31, 1UL << 32, 0xffffffff00000005, 1 << 20, 4096};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        GATE(SYS_close, odd[i]);
    }
    pthread_create(&t, NULL, closer, NULL);
    for (double end = now() + 0.5; now() < end;) {
        int fd = open("/proc/self/exe", O_RDONLY);
        void *m = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
        if (m != MAP_FAILED && memcmp(m, "\177ELF", 4)) {
            BREACH("another file was mapped");
        }
        munmap(m, 8192);
        close(fd);
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/true", "true", NULL);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    g_stop = true;
    pthread_join(t, NULL);
}

/* Sleepers of all guests wait on words of the read-only page: woken for nothing, and told to sleep elsewhere. */
static void *waker(void *arg)
{
    static uint32_t own;
    uint32_t *ro = ((struct stub_ro *)STUB_RO)->wake;
    for (uint64_t i = 0; !g_stop; i++) {
        uint32_t *word = ro + i % 256;
        GATE(SYS_futex, word, FUTEX_WAKE, 1000);
        GATE_MUST_FAIL(SYS_futex, word, FUTEX_REQUEUE, 0, 1000, &own, 0);
        GATE_MUST_FAIL(SYS_futex, word, FUTEX_CMP_REQUEUE, 0, 1000, &own, *word);
        GATE(SYS_futex, word, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 1000, &own, 0);
        GATE(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_CLOCK_REALTIME, 1000, 0, 0, 1 << (i % 32));
        GATE(SYS_futex, &own, FUTEX_WAKE_OP, 1, 1, word, FUTEX_OP(FUTEX_OP_SET, 1, 0, 0));
    }
    return arg;
}
static void sleepers_of_others(void)
{
    pthread_t t;
    uint32_t before[WAKE_COUNT];
    memcpy(before, ((struct stub_ro *)STUB_RO)->wake, sizeof(before));
    pthread_create(&t, NULL, waker, NULL);
    for (int i = 0; i < 20; i++) { /* processes of ours that sleep, too, and must be woken */
        int p[2], status;
        pipe(p);
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            _exit(read(p[0], &byte, 1) == 1 && byte == 'x' ? 0 : BREACH_STATUS);
        }
        usleep(5000);
        write(p[1], "x", 1);
        if (!wait_until(pid, &status, now() + 5) || status != 0) {
            BREACH("a sleeper was lost (status %#x)", status);
        }
        close(p[0]);
        close(p[1]);
    }
    g_stop = true;
    pthread_join(t, NULL);
}

/* The kernel clears a word of the guest's choice at a thread's end: none of the shared page. */
static void *ends_with_word(void *arg)
{
    GATE(SYS_set_tid_address, arg);
    return NULL;
}
static void clear_words_of_others(void)
{
    volatile struct stub_ro *ro = (volatile struct stub_ro *)STUB_RO;
    const volatile void *at[] = {&ro->patch, &ro->spin_request, (void *)STUB_TEXT,
                                 (void *)0xffffffff81000000};
    uint32_t before = ro->spin_request;
    for (int i = 0; i < 4; i++) {
        pthread_t t;
        pthread_create(&t, NULL, ends_with_word, (void *)at[i]);
        usleep(20000);
    }
    if (ro->spin_request != before || stub()->magic != STUB_MAGIC) {
        BREACH("a word that others read was cleared");
    }
    _exit(0);
}

/* A flood of doorbells and refusals: others are served all the same (the neighbour says so). */
static void flood(void)
{
    for (int i = 0; i < 6; i++) {
        if (fork() == 0) {
            for (double end = now() + 1; now() < end;) {
                for (int k = 0; k < 200; k++) {
                    GATE(GATE_DOORBELL, k, k);
                    GATE(SYS_getpid);
                }
            }
            _exit(0);
        }
    }
    usleep(200000);
    for (int i = 0; i < 5; i++) {
        double start = now();
        if (!healthy() || now() - start > 5) {
            BREACH("others are not served during a flood (%.1f s)", now() - start);
        }
    }
    while (wait(NULL) > 0) {
    }
}

/* Clocks of other processes and of fds, and answers that go where the guest may not write. */
static void clocks_of_others(void)
{
    static const uint64_t closed[] = {STUB_TEXT, STUB_TEXT + 0x1000, STUB_RO, STUB_RO + 4096};
    struct timespec t;
    uint32_t ro_before = ((volatile struct stub_ro *)STUB_RO)->patch;
    if (GATE(SYS_clock_gettime, CLOCK_MONOTONIC, &t) != 0) {
        BREACH("no clock is admitted, so this attack is none");
    }
    for (int pid = 0; pid < 400; pid++) {
        for (unsigned kind = 0; kind < 8; kind++) { /* of a process, a thread, an fd */
            GATE_MUST_FAIL(SYS_clock_gettime, ~(unsigned)pid << 3 | kind, &t);
            GATE_MUST_FAIL(SYS_clock_gettime, 1UL << 40 | (~(unsigned)pid << 3 | kind), &t);
        }
    }
    for (unsigned id = 0; id < 200; id++) {
        if (!(id < 32 && GATE_CLOCKS >> id & 1)) {
            GATE_MUST_FAIL(SYS_clock_gettime, id, &t);
        }
    }
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        for (unsigned id = 0; id < 12; id++) {
            GATE_MUST_FAIL(SYS_clock_gettime, id, closed[i]);
        }
        GATE_MUST_FAIL(SYS_getrandom, closed[i], 16, 0);
        GATE_MUST_FAIL(SYS_getrusage, 0, closed[i]);
    }
    GATE_MUST_FAIL(SYS_getrandom, STUB_TEXT - 4096, 65536, 0);
    GATE_MUST_FAIL(SYS_clock_settime, 0, &t);
    GATE_MUST_FAIL(SYS_clock_adjtime, 0, g_page);
    GATE_MUST_FAIL(SYS_adjtimex, g_page);
    GATE_MUST_FAIL(SYS_settimeofday, &t, 0);
    if (stub()->magic != STUB_MAGIC || ((volatile struct stub_ro *)STUB_RO)->patch != ro_before) {
        BREACH("the slice was written");
    }
}

static const struct attack g_attacks[] = {
    {"allowed: every advice for the slice", every_advice},
    {"allowed: results into the stub", told_into_the_stub},
    {"allowed: every flag of mmap", every_mmap_flag},
    {"allowed: a full address space", fill_the_address_space},
    {"allowed: cpuids that fault", cpuid_of_ones_own},
    {"allowed: reads at the gate", read_at_the_gate},
    {"allowed: barriers that reach others", membarriers},
    {"allowed: fds closed while they are needed", close_everything},
    {"allowed: sleepers of others", sleepers_of_others},
    {"allowed: words cleared at a thread's end", clear_words_of_others},
    {"allowed: clocks of others, and random bytes", clocks_of_others},
    {"allowed: a flood", flood},
};
ATTACKS_MAIN(g_attacks)
