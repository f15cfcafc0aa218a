/*
 * What travels with a call in the window: inputs ahead of it, outputs with its reply, by the copy plan (platform/copy_plan.h). The
 * sentry need not reach for them then.
 */
#include "platform/stub/stub.h"

#define OUT_CHECKED_MAX 0x10000UL

/* How many bytes from addr on can be written, looking at most OUT_CHECKED_MAX far. */
static uint64_t writable_size(uint64_t addr, uint64_t size)
{
    uint64_t end = addr + (size < OUT_CHECKED_MAX ? size : OUT_CHECKED_MAX);
    for (uint64_t p = addr; p < end; p = (p & ~4095UL) + 4096) {
        if (guarded_touch((void *)p) != 0) {
            return p - addr;
        }
    }
    return end - addr;
}

/* Up to and with its zero byte, or all of size. Return: 0, or -EFAULT. */
static long copy_string(uint8_t *to, uint64_t from, uint64_t size)
{
    uint64_t n = 0;
    for (; n + 8 <= size; n += 8) {
        if (guarded_copy8(to + n, (const void *)(from + n)) != 0) {
            return -EFAULT_;
        }
        if (zero_bytes(*(const uint64_t *)(const void *)(to + n))) {
            return 0;
        }
    }
    return guarded_copy(to + n, (const void *)(from + n), size - n);
}

/* The string at from, if it has no more than size bytes with its zero byte. Return: how many; 0: more, or it can't be read. */
static uint64_t copy_whole(uint8_t *to, uint64_t from, uint64_t size)
{
    uint64_t n = 0;
    while (n + 8 <= size && guarded_copy8(to + n, (const void *)(from + n)) == 0) {
        uint64_t word = *(const uint64_t *)(const void *)(to + n), zero = zero_bytes(word);
        if (zero) {
            n += (uint64_t)__builtin_ctzl(zero) / 8 + 1;
            stub_show_original(to, from, n);
            return n;
        }
        n += 8;
    }
    return 0;
}

/* The strings of execve's vectors, one behind the other. Return: how many bytes; 0: the sentry is to look for itself. */
static uint64_t copy_vector(uint8_t *to, uint64_t from, uint64_t size)
{
    uint64_t used = 0, string;
    for (; guarded_copy8(&string, (const void *)from) == 0; from += sizeof(string)) {
        uint64_t n = 0;
        if (string == 0) {
            return used;
        }
        if (string >> 32 != SLICE_HI) {
            n = copy_whole(to + used, string, size - used);
        }
        if (n == 0) {
            return 0;
        }
        used += n;
    }
    return 0;
}

/* Puts argument i, or the room for it, at to. Return: how many bytes of it are there. */
static uint64_t copy_one(const struct area *area, uint32_t plan, int i, uint8_t *to, uint64_t size)
{
    uint64_t from = area->args[i];
    if (plan >> 12 == PLATFORM_COPY_POKES) {
        return size;
    }
    if (plan >> 12 >= PLATFORM_COPY_OUT_FIXED) {
        uint64_t limit = area->out_limit ? area->out_limit : ~0UL;
        return writable_size(from, size < limit ? size : limit);
    }
    if (plan >> 12 == PLATFORM_COPY_IN_VECTOR) {
        return copy_vector(to, from, size);
    }
    long r = plan >> 12 == PLATFORM_COPY_IN_STR ? copy_string(to, from, size)
                                                : guarded_copy(to, (const void *)from, size);
    if (r != 0) {
        return 0;
    }
    stub_show_original(to, from, size);
    return size;
}

uint32_t stub_copy_ahead(struct area *area, const volatile uint16_t *plan)
{
    struct chan *c = area->chan;
    uint32_t used = 0, flags = CHAN_COPY, sizes[6];
    const uint32_t end = area->waiting ? NOTES_OFFSET : WINDOW_SIZE;
    for (int i = 0; i < 6; i++) {
        uint64_t room = WINDOW_SIZE - used, planned = copy_planned(plan[i], area->args, i);
        planned = planned < room ? planned : room;
        uint64_t left = used < end ? end - used : 0, wanted = planned < left ? planned : left;
        uint64_t size = wanted ? copy_one(area, plan[i], i, chan_window(c) + used, wanted) : 0;
        flags |= size != planned ? CHAN_SIZES : 0;
        sizes[i] = (uint32_t)size;
        area->copy_at[i] = used;
        used = copy_next(used, sizes[i]);
    }
    for (int i = 0; flags & CHAN_SIZES && i < 6; i++) {
        c->copy_size[i] = sizes[i];
    }
    return flags;
}

/* The records in [at, at + size). Return: 0, or -EFAULT. */
static long poke_all(const uint8_t *at, uint64_t size)
{
    const uint8_t *end = at + size;
    const struct copy_poke *p;
    long r = 0;
    for (; r == 0 && at + sizeof(*p) <= end; at += sizeof(*p) + ((p->size + 7) & ~7UL)) {
        p = (const void *)at;
        r = guarded_copy((void *)p->addr, at + sizeof(*p), p->size);
    }
    return r;
}

long stub_copy_back(const struct area *area)
{
    struct chan *c = area->chan;
    long result = (long)c->ret;
    for (int i = 0; area->copied && i < 6; i++) {
        uint32_t filled = c->copy_filled[i];
        const uint8_t *from = chan_window(c) + area->copy_at[i];
        int pokes = filled && RO->copy_plan[area->asked][i] >> 12 == PLATFORM_COPY_POKES;
        if (pokes ? poke_all(from, filled)
                  : filled && guarded_copy((void *)area->args[i], from, filled) != 0) {
            result = -EFAULT_;
        }
    }
    return result;
}
