/*
 * Call sites that every new program runs into. A site is rewritten after some traps (platform/stub/patch.c), but a process that lives
 * for a millisecond never gets there: a dynamic program's loader makes 30 calls from 15 sites, each a trap, most of
 * them in one page. So the sentry remembers for an executable file where its processes trapped, and has those sites rewritten in
 * the next process when it is loaded, a page at a time: one copied page instead of 20 traps. So it is with libraries, for each program
 * by itself: which of the C library's calls are made often depends on who makes them. When a process opens a library that it keeps
 * (given.c), it gets the sites of that, and rewrites them while it maps the code.
 *
 * A process that forks has no use of what its children rewrite, and they end before they get to it: so what they trapped at is rewritten
 * in the parent, before a later fork, and all children have it.
 *
 * What processes say of their traps is their word. A lie is believed by processes of the same class only (given_table.class),
 * which the liar could kill as well, and their stubs rewrite nothing but `mov $nr, %eax; syscall` with the number that was said;
 * for children also `syscall; cmp $-4096, %rax`, eight bytes; and, in what a template shares, bytes that read as cpuid, and as a move
 * right before it.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/seccomp/seccomp.h"

#define FILES          32 /* remembered at a time */
#define SITES_MAX      48 /* of a file */
#define LEARN          3  /* processes, before something is rewritten */
#define LEARN_CHILDREN 2  /* of one process, before that rewrites what they trap at */
#define PAYS           6  /* traps that a page must save in each process */
#define PAYS_ALL       12 /* and all of them together: there is a page of trampolines, too */
#define PAYS_LIB       2  /* both in a library, whose text is not changed page by page */
#define PAYS_CPUID     4 /* executions of a cpuid, before it may have a page to itself in all spares */
#define TRAPS_MAX      32 /* that are believed of a site and process */

struct known_site {
    uint64_t offset; /* in the file, of what is behind the syscall */
    uint32_t nr, traps;
    bool pays;
};
static struct known_file {
    uint64_t class, dev, ino;
    uint64_t program_dev,
        program_ino;   /* of a library: in whose processes. Not of what a program is loaded with */
    unsigned observed; /* processes, up to LEARN */
    size_t count;
    struct known_site sites[SITES_MAX];
} g_files[FILES];
static unsigned g_next;

/* program: NULL for what it is loaded with itself. */
static struct known_file *file_find(uint64_t class, const struct text_map *m,
                                    const struct text_map *program)
{
    uint64_t dev = program ? program->dev : 0, ino = program ? program->ino : 0;
    for (size_t i = 0; i < FILES; i++) {
        struct known_file *f = &g_files[i];
        if (f->class == class && f->ino == m->ino && f->dev == m->dev && f->program_ino == ino &&
            f->program_dev == dev) {
            return f;
        }
    }
    return NULL;
}

static struct known_file *file_new(uint64_t class, const struct text_map *m,
                                   const struct text_map *program)
{
    struct known_file *f = &g_files[g_next++ % FILES];
    *f = (struct known_file){.class = class, .dev = m->dev, .ino = m->ino};
    if (program) {
        f->program_dev = program->dev;
        f->program_ino = program->ino;
    }
    return f;
}

static void site_add(struct known_file *f, uint64_t offset, uint32_t nr, uint32_t traps)
{
    size_t i = 0;
    while (i < f->count && f->sites[i].offset < offset) {
        i++;
    }
    if (i < f->count && f->sites[i].offset == offset) {
        if (seen_is_cpuid(nr) && seen_is_cpuid(f->sites[i].nr)) {
            nr = f->sites[i].nr &= nr; /* led each time */
        }
        f->sites[i].traps += f->sites[i].nr == nr ? traps : 0;
        return;
    }
    bool one_page = (offset - SITE_REACH) / PAGE_SIZE == (offset - 1) / PAGE_SIZE;
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
    const uint32_t pays = (f->program_ino ? PAYS_LIB : PAYS) * LEARN;
    const uint32_t pays_all = (f->program_ino ? PAYS_LIB : PAYS_ALL) * LEARN;
    uint32_t all = 0;
    for (size_t i = 0, end; i < f->count; i = end) {
        uint32_t traps = 0;
        for (end = i; end < f->count && page_of(&f->sites[end]) == page_of(&f->sites[i]); end++) {
            traps += seen_is_cpuid(f->sites[end].nr) ? 0 : f->sites[end].traps;
        }
        for (; i < end && traps >= pays; i++) {
            f->sites[i].pays = !seen_is_cpuid(f->sites[i].nr);
        }
        all += traps >= pays ? traps : 0;
    }
    for (size_t i = 0; i < f->count; i++) {
        f->sites[i].pays &= all >= pays_all;
    }
}

