/* What the kinds of leases share: lease.c (when), lease_file.c, lease_pipe.c. */
#pragma once

#include <x86intrin.h>

#include "platform/platform.h"
#include "sentry/base/timer.h"
#include "sentry/task/lease.h"
#include "sentry/vfs/fdtable.h"
#include "sentry/vfs/lease.h"

/* After so many holds in a row between which the processes did nothing by themselves, a lease is a burden. */
#define LEASE_TIRED_OF 32
/* Calls on one file before it is leased: granting costs as much; a loader makes 4 or 5 on each library. */
#define LEASE_WORTH_IT 8
/* f->lease_heat of a file whose lease was: so many more calls until it is leased again. */
#define LEASE_TIRED (-1000)

struct ring_lease;

/* Both clocks at one moment. The time comes first: what is made of it is rather too early than too late, as Linux's is. */
struct clock_pair {
    int64_t ns;
    uint64_t tsc;
};
static inline struct clock_pair clock_pair_now(void)
{
    struct clock_pair now = {.ns = ktime_realtime_ns()};
    now.tsc = __rdtsc();
    return now;
}
/* When the time stamp counter was tsc; now, if that was not between the two. */
static inline int64_t clock_pair_ns(const struct clock_pair *since, const struct clock_pair *now,
                                    uint64_t tsc)
{
    if (tsc <= since->tsc || tsc >= now->tsc || now->ns <= since->ns) {
        return now->ns;
    }
    double part = (double)(tsc - since->tsc) / (double)(now->tsc - since->tsc);
    return since->ns + (int64_t)(part * (double)(now->ns - since->ns));
}

/* By which a change of attributes is known: others come with one of ctime. */
struct inode_mark {
    uint32_t nlink;
    int64_t size, atime_ns, mtime_ns, ctime_ns;
};
static inline struct inode_mark inode_mark(const struct inode *i)
{
    return (struct inode_mark){i->nlink, i->size, i->atime_ns, i->mtime_ns, i->ctime_ns};
}
static inline bool inode_mark_holds(const struct inode_mark *m, const struct inode *i)
{
    return i->nlink == m->nlink && i->size == m->size && i->atime_ns == m->atime_ns &&
           i->mtime_ns == m->mtime_ns && i->ctime_ns == m->ctime_ns;
}

struct regular_lease {
    struct file_lease base;
    struct lease_table *table;
    struct file *file; /* borrowed: its fd's closing ends the lease */
    unsigned index;
    uint64_t
        mapped; /* bytes of address space in the stub; 0: it is a light one, of a file that was just opened */
    uint64_t capacity; /* bytes of the file that it can reach, as published */
    bool writable;
    bool outgrown;      /* it ended because the mapping is too small */
    bool frozen;        /* lease_terms.frozen */
    bool closable;      /* as it is out now */
    bool prepared;      /* no fd leads to file yet: lease_open.c */
    bool owned;         /* file is not borrowed, but a reference */
    bool copied;        /* of a memory file: the process has nothing but a copy of its bytes */
    bool claimed;       /* prepared; it was taken over after the process had opened it: */
    uint32_t opened;    /* ... platform_lease.opened */
    uint32_t name_hash; /* prepared: platform_lease.name_hash */
    uint32_t bytes;     /* platform_lease.bytes */
    uint32_t kept;      /* the process has the file by that number, and may map it; 0: not */
    bool stat_given;    /* stat, as it is out now, is made of this: */
    struct inode_mark stat_of;
    unsigned idle_holds; /* in a row */
    unsigned locked;     /* calls that set or dropped a lock: lease_locks.c */
    uint64_t word;       /* position word as it was given */
    struct clock_pair given_at;
    struct list
        closed_link; /* the process has closed it: lease_table.closed, with a reference; or opened: claimed */
    int closed_fd;
};

