/*
 * Pages for the bytes of files in memory. malloc would serve, but keeps what is freed in the middle
 * of its heap: after a guest deletes a large file the host should have the memory back.
 *
 * Pages come from chunks of 2 MiB, aligned to their size so that a page's address names its chunk. The
 * chunk's first page is its header. A chunk whose pages are all free is unmapped, unless it is the
 * last one. Pages that were never handed out are zero already, and are faulted in by 16 at a time: a
 * page fault costs more than zeroing does. Who has filled a few chunks will fill more: those are huge pages, if the host has
 * them, which cost it a fifth of what their small ones would.
 */
#include "sentry/fs/mempage.h"

#include <string.h>

#include "lib/bug.h"
#include "lib/host.h"
#include "lib/list.h"

#define CHUNK_SIZE     (2 * 1024 * 1024UL) /* as a huge page */
#define CHUNK_PAGES    (CHUNK_SIZE / PAGE_SIZE)
#define WORD_BITS      64
#define POPULATE_PAGES 16
#define SMALL_CHUNKS   2 /* of small pages: a sandbox with few files takes no more than it needs */

struct chunk {
    struct list link; /* on g_chunks while a page is free */
    uint64_t free_bits[CHUNK_PAGES / WORD_BITS];
    size_t free_count;
    size_t fresh; /* pages from here on were never used */
};
static struct list g_chunks = LIST_INIT(g_chunks);
static size_t g_chunk_count;

static struct chunk *chunk_new(void)
{
    /* Twice the size surely contains an aligned chunk; the rest goes back. */
    char *p = host_mmap_anon(2 * CHUNK_SIZE);
    if (!p) {
        return NULL;
    }
    char *base = (char *)ALIGN_UP((uintptr_t)p, CHUNK_SIZE);
    size_t head = (size_t)(base - p);
    if (head > 0) {
        host_munmap(p, head);
    }
    if (CHUNK_SIZE - head > 0) {
        host_munmap(base + CHUNK_SIZE, CHUNK_SIZE - head);
    }
    if (g_chunk_count++ >= SMALL_CHUNKS) {
        host_prefer_huge(base, CHUNK_SIZE);
    }
    struct chunk *c = (struct chunk *)base;
    memset(c->free_bits, 0xff, sizeof(c->free_bits));
    c->free_bits[0] &= ~1ULL; /* the header */
    c->free_count = CHUNK_PAGES - 1;
    c->fresh = 1;
    list_init(&c->link);
    list_add(&c->link, &g_chunks);
    return c;
}

static size_t lowest_free(const struct chunk *c)
{
    size_t word = 0;
    while (!c->free_bits[word]) {
        word++;
    }
    return word * WORD_BITS + (size_t)__builtin_ctzll(c->free_bits[word]);
}

char *mempage_alloc(bool zeroed)
{
    struct chunk *c = list_first_entry(&g_chunks, struct chunk, link);
    if (!c) {
        c = chunk_new();
        if (!c) {
            return NULL;
        }
    }
    size_t i = lowest_free(c);
    char *page = (char *)c + i * PAGE_SIZE;
    c->free_bits[i / WORD_BITS] &= ~(1ULL << (i % WORD_BITS));
    if (--c->free_count == 0) {
        list_del(&c->link);
    }
    if (i < c->fresh) {
        return zeroed ? memset(page, 0, PAGE_SIZE) : page;
    }
    if (i == 1 || i % POPULATE_PAGES == 0) {
        size_t count = POPULATE_PAGES - i % POPULATE_PAGES;
        host_populate(page, count * PAGE_SIZE); /* only saves time: failing does not matter */
    }
    c->fresh = i + 1;
    return page;
}

void mempage_free(char *page)
{
    struct chunk *c = (struct chunk *)ALIGN_DOWN((uintptr_t)page, CHUNK_SIZE);
    size_t i = (size_t)(page - (char *)c) / PAGE_SIZE;
    BUG_ON(i == 0 || (c->free_bits[i / WORD_BITS] >> (i % WORD_BITS) & 1));
    c->free_bits[i / WORD_BITS] |= 1ULL << (i % WORD_BITS);
    if (c->free_count++ == 0) {
        list_add_tail(&c->link, &g_chunks);
    }
    bool only = c->link.next == c->link.prev && c->link.next == &g_chunks;
    if (c->free_count == CHUNK_PAGES - 1 && !only) {
        list_del(&c->link);
        host_munmap(c, CHUNK_SIZE);
        g_chunk_count--;
    }
}
