/*
 * What a guest process and the sentry share about leased files: open regular files whose reads and writes the guest's side
 * serves by itself, from a mapping of the bytes. Written by both; for the sentry all of it is hostile.
 *
 * A lease is served from while its position word has LEASE_VALID. The sentry takes it back by exchanging that word, and the
 * size, for "nobody's": from then on every attempt ends at a compare-and-swap that fails. See sentry/task/lease.c.
 * Whoever looks at a lease reads its word first, and then once more which lease the fd has: places are used again soon.
 */
#pragma once

#include <stdint.h>

#include "platform/names_page.h"

#define LEASE_MAX       64
#define LEASE_FD_MAX    4096          /* fds from here on are not leased */
#define LEASE_BYTES_MAX (256UL << 20) /* larger files neither */
/* Most leases are for files of up to LEASE_SMALL bytes; the last few for larger ones. */
#define LEASE_SMALL     (16UL << 20)
#define LEASE_SMALL_MAX 56

/* The first so many leases have room for a copy of their files' bytes, each so much. */
#define LEASE_ROOMS 48U
#define LEASE_ROOM  0x20000UL

/* The position word: LEASE_VALID, a generation, the file's position. */
#define LEASE_VALID  (1UL << 63)
#define LEASE_CLOSED (1UL << 62) /* instead of LEASE_VALID: the process has closed the fd */
/* Prepared opens: instead of LEASE_VALID, the process may open it; beside LEASE_VALID, it did, and the sentry does not know yet. */
#define LEASE_READY       (1UL << 61)
#define LEASE_OPENED      (1UL << 60)
#define LEASE_GENERATION  (1UL << 40)
#define LEASE_GENERATIONS (1U << 20)
#define LEASE_POSITION    (LEASE_GENERATION - 1)
#define LEASE_NO_SIZE     UINT64_MAX

/* Files of which one thing is known, without a lease of their own in the page: */
#define LEASE_IDLE          255 /* an epoll set of which nothing is ready */
#define LEASE_NULL          240 /* /dev/null; + LEASE_READ, LEASE_WRITE as it was opened */
#define LEASE_ZERO          244 /* /dev/zero, likewise */
#define LEASE_DEVICE(lease) ((lease) >= LEASE_NULL && (lease) < LEASE_ZERO + 4)

/* Pipes: LEASE_RING + 2 * index of the ring, + 1 for an end that writes. */
#define LEASE_RING 128
#define RING_MAX   16
/* Event counters: LEASE_COUNTER + index of the ring whose write_word has the count instead of a position. */
#define LEASE_COUNTER 160
#define RING_DATA     65536UL

/* A position word of a ring: RING_VALID, RING_LOCKED while somebody copies, a generation, bytes moved so far. */
#define RING_VALID       (1UL << 63)
#define RING_LOCKED      (1UL << 62)
#define RING_SHIFT       48
#define RING_GENERATIONS (1U << 14)
#define RING_POSITION    ((1UL << RING_SHIFT) - 1)

#define COUNTER_NONBLOCK  1U
#define COUNTER_SEMAPHORE 2U

struct platform_ring {
    uint64_t write_word;
    uint32_t data_seq, readers_waiting; /* futex: there are more bytes, or the lease ended */
    uint32_t counter_flags;             /* COUNTER_... */
    uint32_t counter_used;              /* by its processes, since it was given */
    uint8_t pad1[40];
    uint64_t read_word;
    uint32_t space_seq, writers_waiting; /* futex: there is more room, or the lease ended */
    uint8_t pad2[4096 - 64 - 16];
    uint8_t data[RING_DATA];
};
_Static_assert(sizeof(struct platform_ring) == 4096 + RING_DATA, "whole pages");

#define LEASE_OPEN_FDS  64U
#define LEASE_OPENED_FD (LEASE_OPEN_FDS - 1) /* of platform_lease.opened */
/* O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_NOFOLLOW, O_LARGEFILE: what may stand beside O_RDONLY */
#define LEASE_OPEN_FLAGS 02504400U

#define LEASE_READ   1U
#define LEASE_WRITE  2U
#define LEASE_APPEND 4U
/* close is served, too: it puts LEASE_CLOSED into the position word, and the lease's bit into closes. */
#define LEASE_CLOSABLE 8U
#define LEASE_EXEC     16U  /* it may be mapped to be executed */
#define LEASE_FILLED   32U  /* the process fills it: by STUB_FD_WRITE where it has no pages yet */
#define LEASE_COPIES   128U /* a private mapping to be read may be a copy of the bytes */
/*
 * A directory: of its position only so much is known; at DIRECTORY_START all of it, if bytes is not 0, are size bytes of what
 * getdents64 gives. That, and stat, hold while the stamps of deps, and the one of everything, are not newer than since.
 */
#define LEASE_DIRECTORY     64U
#define DIRECTORY_START     0U
#define DIRECTORY_END       1U
#define DIRECTORY_ELSEWHERE 2U

/*
 * What the process did to its fds of directories: a log, in which close and dup follow each other as they were made, while it
 * is LOG_GRANTED. An entry: LOG_CLOSE or LOG_DUP, the fd, and for LOG_DUP << 8 its copy's.
 */
#define LOG_MAX     32U
#define LOG_GRANTED (1UL << 63)
#define LOG_COUNT   UINT32_MAX
#define LOG_CLOSE   0x10000U
#define LOG_DUP     0x20000U
#define LOG_CLOEXEC 0x40000U /* of the copy */