static uint32_t nr_of(const struct known_site *s)
{
    return seen_is_cpuid(s->nr) && s->traps >= PAYS_CPUID * LEARN ? s->nr | SEEN_CPUID_OFTEN
                                                                  : s->nr;
}

static struct stub_seen seen_copy(const volatile struct stub_seen *seen)
{
    uint64_t word = *(const volatile uint64_t *)(const volatile void *)seen;
    struct stub_seen s;
    memcpy(&s, &word, sizeof(s));
    return s;
}

static void learn_from(struct known_file *f, const struct text_map *m,
                       const volatile struct stub_seen *seen, const volatile uint8_t *traps,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct stub_seen s = seen_copy(&seen[i]);
        uint64_t at = s.address - m->addr;
        if (s.address && at >= SITE_REACH && at <= m->size &&
            (s.nr < PLATFORM_COPY_NR_COUNT || s.nr == SEEN_CPUID ||
             s.nr == (SEEN_CPUID | SEEN_CPUID_LED))) {
            site_add(f, at + m->offset, (uint32_t)s.nr, MIN(traps[i], TRAPS_MAX));
        }
    }
}

static bool same_file(const struct text_map *a, const struct text_map *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

static struct stub_libraries *libraries_of(const struct host_process *p)
{
    return (void *)seccomp_lease_page(p->space)->libraries;
}

/* last: of this file's texts in the process. */
static void learn_text(const struct host_process *p, const struct text_map *m,
                       const struct text_map *program, bool last)
{
    struct known_file *f = file_find(p->given.class, m, program);
    if (!f) {
        f = file_new(p->given.class, m, program);
    }
    if (f->observed < LEARN) {
        const struct stub_seen_sites *seen = (void *)(p->space->region->base + STUB_SEEN_OFFSET);
        const struct stub_libraries *l = libraries_of(p);
        learn_from(f, m, seen->sites, seen->traps, SEEN_SITES);
        learn_from(f, m, l->more, l->more_traps, SEEN_MORE);
        if (last && ++f->observed == LEARN) {
            choose(f);
        }
    }
}

/* What p's stub says that it has mapped by itself. */
static void learn_libraries(const struct host_process *p)
{
    const struct stub_libraries *said = libraries_of(p);
    uint64_t known = 0; /* numbers: one text each */
    for (size_t i = 0; i < LIBRARY_MAPS; i++) {
        unsigned given = *(const volatile uint8_t *)&said->numbers[i] - (unsigned)STUB_FD_KEPT;
        if (given >= p->given.count || known >> given & 1) {
            continue;
        }
        known |= 1UL << given;
        const volatile struct stub_library_map *map = &said->maps[i];
        const struct text_map m = {.dev = p->given.files[given].dev,
                                   .ino = p->given.files[given].ino,
                                   .addr = map->addr,
                                   .size = map->size,
                                   .offset = map->offset};
        learn_text(p, &m, &p->texts[0], true);
    }
}

struct forked_children *sites_of_children(struct host_process *p)
{
    if (p->children && p->children->class != p->given.class) {
        sites_of_children_put(p->children);
        p->children = NULL;
    }
    if (!p->children && g_seccomp.patch) {
        p->children = calloc(1, sizeof(*p->children));
        if (p->children) {
            refcount_init(&p->children->ref);
            p->children->class = p->given.class;
        }
    }
    if (p->children) {
        refcount_get(&p->children->ref);
    }
    return p->children;
}

void sites_of_children_put(struct forked_children *f)
{
    if (f && refcount_put(&f->ref)) {
        free(f);
    }
}

void sites_of_children_forget(struct host_process *p)
{
    forked_child_over(p, false);
    sites_of_children_put(p->children);
    sites_of_children_put(p->forked);
    p->children = p->forked = NULL;
}

static void fork_site_add(struct forked_children *f, const struct stub_seen *s)
{
    uint32_t i = 0;
    while (i < f->count && f->sites[i].seen.address != s->address) {
        i++;
    }
    if (i == FORK_SITES) {
        return;
    }
    if (i == f->count) {
        f->sites[f->count++].seen = *s;
    }
    f->sites[i].children += f->sites[i].seen.nr == s->nr;
}

static void learn_from_child(const struct host_process *p)
{
    const struct stub_seen_sites *seen = (void *)(p->space->region->base + STUB_SEEN_OFFSET);
    for (size_t i = 0; i < SEEN_SITES; i++) {
        struct stub_seen s = seen_copy(&seen->sites[i]);
        if (!s.address) {
            return;
        }
        if (s.nr < PLATFORM_COPY_NR_COUNT || s.nr == SEEN_CHECKED) {
            fork_site_add(p->forked, &s);
        }
    }
}

size_t sites_for_children(struct host_process *p, struct stub_seen *out)
{
    struct forked_children *f = p->children;
    size_t count = 0;
    for (uint32_t i = 0; f && i < f->count; i++) {
        if (f->sites[i].children >= LEARN_CHILDREN && !f->sites[i].told) {
            f->sites[i].told = true;
            out[count++] = f->sites[i].seen;
        }
    }
    return count;
}

void sites_learn(const struct host_process *p)
{
    if (p->space && p->forked && p->forked->class == p->given.class) {
        learn_from_child(p);
    }
    for (size_t i = 0; p->space && i < p->text_count; i++) {
        bool last = i + 1 == p->text_count || !same_file(&p->texts[i], &p->texts[i + 1]);
        learn_text(p, &p->texts[i], NULL, last);
    }
    if (p->space && p->text_count > 0) {
        learn_libraries(p);
    }
}

void sites_offer(const struct host_process *p, uint32_t number)
{
    if (p->text_count == 0 || number - STUB_FD_KEPT >= p->given.count) {
        return;
    }
    const struct given_file *g = &p->given.files[number - STUB_FD_KEPT];
    const struct text_map m = {.dev = g->dev, .ino = g->ino};
    const struct known_file *f = file_find(p->given.class, &m, &p->texts[0]);
    struct stub_libraries *to = libraries_of(p);
    uint32_t count = 0;
    for (size_t i = 0; f && f->observed == LEARN && i < f->count && count < LIBRARY_SITES; i++) {
        const struct known_site *s = &f->sites[i];
        if (s->pays && s->offset < LIBRARY_SIZE_MAX) {
            to->sites[count++] = LIBRARY_SITE((uint32_t)s->offset, s->nr);
        }
    }
    if (count > 0) {
        to->number = number;
        to->site_count = count;
    }
}

bool sites_settled(uint64_t class, const struct given_file *f)
{
    const struct text_map m = {.dev = f->dev, .ino = f->ino};
    const struct known_file *k = file_find(class, &m, NULL);
    return !g_seccomp.patch || (k && k->observed == LEARN);
}

bool sites_unsettled(const struct host_process *p)
{
    bool any = false;
    for (size_t i = 0; i < p->text_count; i++) {
        const struct known_file *f = file_find(p->given.class, &p->texts[i], NULL);
        any |= !f || f->observed < LEARN;
    }
    return any;
}

size_t sites_known(const struct host_process *p, bool shared, struct stub_seen *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < p->text_count; i++) {
        const struct text_map *m = &p->texts[i];
        const struct known_file *f = file_find(p->given.class, m, NULL);
        for (size_t k = 0; f && f->observed == LEARN && k < f->count && count < max; k++) {
            uint64_t at = f->sites[k].offset - m->offset;
            if (at >= SITE_REACH && at <= m->size && (shared || f->sites[k].pays)) {
                out[count++] =
                    (struct stub_seen){.address = m->addr + at, .nr = nr_of(&f->sites[k])};
            }
        }
    }
    return count;
}
