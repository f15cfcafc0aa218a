/*
 * Where sites are: blocks of 64 KiB, in a few spans that each hold what lies within 2 MiB, which is mostly the text of one library.
 * So memory that a program gets and gives back beside its libraries has none, which unmapping it asks each time.
 */
#include "platform/stub/stub.h"

#define BLOCK_SHIFT 16
#define SPAN_GAP    32

static struct stub_span span_read(int i)
{
    uint64_t word = __atomic_load_n((uint64_t *)&HOT->spans[i], __ATOMIC_RELAXED);
    struct stub_span s;
    __builtin_memcpy(&s, &word, sizeof(s));
    return s;
}

int sites_may_be_in(uint64_t addr, uint64_t size)
{
    uint64_t first = addr >> BLOCK_SHIFT, last = (addr + size) >> BLOCK_SHIFT;
    for (int i = 0; i < SPAN_COUNT; i++) {
        struct stub_span s = span_read(i);
        if (s.last == 0) {
            return 0;
        }
        if (first <= s.last && last >= s.first) {
            return 1;
        }
    }
    return 0;
}

/* The sentry shows what was there before, too, when it reads for somebody. */
void stub_sites_publish(void)
{
    struct stub_process *p = this_process();
    uint64_t low = ~0UL, high = 0;
    for (int i = 0; i < SPAN_COUNT; i++) {
        struct stub_span s = span_read(i);
        low = s.last && s.first < low ? s.first : low;
        high = s.last > high ? s.last : high;
    }
    p->site_low = high ? low << BLOCK_SHIFT : 0;
    p->site_high = high ? (high + 1) << BLOCK_SHIFT : 0;
}

/* Return: was all of it in one already? */
static int span_extend(uint32_t first, uint32_t last)
{
    uint32_t least = ~0U;
    int best = 0;
    for (int i = 0; i < SPAN_COUNT; i++) {
        struct stub_span s = HOT->spans[i];
        uint32_t gap = first > s.last ? first - s.last : s.first > last ? s.first - last : 0;
        if (s.last == 0) {
            best = least > SPAN_GAP ? i : best;
            break;
        }
        if (gap < least) {
            least = gap;
            best = i;
        }
    }
    struct stub_span s = HOT->spans[best];
    if (s.last == 0) {
        s = (struct stub_span){first, last};
    } else if (s.first <= first && s.last >= last) {
        return 1;
    } else {
        s.first = first < s.first ? first : s.first;
        s.last = last > s.last ? last : s.last;
    }
    uint64_t word;
    __builtin_memcpy(&word, &s, sizeof(s));
    __atomic_store_n((uint64_t *)&HOT->spans[best], word, __ATOMIC_RELAXED);
    return 0;
}

void sites_extend(uint64_t ip)
{
    if (!span_extend((uint32_t)((ip - SITE_REACH) >> BLOCK_SHIFT),
                     (uint32_t)((ip + SITE_AFTER) >> BLOCK_SHIFT))) {
        stub_sites_publish();
    }
}
