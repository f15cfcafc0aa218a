/*
 * Kept lookups: what the sentry answered when a guest process asked for the attributes of a name, so that the guest's side
 * can answer the same question by itself (platform/stub/names.c). They lie behind the leases in the process's lease page.
 * The sentry writes them (sentry/task/names.c) and never reads them back; what the guest spoils is its own. The one word that it does
 * read says how often names were used that nobody had asked for: a hint, which decides how many more of them come.
 *
 * A lookup holds until a stamp says otherwise. Stamps are counters in the page that guests can only read
 * (struct platform_stamps); each change in the kernel gives the stamp of what was changed a new, larger number. A kept lookup has the
 * number that was the last one before it began, and the places of the stamps of all that it depends on.
 */
#pragma once

#include <stdint.h>

#define STAMP_COUNT 1024
struct platform_stamps {
    uint64_t everything; /* directories moved, mounts, rights of directories */
    uint64_t pad[7];
    uint64_t of[STAMP_COUNT]; /* by hash of what was changed; the first is never changed */
};

#define NAME_KEY   0x40000000U /* no fd is so large */
#define NAME_WORDS 14          /* 8 bytes each: the longest name that is kept, with its NUL */
#define NAME_DEPS  6           /* stamps that a lookup may depend on */

/* struct platform_name.classes */
#define NAME_FOLLOW   1U /* holds for calls that follow a link at the end */
#define NAME_NOFOLLOW 2U /* and for calls that don't */
/* struct platform_name.flags */
#define NAME_ABSENT     1U /* ENOENT */
#define NAME_ACCESS     2U /* access(2) sees it as stat does: real and effective ids are the same */
#define NAME_HAS_BTIME  4U
#define NAME_MOUNT_ROOT 8U
#define NAME_AHEAD      16U /* came unasked */
#define NAME_FIRST      32U /* the same, because other processes of the program asked for it */

struct platform_name {
    uint32_t seq; /* odd while the sentry writes */
    uint32_t hash;
    uint64_t since; /* the last stamp given before the lookup began */
    uint16_t deps[NAME_DEPS];
    uint32_t
        dirfd; /* where it starts; AT_FDCWD for an absolute name; of a leased directory NAME_KEY, and its platform_lease.key */
    uint8_t classes, flags;
    uint8_t may;      /* MAY_*: what access(2) grants */
    uint8_t no_label; /* errno for attributes in security.: it has none; 0: not known */
    uint8_t no_acl;   /* the same for ACLs */
    uint8_t open;     /* 0, or 1 + index of the lease with which it may be opened: LEASE_READY */
    uint8_t pad[2];

    uint64_t dev, ino, size, blocks;
    int64_t seconds[4]; /* atime, mtime, ctime, btime */
    uint32_t nanoseconds[4];
    uint32_t mode, nlink, uid, gid, blksize, mount_id;

    uint64_t path[NAME_WORDS]; /* padded with zeroes */
};
_Static_assert(sizeof(struct platform_name) == 256, "four cache lines");

#define NAME_WAYS          4
#define NAME_SETS_MAX      96
#define NAME_TOUCHED_WORDS 8
struct platform_names {
    uint32_t sets;        /* in use; 0: nothing is kept */
    uint32_t ahead_uses;  /* counted by the guest */
    uint32_t ahead_opens; /* of them, names that were opened */
    uint32_t pad[13];
    /* Files that the process has read without telling (platform_lease.accessed): a bit each, by hash of the number. */
    uint64_t touched[NAME_TOUCHED_WORDS];
    uint64_t used[NAME_SETS_MAX * NAME_WAYS / 64]; /* entries that the process used: its own word */
    uint64_t pad2[10];
    struct platform_name kept[NAME_SETS_MAX][NAME_WAYS];
};

/* Of a name that begins at dirfd. */
static inline uint32_t platform_name_hash(const uint64_t *words, unsigned count, uint32_t dirfd)
{
    uint64_t h = dirfd;
    for (unsigned i = 0; i < count; i++) {
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15UL;
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 17);
}
/* Of an inode's number, in platform_names.touched. */
static inline uint32_t platform_touched_bit(uint64_t ino)
{
    return (uint32_t)(ino * 0x9e3779b97f4a7c15UL >> 55);
}
static inline uint32_t platform_name_set(uint32_t hash, uint32_t sets)
{
    return (uint32_t)((uint64_t)hash * sets >> 32);
}
