/*
 * Intrusive hash table with chained buckets that doubles when it fills. Entries embed struct
 * hash_node and compare themselves; the table owns only its bucket array.
 */
#pragma once

#include <stdbool.h>

#include "lib/macros.h"

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};
struct hash_table {
    struct hash_node **buckets; /* owned; a power of two of them, or NULL while empty */
    size_t bucket_count;
    size_t count;
};

/* 0 or -ENOMEM (only when the first bucket array can't be had). */
MUST_CHECK int hash_insert(struct hash_table *h, struct hash_node *n, uint64_t hash);
void hash_remove(struct hash_table *h, struct hash_node *n);
void hash_free(struct hash_table *h);
/* First node of the hash's chain; step with ->next and compare ->hash, then the key. */
static inline struct hash_node *hash_chain(const struct hash_table *h, uint64_t hash)
{
    return h->buckets ? h->buckets[hash & (h->bucket_count - 1)] : NULL;
}

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed); /* keyed: guests choose names */
static inline uint64_t hash_u64(uint64_t v)
{
    v ^= v >> 33;
    v *= 0xff51afd7ed558ccdULL;
    v ^= v >> 33;
    v *= 0xc4ceb9fe1a85ec53ULL;
    return v ^ (v >> 33);
}
