/*
 * Forged signal frames, given to the kernel's sigreturn and, at the gate, to the host's: selectors,
 * flags, addresses that no user may have, and floating-point states that lie about themselves.
 */
#include "tests/escape/escape.h"

#include <ucontext.h>

struct frame {
    uint64_t flags;
    void *link;
    uint64_t stack[3];
    uint64_t regs[REG_COUNT_];
    uint16_t cs, gs, fs, ss;
    uint64_t error, trapno, oldmask, cr2;
    uint64_t fpstate;
    uint64_t reserved[8];
    uint64_t mask;
};

static uint8_t g_fp[16384] __attribute__((aligned(64)));
static char g_stack[65536] __attribute__((aligned(64)));

static void landed(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpop %0" : "=r"(flags));
    uint16_t cs;
    __asm__ volatile("mov %%cs, %0" : "=r"(cs));
    if ((flags & 0x3000) || (cs & 3) != 3) {
        BREACH("privileged: flags %#lx, cs %#x", flags, cs);
    }
    _exit(0);
}

static struct frame sane(void)
{
    struct frame f = {.flags = 7, .cs = 0x33, .ss = 0x2b};
    f.regs[REG_RIP_] = (uint64_t)landed;
    f.regs[REG_RSP_] = (uint64_t)(g_stack + sizeof(g_stack) - 1024 - 8);
    f.regs[REG_EFLAGS_] = 0x202;
    return f;
}

/* rsp points behind the frame's return address, as after a handler's ret. */
static void sigreturn_with(const struct frame *f, bool at_gate)
{
    static struct frame copy;
    copy = *f;
    uint64_t target = at_gate ? stub()->gate_ips[0] - 2 : 0;
    if (at_gate) {
        __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tjmp *%1" ::"r"(&copy), "r"(target)
                         : "memory");
    } else {
        __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\tud2" ::"r"(&copy)
                         : "memory");
    }
    __builtin_unreachable();
}

static bool g_gate;
static void each(const struct frame *f)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        sigreturn_with(f, g_gate);
    }
    if (!wait_until(pid, &status, now() + 3)) {
        kill(pid, SIGKILL);
        if (!wait_until(pid, &status, now() + 5)) {
            BREACH("a process can't be killed");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}

static void selectors(void)
{
    static const uint16_t values[] = {0,    3,    8,    0x10, 0x13, 0x18, 0x23, 0x28,  0x2b,
                                      0x30, 0x33, 0x40, 0x43, 0x7b, 0x7,  0xf,  0xffff};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct frame f = sane();
        f.cs = values[i];
        each(&f);
        f = sane();
        f.ss = values[i];
        each(&f);
        f.flags = 0;
        each(&f);
        f = sane();
        f.fs = f.gs = values[i];
        each(&f);
    }
}
static void eflags(void)
{
    for (int bit = 0; bit < 64; bit++) {
        struct frame f = sane();
        f.regs[REG_EFLAGS_] |= 1UL << bit;
        each(&f);
    }
    struct frame f = sane();
    f.regs[REG_EFLAGS_] = ~0UL;
    each(&f);
}
static void addresses(void)
{
    static const uint64_t at[] = {0,
                                  0xffffffff81000000UL,
                                  0x8000000000000000UL,
                                  0x7ffffffff000UL,
                                  0x7fffffffffffUL,
                                  0x800000000000UL,
                                  0xffff800000000000UL,
                                  STUB_TEXT,
                                  STUB_RO,
                                  AREA_BASE,
                                  1};
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        struct frame f = sane();
        f.regs[REG_RIP_] = at[i];
        each(&f);
        f = sane();
        f.regs[REG_RSP_] = at[i];
        each(&f);
        f = sane();
        f.stack[0] = at[i];
        f.stack[2] = 1 << 20;
        each(&f);
        f = sane();
        f.fpstate = at[i];
        each(&f);
        f.fpstate = (uint64_t)g_fp + i;
        each(&f);
    }
}
static void fpstates(void)
{
    for (int i = 0; i < 60; i++) {
        struct frame f = sane();
        for (size_t k = 0; k < sizeof(g_fp); k++) {
            g_fp[k] = i < 20 ? 0xff : (uint8_t)rnd();
        }
        f.fpstate = (uint64_t)g_fp;
        uint32_t *sw = (uint32_t *)(g_fp + 464);
        sw[0] = 0x46505853;
        sw[1] = i % 3 == 0 ? 0xffffffff : i % 3 == 1 ? 2696 : (uint32_t)(rnd() % 9000);
        sw[2] = i & 1 ? ~0U : 7;
        sw[3] = i & 2 ? ~0U : 0;
        sw[4] = i & 4 ? 0xffffffff : sw[1] - 4;
        *(uint32_t *)(g_fp + sw[1] % 8192) = 0x46505845;
        if (i & 8) {
            memset(g_fp + 512, 0, 64);
            g_fp[512] = 7;
            g_fp[520] = (uint8_t)rnd(); /* xcomp_bv */
        }
        if (i & 16) {
            *(uint32_t *)(g_fp + 24) = 0x0000ffbf; /* MXCSR that is allowed */
        }
        each(&f);
    }
}
static void masks(void)
{
    struct frame f = sane();
    f.mask = ~0UL; /* SIGSYS and the kick among them: the next call is the last */
    each(&f);
}
static void edges(void)
{
    /* a frame that ends in unmapped memory, and none at all */
    char *p = mmap(NULL, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 4096, 4096);
    for (int at = 0; at <= 4096; at += 64) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            if (g_gate) {
                __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tjmp *%1" ::"r"(p + at),
                                 "r"(stub()->gate_ips[0] - 2));
            }
            __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\tud2" ::"r"(p + at));
        }
        waitpid(pid, &status, 0);
    }
}

