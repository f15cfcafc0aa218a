/*
 * Rewriting cpuid instructions, so that they take their answers from a table (cpuid.c). Like call sites (patch.c), in forms that keep
 * every address at which code may stand or be jumped to:
 *
 *   mov $leaf, %eax; cpuid             the mov (or another instruction of five bytes) becomes a jump, and the
 *   mov $leaf, %eax; xor a, b; cpuid   cpuid stays for who jumps to it
 *   cpuid; whatever                    the cpuid becomes the first two bytes of a jump whose last three are the code behind it
 *   mov a, b; cpuid; whatever          a move of two bytes before it does
 *   mov a, b; mov c, d; cpuid          so does the first of two
 *
 * The trampoline begins with the instructions that the jump skips. They are of a few kinds, all of which do the same
 * anywhere. What only looks like one, as the end of a longer instruction may, is left alone: when the cpuid was seen, the registers
 * had to have what these would have put there. The last three forms take a page for the trampoline where the code says it must be.
 *
 * Where no cpuid is ever seen, since the host can't let them fault (cpuid.c), there are
 * only the *idioms*: a cpuid right behind a mov of one of the leaves that the table has to eax, with no more between them than what sets
 * ecx. That is seven bytes and more, of which six are always the same. DEVIATION: a constant in the code of a program that is one of a
 * template's, with exactly those bytes in it, would be another there.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define BEFORE    10 /* bytes that are looked at: cpuid itself, and up to 8 before it */
#define JUMP_NEAR 5
#define JUMP_PUN  2

#define SUBLEAF_MAX    64U
#define IDIOM_MAX      12 /* bytes */
#define IDIOMS_STEP    1024UL
#define IDIOMS_WITHIN  (2UL << 20) /* of a program: C libraries are linked before that */
#define MADV_DONTNEED_ 4

struct stub_lead stub_leads[LEAD_COUNT];
static uint32_t g_lead_count;

/* mov or xor of two 32-bit registers. */
static int is_register_move(const uint8_t *b)
{
    return (b[0] == 0x89 || b[0] == 0x8b || b[0] == 0x31) && b[1] >= 0xc0;
}

/* Five bytes: mov $imm, %eax or %ecx; movb $imm, offset(%rsp). */
static int is_long_move(const uint8_t *b)
{
    return b[0] == 0xb8 || b[0] == 0xb9 || (b[0] == 0xc6 && b[1] == 0x44 && b[2] == 0x24);
}

/* May the instruction have begun with this byte before it? It is left alone then. */
static int is_prefix(uint8_t b)
{
    return (b & 0xf0) == 0x40 || b == 0x66 || b == 0xf2 || b == 0xf3 || b == 0x0f;
}

static uint32_t register_of(const struct stub_ucontext *u, int number)
{
    static const uint8_t place[8] = {REG_RAX_, REG_RCX_, REG_RDX_, REG_RBX_,
                                     REG_RSP_, REG_RBP_, REG_RSI_, REG_RDI_};
    return (uint32_t)u->regs[place[number & 7]];
}

static int register_move_done(const struct stub_ucontext *u, const uint8_t *b)
{
    uint32_t rm = register_of(u, b[1]), reg = register_of(u, b[1] >> 3);
    return b[0] == 0x31 ? (b[1] & 7) == (b[1] >> 3 & 7) && rm == 0 : rm == reg;
}

static int long_move_done(const struct stub_ucontext *u, const uint8_t *b)
{
    uint32_t imm;
    uint8_t there;
    __builtin_memcpy(&imm, b + 1, 4);
    if (b[0] != 0xc6) {
        return register_of(u, b[0] & 7) == imm;
    }
    uint64_t at = u->regs[REG_RSP_] + (uint64_t)(int64_t)(int8_t)b[3];
    return guarded_copy(&there, (const void *)at, 1) == 0 && there == b[4];
}

/* Bytes between a jump of five bytes and the cpuid that b[BEFORE] is behind; 0: there is no room for such a jump. */
static uint64_t near_lead(const uint8_t *b)
{
    if (is_long_move(b + 3) && !is_prefix(b[2])) {
        return 5;
    }
    return is_long_move(b + 1) && is_register_move(b + 6) && !is_prefix(b[0]) ? 7 : 0;
}

/* The same for moves of two bytes, none to two of them. */
static uint64_t short_lead(const uint8_t *b)
{
    if (!is_register_move(b + 6)) {
        return 0;
    }
    if (is_register_move(b + 4) && !is_prefix(b[3])) {
        return 4;
    }
    return is_prefix(b[5]) ? 0 : 2;
}

int cpuid_is_led(const struct stub_ucontext *u)
{
    uint8_t b[BEFORE];
    if (guarded_copy(b, (const void *)(u->regs[REG_RIP_] + 2 - BEFORE), sizeof(b)) != 0) {
        return 0;
    }
    uint64_t far = near_lead(b), lead = far ? far : short_lead(b);
    const uint8_t *first = b + BEFORE - 2 - lead;
    if (lead >= 5 && !long_move_done(u, first)) {
        return 0;
    }
    for (uint64_t left = lead >= 5 ? lead - 5 : lead; left > 0; left -= 2) {
        if (!register_move_done(u, b + BEFORE - 2 - left)) {
            return 0;
        }
    }
    return lead > 0;
}

