/*
 * The pages of a memory file that is not in a memfd: the sentry's own memory (mempage.c), in a radix tree with 64 pointers a node that is
 * as high as the largest page index needs; a file of one page is just that page. Holes have no page. Of a file of up to SHORT_MAX
 * bytes the page is a short one: fresh memory costs a host 2 us a page, and most files are small.
 */
#include "sentry/fs/memfile_tree.h"

#include <errno.h>
#include <string.h>

#include "lib/host.h"
#include "sentry/fs/mempage.h"

#define FANOUT_BITS  6
#define FANOUT       (1u << FANOUT_BITS)
#define HEIGHT_LIMIT 10   /* 64^9 pages are more than 2^63 bytes */
#define SHORT_MAX    2048 /* bytes */
#define SHORT_MIN    64

struct tree_node {
    void *slots[FANOUT];
};

/* --- the budget --- */

bool memfile_affords(const struct mem_budget *b, uint64_t pages)
{
    uint64_t used = b->used_pages + b->reserved_pages;
    return b->limit_pages == 0 || (used <= b->limit_pages && pages <= b->limit_pages - used);
}

void memfile_set_charge(struct memfile *m, uint64_t pages)
{
    m->budget->used_pages += pages - m->pages; /* wraps to a subtraction */
    m->pages = pages;
}

void memfile_correct_charge(struct memfile *m)
{
    struct stat st;
    if (m->fd >= 0 && host_fstat(m->fd, &st) == 0) {
        memfile_set_charge(m, (uint64_t)st.st_blocks / (PAGE_SIZE / 512));
    }
}

/* --- the tree --- */

static unsigned slot_of(uint64_t index, unsigned height)
{
    return (unsigned)(index >> ((height - 1) * FANOUT_BITS)) & (FANOUT - 1);
}

static bool covers(unsigned height, uint64_t index)
{
    return height * FANOUT_BITS >= 64 || index >> (height * FANOUT_BITS) == 0;
}

char *memfile_page(const struct memfile *m, uint64_t index)
{
    if (!covers(m->height, index)) {
        return NULL;
    }
    void *p = m->tree;
    for (unsigned h = m->height; h > 0 && p; h--) {
        p = ((struct tree_node *)p)->slots[slot_of(index, h)];
    }
    return p;
}

/* Room for index: grows upward, so that what is there stays where it is. */
static int grow_tree(struct memfile *m, uint64_t index)
{
    while (!covers(m->height, index)) {
        BUG_ON(m->height >= HEIGHT_LIMIT);
        if (m->tree) {
            struct tree_node *top = calloc(1, sizeof(*top));
            if (!top) {
                return -ENOMEM;
            }
            top->slots[0] = m->tree;
            m->tree = top;
        }
        m->height++;
    }
    return 0;
}

char *memfile_short_page(struct memfile *m, uint64_t end)
{
    size_t size = SHORT_MIN;
    end = MAX(end, (uint64_t)m->size);
    if (end > SHORT_MAX || m->height > 0 || m->fd >= 0 || (m->tree && !m->short_size) ||
        (!m->tree && !memfile_affords(m->budget, 1))) {
        return NULL;
    }
    if (end <= m->short_size) {
        return m->tree;
    }
    while (size < end) {
        size *= 2;
    }
    char *page = realloc(m->tree, size);
    if (page) {
        memset(page + m->short_size, 0, size - m->short_size);
        memfile_set_charge(m, 1);
        m->tree = page;
        m->short_size = (uint32_t)size;
    }
    return page;
}

int memfile_lengthen(struct memfile *m)
{
    if (m->short_size) {
        char *page = mempage_alloc(false);
        if (!page) {
            return -ENOMEM;
        }
        memcpy(page, m->tree, m->short_size);
        memset(page + m->short_size, 0, PAGE_SIZE - m->short_size);
        free(m->tree);
        m->tree = page;
        m->short_size = 0;
    }
    return 0;
}

int memfile_make_page(struct memfile *m, uint64_t index, bool fill_all, char **out)
{
    int r = memfile_lengthen(m);
    r = r < 0 ? r : grow_tree(m, index);
    if (r < 0) {
        return r;
    }
    void **slot = &m->tree;
    for (unsigned h = m->height; h > 0; h--) {
        if (!*slot) {
            *slot = calloc(1, sizeof(struct tree_node));
            if (!*slot) {
                return -ENOMEM;
            }
        }
        slot = &((struct tree_node *)*slot)->slots[slot_of(index, h)];
    }
    if (!*slot) {
        if (!memfile_affords(m->budget, 1)) {
            return -ENOSPC;
        }
        *slot = mempage_alloc(!fill_all);
        if (!*slot) {
            return -ENOMEM;
        }
        memfile_set_charge(m, m->pages + 1);
    }
    *out = *slot;
    return 0;
}

/* Frees the pages first..last (of this subtree). Return: true when nothing is left, and p was freed. */
static bool drop_subtree(struct memfile *m, void *p, unsigned height, uint64_t first, uint64_t last)
{
    if (!p) {
        return true;
    }
    if (height == 0) {
        mempage_free(p);
        memfile_set_charge(m, m->pages - 1);
        return true;
    }
    struct tree_node *node = p;
    unsigned shift = (height - 1) * FANOUT_BITS;
    uint64_t low_mask = (1ULL << shift) - 1;
    bool empty = true;
    for (unsigned i = 0; i < FANOUT; i++) {
        uint64_t begin = (uint64_t)i << shift;
        if (node->slots[i] && begin <= last && begin + low_mask >= first) {
            uint64_t sub_first = first > begin ? first - begin : 0;
            uint64_t sub_last = MIN(last - begin, low_mask);
            if (drop_subtree(m, node->slots[i], height - 1, sub_first, sub_last)) {
                node->slots[i] = NULL;
            }
        }
        empty &= node->slots[i] == NULL;
    }
    if (empty) {
        free(node);
    }
    return empty;
}

void memfile_drop_pages(struct memfile *m, uint64_t first, uint64_t last)
{
    uint64_t max =
        m->height * FANOUT_BITS >= 64 ? UINT64_MAX : (1ULL << (m->height * FANOUT_BITS)) - 1;
    if (first > last || first > max || !m->tree) {
        return;
    }
    if (m->short_size) {
        free(take(&m->tree));
        m->short_size = 0;
        memfile_set_charge(m, 0);
    } else if (drop_subtree(m, m->tree, m->height, first, MIN(last, max))) {
        m->tree = NULL;
        m->height = 0;
    }
}

/* The first page >= index that is there, in this subtree; UINT64_MAX: none. */
static uint64_t next_below(const void *p, unsigned height, uint64_t index)
{
    if (!p) {
        return UINT64_MAX;
    }
    if (height == 0) {
        return index == 0 ? 0 : UINT64_MAX;
    }
    const struct tree_node *node = p;
    unsigned shift = (height - 1) * FANOUT_BITS;
    for (uint64_t i = index >> shift; i < FANOUT; i++) {
        uint64_t below = i == index >> shift ? index & ((1ULL << shift) - 1) : 0;
        uint64_t found = next_below(node->slots[i], height - 1, below);
        if (found != UINT64_MAX) {
            return (i << shift) + found;
        }
    }
    return UINT64_MAX;
}

uint64_t memfile_next_page(const struct memfile *m, uint64_t index)
{
    return covers(m->height, index) ? next_below(m->tree, m->height, index) : UINT64_MAX;
}
