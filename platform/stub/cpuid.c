/*
 * CPUID without the hypervisor. Where the host is a virtual machine, cpuid takes 2 us and more instead of 0.1, and a dynamic
 * loader makes 70 of them to learn about caches: more than all its system calls cost. What they say is always the same. So an
 * interpreter or a static program that a template has for its spares (platform/seccomp/preload.c) takes them from a table.
 *
 * Which bytes are cpuid instructions only their execution tells. So the first processes that run in an interpreter are *watched*, if
 * the host can let cpuid fault: each is a SIGSEGV then, is noted as a call site that trapped (sites.c), and is made here. They
 * are rewritten in the template (patch_cpuid.c). The watch ends soon, since the host writes a model-specific register
 * whenever it switches to such a process or from it. Where the host can't, the usual ways to write it are found in the template's copy (cpuid_idioms).
 *
 * DEVIATION: on a machine whose CPUs differ in their caches an interpreter sees those of the CPU where its template began. What is
 * a CPU's own (its APIC id) is not in the table.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define ARCH_SET_CPUID 0x1012
#define TRAP_GP        13
#define WATCHED_MAX    256 /* cpuids of a process; then it makes them undisturbed */
#define WATCHED_TRAPS  3 /* so many system calls: a loader asks the CPU before it opens anything */
#define ANY_SUBLEAF    0xffffffffU

struct cpuid_entry {
    uint32_t leaf, subleaf;
    uint32_t out[4]; /* eax ebx ecx edx */
};
_Static_assert(sizeof(struct cpuid_entry) == 24, "cpuid_x86_64.S");
#define CACHE_LEAVES 8
#define STATE_LEAVES 20
struct cpuid_entry stub_cpuid_table[2 * CACHE_LEAVES + STATE_LEAVES + 16];
volatile uint64_t stub_cpuid_size; /* bytes of it that are filled */
static uint32_t g_watched, g_traps_left;

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *out)
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "0"(leaf), "2"(subleaf));
}

static long set_cpuid(uint64_t on)
{
    return gate(__NR_arch_prctl, ARCH_SET_CPUID, on, 0, 0, 0, 0);
}

void stub_cpuid_watch(void)
{
    g_traps_left = set_cpuid(0) == 0 ? WATCHED_TRAPS : 0; /* it may be a host that can't */
}

void stub_cpuid_trapped(void)
{
    if (g_traps_left && --g_traps_left == 0) {
        set_cpuid(1);
    }
}

int stub_cpuid_fault(struct stub_ucontext *u)
{
    static const uint8_t insn[2] = {0x0f, 0xa2};
    uint8_t b[2];
    uint32_t out[4];
    uint64_t ip = u->regs[REG_RIP_];
    if (u->trapno != TRAP_GP || guarded_copy(b, (const void *)ip, sizeof(b)) != 0 ||
        b[0] != insn[0] || b[1] != insn[1]) {
        return 0;
    }
    set_cpuid(1);
    cpuid((uint32_t)u->regs[REG_RAX_], (uint32_t)u->regs[REG_RCX_], out);
    if (g_traps_left && ++g_watched < WATCHED_MAX) {
        set_cpuid(0);
        if (ip < STUB_TEXT ||
            ip >= STUB_TEXT_END) { /* not stub_cpuid's own, of what the table lacks */
            stub_note_cpuid(ip + sizeof(insn), cpuid_is_led(u));
        }
    }
    u->regs[REG_RAX_] = out[0];
    u->regs[REG_RBX_] = out[1];
    u->regs[REG_RCX_] = out[2];
    u->regs[REG_RDX_] = out[3];
    u->regs[REG_RIP_] = ip + sizeof(insn);
    return 1;
}

#define EXTENDED_LEAVES 0x80000000U
static uint32_t g_last_leaf[2]; /* basic, extended */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int stub_cpuid_tells(uint32_t leaf)
{
    int told = 0;
    for (uint64_t i = 0; i < stub_cpuid_size / sizeof(stub_cpuid_table[0]); i++) {
        told |= stub_cpuid_table[i].leaf == leaf;
    }
    return told;
}

static uint32_t last_leaf(uint32_t range)
{
    uint32_t out[4];
    cpuid(range, 0, out);
    return out[0];
}

/* Of a leaf that the CPU does not have it says what it says of another, which may be a CPU's own. */
static uint32_t fill(struct cpuid_entry **e, uint32_t leaf, uint32_t subleaf)
{
    if (leaf > g_last_leaf[leaf >> 31]) {
        return 0;
    }
    (*e)->leaf = leaf;
    (*e)->subleaf = subleaf;
    cpuid(leaf, subleaf == ANY_SUBLEAF ? 0 : subleaf, (*e)->out);
    return (*e)++->out[0];
}

void stub_cpuid_prepare(void)
{
    static const uint32_t plain[] = {0,          2,          0x19,       0x80000000, 0x80000001,
                                     0x80000005, 0x80000006, 0x80000007, 0x80000008};
    /* With subleaves, of which the first that says nothing in eax is the last. */
    static const uint32_t caches[] = {4, 0x8000001d};
    struct cpuid_entry *e = stub_cpuid_table;
    if (stub_cpuid_size) {
        return;
    }
    g_last_leaf[0] = last_leaf(0);
    g_last_leaf[1] = last_leaf(EXTENDED_LEAVES);
    for (uint32_t i = 0; i < COUNT(plain); i++) {
        fill(&e, plain[i], ANY_SUBLEAF);
    }
    for (uint32_t i = 0; i < COUNT(caches); i++) {
        for (uint32_t j = 0; j < CACHE_LEAVES && fill(&e, caches[i], j) != 0; j++) {
        }
    }
    fill(&e, 7, 0);
    fill(&e, 7, 1);
    fill(&e, 0x14, 0);
    for (uint32_t i = 0; i < STATE_LEAVES; i++) {
        fill(&e, 0xd, i);
    }
    stub_cpuid_size = (uint64_t)(e - stub_cpuid_table) * sizeof(*e);
}