/* Where a punned jump over lead bytes or fewer before the cpuid may lead; *lead: over how many. Return: 0: nowhere. */
static uint64_t punned_place(uint64_t ip, const uint8_t *b, uint64_t *lead, uint8_t *out_low)
{
    uint64_t max = *lead, at = 0;
    for (*lead = 0; !at && *lead <= max; *lead += 2) {
        at = trampoline_punned(ip - *lead, b + BEFORE - *lead, out_low);
    }
    *lead -= 2;
    return at;
}

/* The site's jump leads to at, lead bytes before the cpuid. */
static void redirect(struct stub_site *s, uint64_t at, const uint8_t *b, uint64_t lead,
                     const uint8_t *jump, uint64_t jump_size)
{
    const uint8_t *first = b + BEFORE - 2 - lead;
    struct stub_lead *l = &stub_leads[g_lead_count];
    if (trampoline_write_cpuid(at, first, lead, s->address) != 0) {
        return;
    }
    *l = (struct stub_lead){.begin = (uint8_t)(lead + 2), .size = (uint8_t)jump_size};
    code_store(ptr(l->code), first, jump_size);
    s->state = SITE_CPUID - (int)g_lead_count++;
    site_store(s->address - 2 - lead, jump, jump_size);
    sites_extend(s->address);
}

void patch_cpuid(const struct stub_seen *seen)
{
    uint64_t ip = seen->address, is_led = seen->nr & SEEN_CPUID_LED;
    uint8_t b[BEFORE + 3], jump[JUMP_NEAR] = {0xe9};
    struct stub_site *s = g_lead_count < LEAD_COUNT ? site_record(ip) : 0;
    if (!s || guarded_copy(b, (const void *)(ip - BEFORE), sizeof(b)) != 0 ||
        b[BEFORE - 2] != 0x0f || b[BEFORE - 1] != 0xa2) {
        return;
    }
    stub_cpuid_prepare();
    uint64_t lead = is_led ? near_lead(b) : 0, at = lead ? trampoline_near(ip - 2 - lead) : 0;
    if (at) {
        int32_t distance = (int32_t)(at - (ip - 2 - lead + JUMP_NEAR));
        __builtin_memcpy(jump + 1, &distance, 4);
        redirect(s, at, b, lead, jump, JUMP_NEAR);
        return;
    }
    lead = is_led && !near_lead(b) ? short_lead(b) : 0;
    at = seen->nr & SEEN_CPUID_OFTEN ? punned_place(ip, b, &lead, &jump[1]) : 0;
    if (at) {
        redirect(s, at, b, lead, jump, JUMP_PUN);
    }
}

/* Where the cpuid ends if b begins an idiom; b[-1] can be read. Return: 0 if it does not. */
static uint64_t idiom_size(const uint8_t *b)
{
    uint32_t leaf, subleaf;
    uint64_t size = 5;
    __builtin_memcpy(&leaf, b + 1, 4);
    if (b[0] != 0xb8 || is_prefix(b[-1])) {
        return 0;
    }
    if (b[5] == 0x31 && b[6] == 0xc9) { /* xor %ecx, %ecx */
        size += 2;
    } else if (b[5] == 0xb9) { /* mov $subleaf, %ecx */
        __builtin_memcpy(&subleaf, b + 6, 4);
        size += subleaf <= SUBLEAF_MAX ? 5 : 0;
    }
    return b[size] == 0x0f && b[size + 1] == 0xa2 && stub_cpuid_tells(leaf) ? size + 2 : 0;
}

uint64_t cpuid_idioms(uint64_t text, uint64_t size, struct stub_seen *out, uint64_t max)
{
    uint8_t b[1 + IDIOMS_STEP + IDIOM_MAX];
    uint64_t count = 0, last = size < IDIOMS_WITHIN ? size : IDIOMS_WITHIN;
    stub_cpuid_prepare();
    for (uint64_t at = 1; at + IDIOMS_STEP + IDIOM_MAX <= last; at += IDIOMS_STEP) {
        if (guarded_copy(b, (const void *)(text + at - 1), sizeof(b)) != 0) {
            break; /* the file has been truncated */
        }
        for (uint64_t i = 1; i <= IDIOMS_STEP && count < max; i++) {
            uint64_t end = b[i] == 0xb8 ? idiom_size(b + i) : 0;
            if (end) {
                out[count++] = (struct stub_seen){.address = text + at - 1 + i + end,
                                                  .nr = SEEN_CPUID | SEEN_CPUID_LED};
            }
        }
    }
    /* Spares need not have the pages that were only looked at. */
    gate(__NR_madvise, text, size, MADV_DONTNEED_, 0, 0, 0);
    return count;
}
