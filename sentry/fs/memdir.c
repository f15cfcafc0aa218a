/*
 * The names in a directory that lives in memory: a hash table to find one, and an array in order of
 * creation to list them.
 *
 * A name's position for readdir is a cookie that only grows. Removing a name leaves a hole in the
 * array, so a scan that removes what it read (rm -r) neither skips nor repeats anything; holes are
 * squeezed out when they are the majority, which keeps the order and the cookies.
 */
#include "sentry/fs/memdir.h"

#include <errno.h>
#include <string.h>

#define FIRST_COOKIE 2 /* 0 and 1 are "." and ".." */

void memdir_init(struct memdir *d)
{
    *d = (struct memdir){.last_cookie = FIRST_COOKIE - 1};
}

void memdir_free(struct memdir *d)
{
    for (size_t i = 0; i < d->slot_count; i++) {
        struct mem_dirent *e = d->slots[i].entry;
        if (e) {
            if (e->inode) {
                inode_put(e->inode);
            }
            free(e);
        }
    }
    free(d->slots);
    hash_free(&d->names);
    memdir_init(d);
}

struct mem_dirent *memdir_find(const struct memdir *d, const struct name *name)
{
    uint64_t hash = hash_bytes(name->text, name->size, 0);
    for (struct hash_node *n = hash_chain(&d->names, hash); n; n = n->next) {
        struct mem_dirent *e = container_of(n, struct mem_dirent, hash);
        if (n->hash == hash && e->size == name->size &&
            memcmp(e->name, name->text, name->size) == 0) {
            return e;
        }
    }
    return NULL;
}

static void squeeze(struct memdir *d)
{
    size_t to = 0;
    for (size_t from = 0; from < d->slot_count; from++) {
        if (d->slots[from].entry) {
            d->slots[to] = d->slots[from];
            d->slots[to].entry->slot = to;
            to++;
        }
    }
    d->slot_count = to;
}

static int reserve_slot(struct memdir *d)
{
    if (d->slot_count < d->capacity) {
        return 0;
    }
    if (d->capacity && d->names.count <= d->capacity / 2) {
        squeeze(d);
        return 0;
    }
    size_t capacity = d->capacity ? d->capacity * 2 : 8;
    struct memdir_slot *slots = realloc(d->slots, capacity * sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    d->slots = slots;
    d->capacity = capacity;
    return 0;
}

static int add_entry(struct memdir *d, const struct name *name, struct mem_dirent **out)
{
    if (reserve_slot(d) < 0) {
        return -ENOMEM;
    }
    struct mem_dirent *e = malloc(sizeof(*e) + name->size + 1);
    if (!e || hash_insert(&d->names, &e->hash, hash_bytes(name->text, name->size, 0)) < 0) {
        free(e);
        return -ENOMEM;
    }
    e->inode = NULL;
    e->covers_lower = false;
    e->size = (uint16_t)name->size;
    memcpy(e->name, name->text, name->size);
    e->name[name->size] = '\0';
    e->slot = d->slot_count++;
    d->slots[e->slot] = (struct memdir_slot){.cookie = ++d->last_cookie, .entry = e};
    *out = e;
    return 0;
}

int memdir_set(struct memdir *d, const struct name *name, struct inode *inode, bool covers_lower)
{
    struct mem_dirent *e = memdir_find(d, name);
    if (!e) {
        int r = add_entry(d, name, &e);
        if (r < 0) {
            return r;
        }
    }
    struct inode *old = e->inode;
    e->inode = inode ? inode_get(inode) : NULL;
    e->covers_lower |= covers_lower;
    d->live += (inode != NULL) - (old != NULL);
    if (old) {
        inode_put(old);
    }
    return 0;
}

void memdir_remove(struct memdir *d, struct mem_dirent *e)
{
    hash_remove(&d->names, &e->hash);
    d->slots[e->slot].entry = NULL;
    if (e->inode) {
        d->live--;
        inode_put(e->inode);
    }
    free(e);
}

size_t memdir_seek(const struct memdir *d, int64_t cookie)
{
    size_t low = 0, high = d->slot_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (d->slots[mid].cookie < cookie) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}
