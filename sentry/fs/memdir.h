/*
 * The names in a directory that lives in memory. See memdir.c.
 */
#pragma once

#include "lib/hash.h"
#include "sentry/vfs/inode.h"

struct mem_dirent {
    struct hash_node hash;
    struct inode
        *inode; /* ref; NULL: a whiteout, the name does not exist though a lower directory has it */
    size_t slot;       /* index into memdir.slots */
    bool covers_lower; /* a lower directory has the name, too: removing leaves a whiteout */
    uint16_t size;
    char name[]; /* NUL-terminated */
};
struct memdir_slot {
    int64_t cookie;           /* readdir position; increasing */
    struct mem_dirent *entry; /* NULL: removed */
};
struct memdir {
    struct hash_table names;
    struct memdir_slot *slots; /* owned */
    size_t slot_count, capacity;
    size_t live; /* entries that are not whiteouts */
    int64_t last_cookie;
};

void memdir_init(struct memdir *d);
/* Drops all names (references included). */
void memdir_free(struct memdir *d);
/* borrowed, whiteouts included; NULL: no such name here. */
struct mem_dirent *memdir_find(const struct memdir *d, const struct name *name);
/* name := inode (a reference is taken) or, with NULL, a whiteout. Errors: -ENOMEM, nothing changed. */
MUST_CHECK int memdir_set(struct memdir *d, const struct name *name, struct inode *inode,
                          bool covers_lower);
void memdir_remove(struct memdir *d, struct mem_dirent *e);
/* The first slot with a cookie >= cookie: an index to step from. */
size_t memdir_seek(const struct memdir *d, int64_t cookie);
