#include "lib/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BUCKETS 64

static void hash_grow(struct hash_table *h)
{
    size_t count = h->bucket_count ? h->bucket_count * 2 : FIRST_BUCKETS;
    struct hash_node **fresh = calloc(count, sizeof(*fresh));
    if (!fresh) {
        return; /* a full table is slow, not wrong */
    }
    for (size_t i = 0; i < h->bucket_count; i++) {
        struct hash_node *n = h->buckets[i];
        while (n) {
            struct hash_node *next = n->next;
            struct hash_node **slot = &fresh[n->hash & (count - 1)];
            n->next = *slot;
            *slot = n;
            n = next;
        }
    }
    free(h->buckets);
    h->buckets = fresh;
    h->bucket_count = count;
}

int hash_insert(struct hash_table *h, struct hash_node *n, uint64_t hash)
{
    if (2 * h->count >= h->bucket_count) {
        hash_grow(h);
        if (!h->buckets) {
            return -ENOMEM;
        }
    }
    struct hash_node **slot = &h->buckets[hash & (h->bucket_count - 1)];
    n->hash = hash;
    n->next = *slot;
    *slot = n;
    h->count++;
    return 0;
}

void hash_remove(struct hash_table *h, struct hash_node *n)
{
    if (!h->buckets) {
        return;
    }
    for (struct hash_node **p = &h->buckets[n->hash & (h->bucket_count - 1)]; *p; p = &(*p)->next) {
        if (*p == n) {
            *p = n->next;
            n->next = NULL;
            h->count--;
            return;
        }
    }
}

void hash_free(struct hash_table *h)
{
    free(h->buckets);
    *h = (struct hash_table){0};
}

/* A key drawn once a process: guests choose file names, and must not choose collisions. */
static uint64_t hash_key(void)
{
    static uint64_t key;
    if (!key) {
        if (getrandom(&key, sizeof(key), GRND_NONBLOCK) != sizeof(key)) {
            key = (uint64_t)(uintptr_t)&key;
        }
        key |= 1;
    }
    return key;
}

/* Up to 7 bytes, told apart together with how many there are. By loads: a call of memcpy would cost more than all the rest. */
static uint64_t tail_of(const unsigned char *p, size_t size)
{
    if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, p, sizeof(first));
        memcpy(&last, p + size - 4, sizeof(last));
        return first | (uint64_t)last << 32;
    }
    return size ? p[0] | (uint64_t)p[size / 2] << 8 | (uint64_t)p[size - 1] << 16 : 0;
}

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    const unsigned char *p = data;
    uint64_t h = hash_u64(hash_key() ^ seed) ^ size;
    while (size >= 8) {
        uint64_t v;
        memcpy(&v, p, sizeof(v));
        h = (h ^ v) * 0x9fb21c651e98df25ULL;
        h ^= h >> 35;
        p += 8;
        size -= 8;
    }
    return hash_u64(h ^ tail_of(p, size));
}
