/*
 * Stamps: numbers that say when something last changed on which the answer to a lookup may depend. Whoever keeps such an answer
 * (sentry/task/names.c) notes the last stamp that was given before the lookup began, and where the stamps of all that it met are; the
 * answer holds while none of them is newer.
 *
 * So a stamp is given when a change is made, or after it with no sleep in between, by those who store it: inodes for
 * attributes (inode_changed), the dentry cache for names (name_changed), fd tables, and working directories. What can
 * change the way to many names at once, as moving a directory does, stamps everything. Things share stamps by hash.
 * Nothing is stamped until somebody keeps answers, nor in file systems of which nothing is ever kept.
 */
#pragma once

#include "lib/hash.h"
#include "sentry/vfs/inode.h"

#define STAMP_PLACES 1024
struct stamps { /* guests may see it: platform/names_page.h */
    uint64_t everything;
    uint64_t pad[7];
    uint64_t of[STAMP_PLACES]; /* [0] is never used */
};
extern struct stamps *g_stamps; /* NULL: nobody keeps anything */
extern uint64_t g_last_stamp;
/* From now on stamps are given, and shown in s. */
void stamps_start(struct stamps *s);
/* A number for stamp_place, for what has none that lasts as long as its name. */
uint32_t stamp_new_id(void);

/*
 * The place of a thing's stamp; aspect tells several stamps of one thing apart. Guests see places and stamps, so they are made
 * of numbers, not of addresses; and the key keeps from them which place is whose.
 */
extern uint64_t g_stamp_key;
static inline uint16_t stamp_place(uint64_t id, uint64_t number, unsigned aspect)
{
    uint16_t place = hash_u64(hash_u64(number ^ g_stamp_key) + id * 4 + aspect) % STAMP_PLACES;
    return place ? place : 1;
}
/* By number, not by address, also because an inode may be forgotten and made again. */
static inline uint16_t stamp_of_inode(const struct inode *inode)
{
    return stamp_place(inode->sb->dev, inode->ino, 0);
}
/* Of all names in dir; of one; of those that are missing there, and may come without its knowing. */
static inline uint16_t stamp_of_names(const struct inode *dir)
{
    return stamp_place(dir->sb->dev, dir->ino, 1);
}
static inline uint16_t stamp_of_name(const struct inode *dir, const char *text, size_t size)
{
    return stamp_place(hash_bytes(text, size, dir->sb->dev), dir->ino, 1);
}
static inline uint16_t stamp_of_missing(const struct inode *dir)
{
    return stamp_place(~(uint64_t)dir->sb->dev, dir->ino, 1);
}
/* table: fd_table_id. */
static inline uint16_t stamp_of_fd(uint32_t table, int fd)
{
    return stamp_place(table, (uint64_t)fd, 2);
}
/* Of what stamp_new_id gave a number. */
static inline uint16_t stamp_of_id(uint32_t id)
{
    return stamp_place(id, 0, 3);
}

/* Nothing at these places has changed after stamp since. Stamps are given. */
static inline bool stamps_hold(uint64_t since, const uint16_t *places, unsigned count)
{
    bool hold = g_stamps->everything <= since;
    for (unsigned i = 0; i < count; i++) {
        hold &= g_stamps->of[places[i]] <= since;
    }
    return hold;
}

static inline void stamp_at(uint16_t place)
{
    if (likely(g_stamps != NULL)) {
        __atomic_store_n(&g_stamps->of[place], ++g_last_stamp, __ATOMIC_RELEASE);
    }
}
static inline void stamp_everything(void)
{
    if (g_stamps) {
        __atomic_store_n(&g_stamps->everything, ++g_last_stamp, __ATOMIC_RELEASE);
    }
}
/* What stat shows of it has changed. */
static inline void inode_changed(const struct inode *inode)
{
    if (inode->sb->flags & SB_STEADY) {
        stamp_at(stamp_of_inode(inode));
    }
}
/* The name in dir came, went, or leads elsewhere. */
static inline void name_changed(const struct inode *dir, const char *text, size_t size)
{
    if (g_stamps && dir->sb->flags & SB_STEADY) {
        stamp_at(stamp_of_names(dir));
        stamp_at(stamp_of_name(dir, text, size));
    }
}
/* What was missing in dir may be found from now on, and nobody is told by name. */
static inline void missing_changed(const struct inode *dir)
{
    if (dir->sb->flags & SB_STEADY) {
        stamp_at(stamp_of_names(dir));
        stamp_at(stamp_of_missing(dir));
    }
}