/* The leases of one address space; they go by the fds of one table. */
struct lease_table {
    struct list all_link;
    struct platform_lease_page *page;         /* the platform's; lives as long as the space */
    const struct fd_table *files;             /* whose fds they are */
    struct regular_lease *regular[LEASE_MAX]; /* NULL: free */
    uint64_t stale[LEASE_MAX];                /* bytes still mapped for a lease that ended */
    uint64_t kept[LEASE_MAX];                 /* of them, memory that may be kept alive so */
    uint64_t stale_bytes;                     /* all of kept */
    struct regular_lease *writer;             /* the one whose file the process fills; or NULL */
    struct platform_space *space;             /* borrowed: its memory has the page */
    int worth;                                /* calls on a file before it is leased for writing */
    struct ring_lease *rings[RING_MAX];
    bool stale_rings[RING_MAX]; /* still mapped */
    bool busy;         /* a thread of the process maps or unmaps: free places are its alone */
    bool unmap_wanted; /* ... and it shall unmap all that is stale when it is done */
    struct regular_lease *locker; /* whose file the process locks; or NULL */
    int locker_pid;
    struct list facts;
    struct fd_closes closes;
    struct note_table *notes; /* owned, or NULL */
    struct list closed;  /* regular_lease.closed_link: ended, but the fd is still to be closed */
    struct list claimed; /* the same, but the fd is still to be opened */
    uint32_t copied[LEASE_ROOMS]; /* bytes of each room that were used: lease_copy_bytes */
    bool reads_opened;            /* what it opens now, it is going to read */
    unsigned next_prepared;       /* place that is used again next */
    uint32_t generation;
    unsigned fd_heat;     /* questions about fds */
    unsigned directories; /* opened */
    bool replaying;       /* fds are closed because the process has done so */
    int listings;         /* how many may come with an open; what is used pays for more */
};

/* t's table, made when it is missing; NULL: this engine has none, or no memory. */
struct lease_table *lease_table_of(struct task *t);
/* The lease page goes by fd: the address space and the fd table must have the same users. */
bool lease_allowed(const struct task *t);

/* After t slept: is table still t's? Does fd still lead to f, which another thread may have closed? */
bool lease_has_table(const struct task *t, const struct lease_table *table);
/* The same also for a task that is to die: what it has in the table must be put right. */
bool lease_owns_table(const struct task *t, const struct lease_table *table);
bool lease_leads_to(const struct task *t, int fd, const struct file *f);
/* The end of what began with busy: unmaps if that is wanted. Context: may block. */
void lease_table_unlock(struct task *t, struct lease_table *table);

/* fd of t, on a regular file, was read, written ... with success (result); nr: SYS_.... Context: may block. */
void lease_consider_regular(struct task *t, struct file *f, int fd, long nr, long result);
/* The same for a pipe. */
void lease_consider_pipe(struct task *t, struct file *f, int fd);
/* Unmaps what is left of ended leases: all (-1), or one of a regular file. Context: may block; the caller is busy. */
void lease_unmap_stale(struct task *t, struct lease_table *table, int only);
/* What was mapped there while t's table went (lease_leave). index: as platform_lease_unmap's. Context: may block. */
void lease_unmap_lost(struct task *t, unsigned index);
void lease_set_stale(struct lease_table *table, unsigned index, uint64_t mapped, uint64_t kept);
/* t has just opened f for reading, as fd. */
void lease_consider_opened(struct task *t, struct file *f, int fd);
/* May f, a regular file, be leased to t as far as they are concerned? */
bool lease_may_have(const struct task *t, const struct file *f);
/* A place for so many bytes; -1: none. */
int lease_free_index(const struct lease_table *table, uint64_t size);
/* Makes l, which is filled in but for base, the lease of f as fd of t (-1: none yet). Consumed. */
void lease_install(struct task *t, struct file *f, int fd, struct regular_lease *l,
                   const struct lease_terms *terms);
/* Somebody else has the bytes in a way that excludes a lease of f. */
bool lease_has_rival(const struct file *f);
/* What fstat says goes to the process. */
void lease_publish_stat(struct regular_lease *l);
static inline struct platform_lease *lease_page_of(const struct regular_lease *l)
{
    return &l->table->page->leases[l->index];
}

/* t's process will ask about its fds. */
void lease_show_fds(struct task *t);

/* lease_close.c: descriptors that the process closes by itself. */
void lease_closes_init(struct lease_table *table, struct fd_table *files);
/* May l's process close it by itself? */
bool lease_is_closable(const struct regular_lease *l);
/* l was taken over, and had been closed. */
void lease_note_closed(struct regular_lease *l);
/* What the process closed and opened by itself, the fd table knows then. */
void lease_settle(struct lease_table *table);
/* All leases have ended; the table is about to go. */
void lease_closes_end(struct lease_table *table);

/*
 * A library that the process keeps from another one's start: it maps it by itself, so what /proc/PID/maps will say is noted now.
 * Return: its number, or 0.
 */
uint32_t lease_kept_number(struct task *t, const struct file *f, const struct lease_terms *terms);

/* lease_open.c: descriptors that the process opens by itself. */
/*
 * Puts all of a small file where the process of a lease at that place has it without asking, if that takes no waiting. Each place has
 * its own room, and the lease that was there before has ended: who still copies from it finds that at its compare-and-swap.
 * Return: platform_lease.bytes.
 */
uint32_t lease_copy_bytes(struct task *t, unsigned place, struct file *f,
                          const struct lease_terms *terms);
