/*
 * Trampolines: where rewritten call sites (patch.c) jump to, in memory of their own that a jump at the site reaches.
 *
 * That of a system call: mov $nr, %eax; movabs $return, %rcx; jmp stub_entry_patched. rcx and r11 are dead by the system call
 * ABI, so the guest's stack and its red zone are not touched. Context: the patch lock, or a process that has not begun.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define RANGE_MAX     256
#define RANGE_SIZE    0x10000UL
#define LOW_START     0x100000UL /* above what mmap_min_addr keeps, below where programs are linked */
#define LOW_END       0x400000UL
#define MAP_ANON_HERE 0x104022 /* PRIVATE|ANONYMOUS|FIXED_NOREPLACE|NORESERVE */

static struct {
    uint64_t start, end, next;
} g_ranges[RANGE_MAX];

uint64_t mem_protect(uint64_t addr, uint64_t size, uint64_t prot)
{
    uint64_t start = addr & ~4095UL, end = (addr + size + 4095) & ~4095UL;
    return (uint64_t)gate(__NR_mprotect, start, end - start, prot, 0, 0, 0);
}

int stub_in_trampoline(uint64_t ip)
{
    uint32_t count = __atomic_load_n(&HOT->range_count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count; i++) {
        if (ip >= g_ranges[i].start && ip < g_ranges[i].end) {
            return 1;
        }
    }
    return 0;
}

static int range_add(uint64_t start, uint64_t size)
{
    if (HOT->range_count == RANGE_MAX ||
        gate(__NR_mmap, start, size, PROT_RX, MAP_ANON_HERE, (uint64_t)-1, 0) != (long)start) {
        return -1;
    }
    g_ranges[HOT->range_count].start = start;
    g_ranges[HOT->range_count].end = start + size;
    g_ranges[HOT->range_count].next = start;
    __atomic_store_n(&HOT->range_count, (uint16_t)(HOT->range_count + 1), __ATOMIC_RELEASE);
    return (int)HOT->range_count - 1;
}

static uint64_t range_first(int i)
{
    g_ranges[i].next += TRAMPOLINE;
    return g_ranges[i].start;
}

/* Below the program rather than above: brk grows up. */
uint64_t trampoline_near(uint64_t site)
{
    for (uint32_t i = 0; i < HOT->range_count; i++) {
        int64_t distance = (int64_t)(g_ranges[i].next - site);
        if (distance < 0x7ff00000L && distance > -0x7ff00000L &&
            g_ranges[i].end - g_ranges[i].start == RANGE_SIZE &&
            g_ranges[i].next + TRAMPOLINE <= g_ranges[i].end) {
            g_ranges[i].next += TRAMPOLINE;
            return g_ranges[i].next - TRAMPOLINE;
        }
    }
    uint64_t here = site & ~(RANGE_SIZE - 1);
    for (uint64_t step = 16UL << 20; step < 0x70000000UL; step += 64UL << 20) {
        int i = here >= LOW_START + step ? range_add(here - step, RANGE_SIZE) : -1;
        if (i < 0 && site >= STUB_TEXT) {
            i = range_add(here + step, RANGE_SIZE);
        }
        if (i >= 0) {
            return range_first(i);
        }
    }
    /* A program at a fixed low address, as the linker's default 4 MiB. */
    for (uint64_t low = LOW_START; low < site && low < LOW_END; low += RANGE_SIZE) {
        int i = site - low < 0x70000000UL ? range_add(low, RANGE_SIZE) : -1;
        if (i >= 0) {
            return range_first(i);
        }
    }
    return 0;
}

/* Where a jump can lead whose displacement ends with the three bytes that follow the syscall: [base, base + 256). */
static uint64_t punned_base(uint64_t ip, const uint8_t *after)
{
    uint32_t high = (uint32_t)after[0] << 8 | (uint32_t)after[1] << 16 | (uint32_t)after[2] << 24;
    uint64_t base = ip + 3 + (uint64_t)(int64_t)(int32_t)high;
    int in_slice = base >> 32 == SLICE_HI || base >> 32 == SLICE_HI - 1;
    return base >= LOW_START && base < 0x7fff00000000UL && !in_slice ? base : 0;
}

uint64_t trampoline_punned(uint64_t ip, const uint8_t *after, uint8_t *out_low)
{
    uint64_t base = punned_base(ip, after);
    if (!base) {
        return 0;
    }
    for (uint64_t at = (base + TRAMPOLINE - 1) & ~(TRAMPOLINE - 1); at < base + 256;
         at += TRAMPOLINE) {
        uint64_t page = at & ~4095UL;
        if (!stub_in_trampoline(at) && range_add(page, 4096) < 0) {
            return 0;
        }
        if (*(const volatile uint8_t *)at == 0) {
            *out_low = (uint8_t)(at - base);
            return at;
        }
    }
    return 0;
}

void code_store(uint64_t at, const uint8_t *code, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        ((volatile uint8_t *)at)[i] = code[i];
    }
}

void trampoline_compose(uint8_t code[TRAMPOLINE], int with_nr, uint32_t nr, uint64_t ret)
{
    int n = 0;
    if (with_nr) {
        code[n++] = 0xb8; /* mov $nr, %eax */
        __builtin_memcpy(code + n, &nr, 4);
        n += 4;
    }
    code[n++] = 0x48; /* movabs $ret, %rcx */
    code[n++] = 0xb9;
    __builtin_memcpy(code + n, &ret, 8);
    n += 8;
    code[n++] = 0xff; /* jmp *0(%rip) */
    code[n++] = 0x25;
    n += 4;
    uint64_t entry = ptr(stub_entry_patched);
    __builtin_memcpy(code + n, &entry, 8);
}

static int trampoline_put(uint64_t at, const uint8_t code[TRAMPOLINE])
{
    if (mem_protect(at, TRAMPOLINE, PROT_RWX) != 0) {
        return -1;
    }
    code_store(at, code, TRAMPOLINE);
    return mem_protect(at, TRAMPOLINE, PROT_RX) == 0 ? 0 : -1;
}

int trampoline_write(uint64_t at, int with_nr, uint32_t nr, uint64_t ret)
{
    uint8_t code[TRAMPOLINE] = {0};
    trampoline_compose(code, with_nr, nr, ret);
    return trampoline_put(at, code);
}

/*
 * A trampoline for a cpuid: the instructions before it that the jump skips; lea -128(%rsp), %rsp; call *target(%rip); jmp ret; target.
 * It has no register to spare but the four that hold the answer.
 */
int trampoline_write_cpuid(uint64_t at, const uint8_t *lead, uint64_t lead_size, uint64_t ret)
{
    static const uint8_t head[12] = {0x48, 0x8d, 0x64, 0x24, 0x80, 0xff, 0x15, 0x05, 0, 0, 0, 0xe9};
    uint8_t code[TRAMPOLINE] = {0}, *p = code + lead_size;
    int32_t distance = (int32_t)(ret - (at + lead_size + sizeof(head) + 4));
    uint64_t target = ptr(stub_cpuid);
    code_store(ptr(code), lead, lead_size);
    __builtin_memcpy(p, head, sizeof(head));
    __builtin_memcpy(p + sizeof(head), &distance, 4);
    __builtin_memcpy(p + sizeof(head) + 4, &target, 8);
    return trampoline_put(at, code);
}
