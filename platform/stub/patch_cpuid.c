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
 * anywhere. The last three forms take a page for the trampoline where the code says it must be.
 */
#include "platform/stub/stub.h"

#define BEFORE    10 /* bytes that are looked at: cpuid itself, and up to 8 before it */
#define JUMP_NEAR 5
#define JUMP_PUN  2

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

/* Bytes between a jump of five bytes and the cpuid that b[BEFORE] is behind; 0: there is no room for such a jump. */
static uint64_t near_lead(const uint8_t *b)
{
    if (is_long_move(b + 3) && !is_prefix(b[2])) {
        return 5;
    }
    return is_long_move(b + 1) && is_register_move(b + 6) && !is_prefix(b[0]) ? 7 : 0;
}

/* The same for a punned jump, whose place *out is. Return: < 0: none. */
static int punned_lead(uint64_t ip, const uint8_t *b, uint64_t *out, uint8_t *out_low)
{
    for (int lead = 0; lead <= 4; lead += 2) {
        const uint8_t *first = b + BEFORE - 2 - lead;
        if (lead > 0 && (!is_register_move(first) || (lead > 2 && !is_register_move(first + 2)) ||
                         is_prefix(first[-1]))) {
            continue;
        }
        *out = trampoline_punned(ip - (uint64_t)lead, first + 2, out_low);
        if (*out) {
            return lead;
        }
    }
    return -1;
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

void patch_cpuid(uint64_t ip, int may_map)
{
    uint8_t b[BEFORE + 3], jump[JUMP_NEAR] = {0xe9};
    struct stub_site *s = g_lead_count < LEAD_COUNT ? site_record(ip) : 0;
    if (!s || guarded_copy(b, (const void *)(ip - BEFORE), sizeof(b)) != 0 ||
        b[BEFORE - 2] != 0x0f || b[BEFORE - 1] != 0xa2) {
        return;
    }
    stub_cpuid_prepare();
    uint64_t lead = near_lead(b), at = lead ? trampoline_near(ip - 2 - lead) : 0;
    if (at) {
        int32_t distance = (int32_t)(at - (ip - 2 - lead + JUMP_NEAR));
        __builtin_memcpy(jump + 1, &distance, 4);
        redirect(s, at, b, lead, jump, JUMP_NEAR);
        return;
    }
    int punned = may_map ? punned_lead(ip, b, &at, &jump[1]) : -1;
    if (punned >= 0) {
        redirect(s, at, b, (uint64_t)punned, jump, JUMP_PUN);
    }
}