/* The process is about to lose rights with which it got copies: they are wiped, and nothing is read from there any more. */
void lease_forget_copies(struct lease_table *table);
/*
 * Opens p for t's process, ahead, to be taken by a name with that hash. copy_max: of no more bytes it gets a copy, to be read without
 * a trip. Doesn't block. Return: platform_name.open; 0: no.
 */
unsigned lease_open_prepare(struct task *t, const struct path *p, uint32_t hash, size_t copy_max);
/* What was prepared in that way; 0: nothing. */
unsigned lease_open_known(const struct task *t, const struct inode *inode, uint32_t hash);
/* t's table, if its process may have something prepared. Made when it is missing; NULL: not. */
struct lease_table *lease_open_table(struct task *t);
/* t's process may use from now on what was prepared. */
void lease_open_offer(struct task *t);
/* The bytes of l, a copy, are still the file's, and its attributes what they were: it is given again. */
bool lease_copy_holds(const struct regular_lease *l, struct lease_terms *terms);
/* What the process's reading changed of the file's attributes is the file's. */
void lease_take_touch(struct file_lease *base);
/* A process other than table's (NULL: there is none) may change inode's attributes by reading, without telling. */
bool lease_touches_elsewhere(const struct lease_table *table, const struct inode *inode);
/* It hardly opens what was prepared: telling it what is free costs more than that saves. */
void lease_open_retract(struct task *t);
/* A prepared one was taken over; word: its position word. */
void lease_open_taken(struct regular_lease *l, uint64_t word);
/* Of those whose bits are set, what the process has opened becomes the table's. */
void lease_open_settle(struct lease_table *table, uint64_t bits);
/* Nothing is prepared any more. */
void lease_open_withdraw(struct lease_table *table);
/* The owner's part of lease_free. */
void lease_open_disown(struct regular_lease *l);

/* lease_locks.c: the locks that the process has set on l's file by itself become the file's. Return: whether there were any. */
bool lease_locks_take(struct regular_lease *l);
/* l is given to its process: it may set locks on the file, if that is worth it. */
void lease_locks_give(struct regular_lease *l);
/* t's process has set or dropped a lock by fd. */
void lease_locks_called(struct task *t, int fd);

void lease_end_regular(struct lease_table *table);
void lease_end_rings(struct lease_table *table);
/* The process is about to lose the files that it keeps. */
void lease_end_kept(struct lease_table *table);

/* lease_directory.c: t has just opened f, a directory, as fd. Context: may block. */
void lease_consider_directory(struct task *t, struct file *f, int fd);
/* t's process is going to open directories, and to read them. */
void lease_expect_directories(struct task *t);
/* It has read one that has no listing. */
void lease_directory_read(struct task *t);
/* By which names that begin at fd are kept for t's process: platform_name.dirfd. */
uint32_t lease_directory_key(const struct task *t, int fd);
/* What the process did to fds of directories. */
void lease_directory_settle(struct lease_table *table);
/* The process, which is in a system call and settled, may do so. */
void lease_directory_offer(struct lease_table *table);
/* It may not any more. */
void lease_end_directories(struct lease_table *table);

/* notes.c: what the process notes instead of calling. t has just opened f as fd. */
void notes_consider(struct task *t, struct file *f, int fd);
/* Takes what was noted if somebody else than the process's own call asks, and closes what was closed. */
void notes_settle(struct lease_table *table);
/* Nothing more may be noted of the files that are open. */
void notes_end_all(struct lease_table *table);
/* The same in all processes, for who needs the room that is kept for what they may yet note. */
void lease_yield_room(void);
/* The system call is about to be answered. */
void notes_replied(struct lease_table *table);
/* The process is about to have another thread, or to share its memory. */
void notes_new_thread(struct lease_table *table);
bool notes_are_out(const struct lease_table *table);
/* Just now, on the way to something else: other notes are left alone then. */
bool notes_are_applied(void);
/* Of all processes; of one: descriptors whose close was noted go now. Context: may block. */
void lease_drop_closed(void);
void notes_drop_closed(struct lease_table *table);
void notes_free(struct lease_table *table);
/* notes_create.c: files that the process makes by noting it. It does, or may; it may not any more. */
bool notes_may_create(const struct lease_table *table);
void notes_end_creates(struct lease_table *table);
/* nr: the call that is done, or -1. */
void notes_call_done(struct task *t, long nr);
bool lease_is_note(const struct file_lease *l);
/* Somebody had rather have inode's attributes without asking: whoever notes changes of it has to make them from now on. */
void notes_give_way(struct inode *inode);
