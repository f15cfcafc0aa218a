/*
 * Call sites that every new program runs into. A site is rewritten after some traps (platform/stub/patch.c), but a process that lives
 * for a millisecond never gets there: a dynamic program's loader makes 30 calls from 15 sites, each a trap, most of
 * them in one page. So the sentry remembers for an executable file where its processes trapped, and has those sites rewritten in
 * the next process when it is loaded, a page at a time: one copied page instead of 20 traps.
 *
 * What processes say of their traps is their word. A lie is believed by processes of the same class only (given_table.class),
 * which the liar could kill as well, and their stubs rewrite nothing but `mov $nr, %eax; syscall` with the number that was said.
 */
#include <string.h>

#include "platform/seccomp/seccomp.h"

#define FILES     8  /* remembered at a time */
#define SITES_MAX 48 /* of a file */
#define LEARN     3  /* processes, before something is rewritten */
#define PAYS      6  /* traps that a page must save in each process */
#define PAYS_ALL  12 /* and all of them together: there is a page of trampolines, too */
#define PAYS_CPUID                                                                                 \
    4 /* executions of a cpuid: each has a trampoline's page to itself, in all spares */
#define TRAPS_MAX 32 /* that are believed of a site and process */

struct known_site {
    uint64_t offset; /* in the file, of what is behind the syscall */
    uint32_t nr, traps;
    bool pays;
};
static struct known_file {
    uint64_t class, dev, ino;
    unsigned observed; /* processes, up to LEARN */
    size_t count;
    struct known_site sites[SITES_MAX];
} g_files[FILES];
static unsigned g_next;

static struct known_file *file_find(uint64_t class, const struct text_map *m)
{
    for (size_t i = 0; i < FILES; i++) {
        struct known_file *f = &g_files[i];
        if (f->class == class && f->ino == m->ino && f->dev == m->dev) {
            return f;
        }
    }
    return NULL;
}

static struct known_file *file_new(uint64_t class, const struct text_map *m)
{
    struct known_file *f = &g_files[g_next++ % FILES];
    *f = (struct known_file){.class = class, .dev = m->dev, .ino = m->ino};
    return f;
}

static void site_add(struct known_file *f, uint64_t offset, uint32_t nr, uint32_t traps)
{
    size_t i = 0;
    while (i < f->count && f->sites[i].offset < offset) {
        i++;
    }
    if (i < f->count && f->sites[i].offset == offset) {
        f->sites[i].traps += f->sites[i].nr == nr ? traps : 0;
        return;
    }
    bool one_page = (offset - SITE_SPAN) / PAGE_SIZE == (offset - 1) / PAGE_SIZE;
    if (f->count < SITES_MAX && one_page) {
        memmove(&f->sites[i + 1], &f->sites[i], (f->count++ - i) * sizeof(f->sites[0]));
        f->sites[i] = (struct known_site){.offset = offset, .nr = nr, .traps = traps};
    }
}

static uint64_t page_of(const struct known_site *s)
{
    return (s->offset - 1) / PAGE_SIZE;
}

/* Which pages pay, if they are rewritten in each process. */
static void choose(struct known_file *f)
{
    uint32_t all = 0;
    for (size_t i = 0, end; i < f->count; i = end) {
        uint32_t traps = 0;
        for (end = i; end < f->count && page_of(&f->sites[end]) == page_of(&f->sites[i]); end++) {
            traps += f->sites[end].nr == SEEN_CPUID ? 0 : f->sites[end].traps;
        }
        for (; i < end && traps >= PAYS * LEARN; i++) {
            f->sites[i].pays = f->sites[i].nr != SEEN_CPUID;
        }
        all += traps >= PAYS * LEARN ? traps : 0;
    }
    for (size_t i = 0; i < f->count; i++) {
        f->sites[i].pays &= all >= PAYS_ALL * LEARN;
    }
}

/* shared: it is done once for many processes. */
static bool is_worth_it(const struct known_site *s, bool shared)
{
    return shared ? s->nr != SEEN_CPUID || s->traps >= PAYS_CPUID * LEARN : s->pays;
}

static void learn_from(struct known_file *f, const struct text_map *m,
                       const volatile struct stub_seen_sites *seen)
{
    for (size_t i = 0; i < HOT_SITES; i++) {
        uint64_t word = *(const volatile uint64_t *)(const volatile void *)&seen->sites[i];
        struct stub_seen s;
        memcpy(&s, &word, sizeof(s));
        uint64_t at = s.address - m->addr;
        if (s.address && at >= SITE_SPAN && at <= m->size &&
            (s.nr < PLATFORM_COPY_NR_COUNT || s.nr == SEEN_CPUID)) {
            site_add(f, at + m->offset, (uint32_t)s.nr, MIN(seen->traps[i], TRAPS_MAX));
        }
    }
    if (++f->observed == LEARN) {
        choose(f);
    }
}

void sites_learn(const struct host_process *p)
{
    for (size_t i = 0; p->space && i < p->text_count; i++) {
        const struct text_map *m = &p->texts[i];
        struct known_file *f = file_find(p->given.class, m);
        if (!f) {
            f = file_new(p->given.class, m);
        }
        if (f->observed < LEARN) {
            learn_from(f, m, (void *)(p->space->region->base + STUB_SEEN_OFFSET));
        }
    }
}

bool sites_settled(uint64_t class, const struct given_file *f)
{
    const struct text_map m = {.dev = f->dev, .ino = f->ino};
    const struct known_file *k = file_find(class, &m);
    return !g_seccomp.patch || (k && k->observed == LEARN);
}

bool sites_unsettled(const struct host_process *p)
{
    bool any = false;
    for (size_t i = 0; i < p->text_count; i++) {
        const struct known_file *f = file_find(p->given.class, &p->texts[i]);
        any |= !f || f->observed < LEARN;
    }
    return any;
}

size_t sites_known(const struct host_process *p, bool shared, struct stub_seen *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < p->text_count; i++) {
        const struct text_map *m = &p->texts[i];
        const struct known_file *f = file_find(p->given.class, m);
        for (size_t k = 0; f && f->observed == LEARN && k < f->count && count < max; k++) {
            uint64_t at = f->sites[k].offset - m->offset;
            if (at >= SITE_SPAN && at <= m->size && is_worth_it(&f->sites[k], shared)) {
                out[count++] = (struct stub_seen){.address = m->addr + at, .nr = f->sites[k].nr};
            }
        }
    }
    return count;
}