#define BOTH(name)                                                                                 \
    static void name##_at_gate(void)                                                               \
    {                                                                                              \
        g_gate = true;                                                                             \
        name();                                                                                    \
    }
BOTH(selectors)
BOTH(eflags)
BOTH(addresses)
BOTH(fpstates)
BOTH(masks)
BOTH(edges)

/* Frames that are changed by another thread while the kernel writes and reads them. */
static void *frame_racer(void *arg)
{
    volatile uint64_t *p = (volatile uint64_t *)(g_stack + sizeof(g_stack) - 8192);
    for (;;) {
        p[rnd() % 1024] = rnd();
    }
    return arg;
}
static void on_signal(int sig)
{
    (void)sig;
}
static void frame_race(void)
{
    for (int i = 0; i < 10; i++) {
        if (fork() == 0) {
            pthread_t t;
            stack_t stack = {.ss_sp = g_stack, .ss_size = sizeof(g_stack)};
            struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
            alarm(2);
            sigaltstack(&stack, NULL);
            sigaction(SIGUSR1, &a, NULL);
            pthread_create(&t, NULL, frame_racer, NULL);
            for (int k = 0; k < 500; k++) {
                raise(SIGUSR1);
            }
            _exit(0);
        }
        wait(NULL);
    }
}
/* Handlers whose stack, code or restorer can't be. */
static void bad_handlers(void)
{
    static const uint64_t at[] = {STUB_TEXT,        STUB_RO, 0xffffffff81000000UL,
                                  0x800000000000UL, 3,       STUB_TEXT - 8};
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        for (int where = 0; where < 3; where++) {
            if (fork() == 0) {
                uint64_t action[4] = {where == 0 ? at[i] : (uint64_t)on_signal, 0x0c000004,
                                      where == 1 ? at[i] : (uint64_t)landed, 0};
                alarm(3);
                if (where == 2) {
                    __asm__ volatile("mov %0, %%rsp\n\tmov $39, %%eax\n\tsyscall\n\tmov %%eax, "
                                     "%%edi\n\tmov $12, %%esi\n\t"
                                     "mov $62, %%eax\n\tsyscall\n\tud2" ::"r"(at[i] + 64)
                                     : "memory");
                }
                syscall(SYS_rt_sigaction, SIGUSR1, action, 0, 8);
                raise(SIGUSR1);
                _exit(0);
            }
        }
        while (wait(NULL) > 0) {
        }
    }
}

static const struct attack g_attacks[] = {
    {"frame: selectors", selectors},
    {"frame: flags", eflags},
    {"frame: addresses", addresses},
    {"frame: floating-point states", fpstates},
    {"frame: masks", masks},
    {"frame: edges", edges},
    {"frame at the gate: selectors", selectors_at_gate},
    {"frame at the gate: flags", eflags_at_gate},
    {"frame at the gate: addresses", addresses_at_gate},
    {"frame at the gate: floating-point states", fpstates_at_gate},
    {"frame at the gate: masks", masks_at_gate},
    {"frame at the gate: edges", edges_at_gate},
    {"frame: raced", frame_race},
    {"handlers in odd places", bad_handlers},
};

int main(void)
{
    /* the ptrace engine has no gate */
    size_t count = sizeof(g_attacks) / sizeof(g_attacks[0]);
    if (!getenv("NO_GATE")) {
        return run_attacks(g_attacks, count);
    }
    return run_attacks(g_attacks, 6) | run_attacks(g_attacks + 12, count - 12);
}