struct platform_lease {
    uint64_t position;
    uint64_t size;       /* of the file; LEASE_NO_SIZE: taken back */
    uint64_t capacity;   /* bytes that can be reached through the mapping; 0: there is none */
    uint64_t written_at; /* time stamp counter at the last write; 0: none */
    uint32_t flags;      /* LEASE_READ ... */
    uint32_t stat_valid; /* stat is what fstat would say */
    uint8_t stat[144];   /* struct stat */
    uint32_t kept;       /* the number by which the process may map the file privately; 0: none */
    uint32_t uses;       /* calls that were served: whether the next lease is worth it */
    uint32_t name_hash;  /* of a prepared open: platform_name.hash of its name */
    uint32_t opened;     /* with LEASE_OPENED: the fd, and open's flags */
    uint32_t bytes; /* 1 + where a copy of all of the file lies in LEASE_BYTES; 0: there is none */
    uint32_t
        key; /* of a directory: names that begin there are kept under this, whichever fd leads to it */
    uint64_t since; /* of a directory: the last stamp from before all this was learned */
    uint16_t deps[2];
    uint32_t touch;   /* reading the copy changes the access time, */
    int64_t accessed; /* ... of which the process notes here when it was, in ns; 0: not yet */
    uint8_t pad2[24];
};
_Static_assert(sizeof(struct platform_lease) == 256, "four cache lines");

#define LEASE_STAT_INO_AT   8  /* st_ino in platform_lease.stat, */
#define LEASE_STAT_ATIME_AT 72 /* ... and st_atim */

/* Another generation, and nothing else. */
static inline uint64_t lease_next(uint64_t word)
{
    return (word + LEASE_GENERATION) & (LEASE_GENERATIONS - 1) * LEASE_GENERATION;
}
static inline uint64_t lease_room(unsigned index)
{
    return index < LEASE_SMALL_MAX ? LEASE_SMALL : LEASE_BYTES_MAX;
}
/* Of lease index's bytes, from the first lease's on. */
static inline uint64_t lease_offset(unsigned index)
{
    return index < LEASE_SMALL_MAX
               ? index * LEASE_SMALL
               : LEASE_SMALL_MAX * LEASE_SMALL + (index - LEASE_SMALL_MAX) * LEASE_BYTES_MAX;
}

/*
 * Where the process may make files by noting it (platform/notes.h): names in one directory, as they are written, begin with path's
 * first prefix bytes, and from dirfd (as platform_name.dirfd). The sentry writes this while the process waits for it. What has no bits in
 * filter is not there; both put names in.
 */
#define CREATE_FILTER_BITS 2048U
struct platform_creates {
    uint32_t granted, prefix;
    uint64_t since; /* the way there holds while the stamps of deps are not newer */
    uint16_t deps[NAME_DEPS];
    uint32_t dirfd;
    uint32_t rights; /* NOTE_MAY_... of such files */
    uint32_t pad;
    uint64_t path[NAME_WORDS];
    uint64_t filter[CREATE_FILTER_BITS / 64];
};
static inline uint64_t platform_create_hash(const char *name, uint64_t size)
{
    uint64_t h = size;
    for (uint64_t i = 0; i < size; i++) {
        h = (h ^ (uint8_t)name[i]) * 0x9e3779b97f4a7c15UL;
        h ^= h >> 32;
    }
    return h;
}
static inline void platform_creates_add(struct platform_creates *c, uint64_t hash)
{
    for (int i = 0; i < 2; i++, hash >>= 20) {
        uint64_t bit = hash % CREATE_FILTER_BITS;
        c->filter[bit / 64] |= 1UL << bit % 64;
    }
}
static inline int platform_creates_has(const volatile struct platform_creates *c, uint64_t hash)
{
    uint64_t first = hash % CREATE_FILTER_BITS, second = (hash >> 20) % CREATE_FILTER_BITS;
    return c->filter[first / 64] >> first % 64 & c->filter[second / 64] >> second % 64 & 1;
}

/*
 * Record locks that the process has set and dropped on the file of one lease, since nobody else has any there: a log, while it is
 * LOG_GRANTED. type: F_RDLCK, F_WRLCK or F_UNLCK.
 */
#define LOCKS_MAX 16U
struct platform_lock {
    int64_t start, end; /* inclusive; INT64_MAX: wherever the file ends */
    uint32_t type, pad;
};

struct platform_lease_page {
    uint8_t lease_of[LEASE_FD_MAX]; /* 0, 1 + index into leases, or LEASE_IDLE */
    uint64_t closes; /* leases whose fds the process has closed, or opened: a bit each */
    /*
     * The process may open what is prepared, as the lowest of these fds that is free: all below open_limit. Kept by
     * both sides: by the process when it opens and closes by itself, else by the sentry. open_limit 0: it may not.
     */
    uint64_t free_fds;
    uint32_t open_limit; /* at most LEASE_OPEN_FDS */
    uint32_t pad1;
    uint64_t
        logged; /* LOG_GRANTED, and how many entries log has: the sentry takes them by setting that to 0 */
    uint64_t log_closed; /* fds that are closed in it, a bit each; the process's own note */
    uint8_t pad2[24];
    uint32_t log[LOG_MAX];
    uint64_t libraries[64]; /* no files: the engine's own, struct stub_libraries */
    struct platform_lease leases[LEASE_MAX];
    struct platform_names names; /* no files: names_page.h */
    struct platform_creates creates;
    uint64_t
        lock_word; /* LOG_GRANTED, and how many locks has: the sentry takes them by setting that to 0 */
    uint32_t lock_lease; /* 1 + index of the lease */
    uint32_t pad3;
    struct platform_lock locks[LOCKS_MAX];
};
_Static_assert(sizeof(struct platform_lease_page) <= 0x20000, "one channel slot");
