/*
 * fd numbers. Analogous to Linux's fs/file.c: an array of files and two bitmaps (open,
 * close-on-exec) that double when a larger number is asked for. next_free is a lower bound of the
 * lowest free number, so that open() in a loop does not scan from 0 each time.
 *
 * The table's address is also the owner of POSIX record locks: closing any fd of a file drops what
 * the process locked in it (sentry/vfs/locks.c).
 */
#include "sentry/vfs/fdtable.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sentry/vfs/lease.h"
#include "sentry/vfs/locks.h"
#include "sentry/vfs/stamp.h"

#define FIRST_CAPACITY 64
#define WORD_BITS      64

struct fd_table {
    struct refcount ref;
    struct file **files; /* owned array of refs; capacity entries */
    uint64_t *open;      /* capacity / 64 words */
    uint64_t *cloexec;
    int capacity; /* a multiple of 64 */
    int next_free;
    struct fd_closes *closes; /* borrowed: bound; NULL */
    uint32_t *shown;          /* borrowed: to its process; NULL */
    struct list shown_link;
    uint32_t id; /* its own, ever */
};
static struct list g_shown = LIST_INIT(g_shown);

/* --- what the process closed by itself --- */

static void settle(const struct fd_table *t)
{
    struct fd_closes *c = t->closes;
    if (c && unlikely(c->waiting || __atomic_load_n(c->word, __ATOMIC_SEQ_CST) ||
                      __atomic_load_n(c->logged, __ATOMIC_SEQ_CST))) {
        c->settle(c);
    }
}

/*
 * The table has changed, and its process is told which fds are free. All is settled, and it is in a system call, so it does not
 * open or close by itself meanwhile. What is settled it knows already.
 */
static void tell_free(const struct fd_table *t)
{
    const struct fd_closes *c = t->closes;
    if (c && c->open_limit > 0) {
        uint64_t all = UINT64_MAX >> (WORD_BITS - c->open_limit);
        uint64_t used = t->capacity ? t->open[0] : 0;
        __atomic_store_n(c->free_fds, all & ~used, __ATOMIC_SEQ_CST);
    }
}

void fd_table_offer(struct fd_table *t, int limit)
{
    settle(t);
    if (t->closes) {
        t->closes->open_limit = MIN(limit, WORD_BITS);
        tell_free(t);
    }
}

void fd_table_settle(struct fd_table *t)
{
    settle(t);
}

bool fd_table_bind(struct fd_table *t, struct fd_closes *c)
{
    c->table = t->closes ? NULL : t;
    t->closes = t->closes ? t->closes : c;
    return c->table;
}

void fd_table_unbind(struct fd_closes *c)
{
    if (c->table) {
        take(&c->table)->closes = NULL;
    }
}

/* --- what the process sees --- */

static bool get_bit(const uint64_t *bits, int i)
{
    return bits[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

static void set_bit(uint64_t *bits, int i, bool on)
{
    uint64_t bit = 1ULL << (i % WORD_BITS);
    bits[i / WORD_BITS] = on ? bits[i / WORD_BITS] | bit : bits[i / WORD_BITS] & ~bit;
}

static uint32_t shown_kind(const struct file *f)
{
    uint32_t mode = f->inode->mode;
    return f->flags & O_PATH                                  ? 0
           : S_ISREG(mode) || S_ISDIR(mode)                   ? FD_SHOWN_PLAIN
           : S_ISFIFO(mode) || S_ISSOCK(mode)                 ? FD_SHOWN_STREAM
           : S_ISCHR(mode) && f->inode->rdev == makedev(1, 3) ? FD_SHOWN_NULL
                                                              : 0;
}

static uint32_t shown_word(const struct file *f, bool cloexec)
{
    return f ? FD_SHOWN | shown_kind(f) | (f->flags & ~FD_HIDDEN_FLAGS) |
                   (cloexec ? FD_SHOWN_CLOEXEC : 0)
             : 0;
}

static void show_fd(struct fd_table *t, int fd)
{
    if (t->shown && fd < FDS_SHOWN) {
        uint32_t word = shown_word(t->files[fd], get_bit(t->cloexec, fd));
        __atomic_store_n(&t->shown[fd], word, __ATOMIC_SEQ_CST);
    }
}

/* fd's close-on-exec bit as the process has it. */
static bool learn_fd(struct fd_table *t, int fd)
{
    uint32_t word =
        t->shown && fd < FDS_SHOWN ? __atomic_load_n(&t->shown[fd], __ATOMIC_SEQ_CST) : 0;
    if (word & FD_SHOWN) {
        set_bit(t->cloexec, fd, word & FD_SHOWN_CLOEXEC);
    }
    return get_bit(t->cloexec, fd);
}

static void learn_all(struct fd_table *t)
{
    for (int fd = fd_table_next(t, 0); t->shown && fd >= 0 && fd < FDS_SHOWN;
         fd = fd_table_next(t, fd + 1)) {
        learn_fd(t, fd);
    }
}

static void hide(struct fd_table *t)
{
    if (t->shown) {
        learn_all(t);
        memset(take(&t->shown), 0, FDS_SHOWN * sizeof(*t->shown));
        list_del(&t->shown_link);
    }
}

void fd_table_show(struct fd_table *t, uint32_t *words)
{
    if (!t->shown) {
        t->shown = words;
        list_add_tail(&t->shown_link, &g_shown);
        for (int fd = fd_table_next(t, 0); fd >= 0; fd = fd_table_next(t, fd + 1)) {
            show_fd(t, fd);
        }
    }
}

void fd_table_hide(const uint32_t *words)
{
    struct fd_table *t, *next;
    list_for_each_entry_safe (t, next, &g_shown, shown_link) {
        if (t->shown == words) {
            hide(t);
        }
    }
}

void fd_table_hide_fd(struct fd_table *t, int fd)
{
    if (t->shown && fd < FDS_SHOWN) {
        __atomic_store_n(&t->shown[fd], 0, __ATOMIC_SEQ_CST);
    }
}

void fd_tables_flags_changed(const struct file *f)
{
    struct fd_table *t;
    list_for_each_entry (t, &g_shown, shown_link) {
        for (int fd = 0; fd < MIN(t->capacity, FDS_SHOWN); fd++) {
            if (t->files[fd] == f) {
                /* In between the process asks, so it does not set close-on-exec. */
                uint32_t old = __atomic_exchange_n(&t->shown[fd], 0, __ATOMIC_SEQ_CST);
                if (old & FD_SHOWN) { /* else the table has the bit: fd_table_adopt */
                    old = shown_word(f, old & FD_SHOWN_CLOEXEC);
                    __atomic_store_n(&t->shown[fd], old, __ATOMIC_SEQ_CST);
                }
            }
        }
    }
}

/* --- the table --- */

/* Makes room for fd. Nothing is changed on failure. */
static int ensure_capacity(struct fd_table *t, int fd)
{
    if (fd < t->capacity) {
        return 0;
    }
    size_t capacity = t->capacity ? (size_t)t->capacity : FIRST_CAPACITY;
    while (capacity <= (size_t)fd) {
        capacity *= 2;
    }
    size_t words = capacity / WORD_BITS;
    struct file **files = calloc(capacity, sizeof(struct file *));
    uint64_t *open = calloc(words, sizeof(*open)), *cloexec = calloc(words, sizeof(*cloexec));
    if (!files || !open || !cloexec) {
        free(files);
        free(open);
        free(cloexec);
        return -ENOMEM;
    }
    if (t->capacity) {
        size_t old = (size_t)t->capacity;
        memcpy(files, t->files, old * sizeof(*files));
        memcpy(open, t->open, old / WORD_BITS * sizeof(*open));
        memcpy(cloexec, t->cloexec, old / WORD_BITS * sizeof(*cloexec));
    }
    free(t->files);
    free(t->open);
    free(t->cloexec);
    t->files = files;
    t->open = open;
    t->cloexec = cloexec;
    t->capacity = (int)capacity;
    return 0;
}

int fd_table_new(struct fd_table **out)
{
    struct fd_table *t = calloc(1, sizeof(*t));
    if (!t) {
        return -ENOMEM;
    }
    refcount_init(&t->ref);
    list_init(&t->shown_link);
    t->id = stamp_new_id();
    *out = t;
    return 0;
}

uint32_t fd_table_id(const struct fd_table *t)
{
    return t->id;
}

int fd_table_copy(struct fd_table *t, struct fd_table **out)
{
    struct fd_table *copy;
    settle(t);
    learn_all(t);
    int r = fd_table_new(&copy);
    if (r < 0) {
        return r;
    }
    int last = -1; /* a table that once was large is copied as small as it is now */
    for (int fd = fd_table_next(t, 0); fd >= 0; fd = fd_table_next(t, fd + 1)) {
        last = fd;
    }
    r = last >= 0 ? ensure_capacity(copy, last) : 0;
    if (r < 0) {
        fd_table_put(copy);
        return r;
    }
    for (int fd = 0; fd <= last; fd++) {
        if (t->files[fd]) {
            copy->files[fd] = file_get(t->files[fd]);
        }
    }
    if (last >= 0) {
        size_t words = (size_t)last / WORD_BITS + 1;
        memcpy(copy->open, t->open, words * sizeof(*t->open));
        memcpy(copy->cloexec, t->cloexec, words * sizeof(*t->cloexec));
    }
    copy->next_free = t->next_free;
    *out = copy;
    return 0;
}

struct fd_table *fd_table_get(struct fd_table *t)
{
    settle(t); /* whoever shares it from now on knows of no such thing */
    refcount_get(&t->ref);
    return t;
}

/* The number no longer leads to f; f: consumed. Context: may block (release of a host file). */
static void close_file(struct fd_table *t, int fd, struct file *f)
{
    file_end_lease(f, t, fd);
    if (!(f->flags & O_PATH)) {
        if (f->ops->flush) {
            f->ops->flush(f);
        }
        locks_remove_posix(f, t);
    }
    file_put(f);
}

/* Names that begin at a directory's number lead elsewhere from now on. */
static void stamp_fd(const struct fd_table *t, int fd, const struct file *old)
{
    if (S_ISDIR(old->inode->mode)) {
        stamp_at(stamp_of_fd(t->id, fd));
    }
}

/* Empties the slot and returns its file, or NULL. The process is not told: take_slot does that. */
static struct file *empty_slot(struct fd_table *t, int fd)
{
    struct file *f = t->files[fd];
    if (f) {
        stamp_fd(t, fd, f);
        t->files[fd] = NULL;
        set_bit(t->open, fd, false);
        set_bit(t->cloexec, fd, false);
        t->next_free = MIN(t->next_free, fd);
        show_fd(t, fd);
    }
    return f;
}

static struct file *take_slot(struct fd_table *t, int fd)
{
    struct file *f = empty_slot(t, fd);
    tell_free(t);
    return f;
}

void fd_table_put(struct fd_table *t)
{
    if (!refcount_put(&t->ref)) {
        return;
    }
    settle(t);
    if (t->closes) {
        fd_table_unbind(t->closes);
    }
    hide(t);
    for (int fd = fd_table_next(t, 0); fd >= 0; fd = fd_table_next(t, fd + 1)) {
        close_file(t, fd, take_slot(t, fd));
    }
    free(t->files);
    free(t->open);
    free(t->cloexec);
    free(t);
}

bool fd_table_shared(const struct fd_table *t)
{
    return t->ref.n > 1;
}

unsigned fd_table_users(const struct fd_table *t)
{
    return (unsigned)t->ref.n;
}

/* The lowest free number >= min; may be the capacity. */
static int find_free(const struct fd_table *t, int min)
{
    int from = MAX(min, t->next_free);
    for (int fd = from; fd < t->capacity; fd = ALIGN_DOWN(fd, WORD_BITS) + WORD_BITS) {
        uint64_t used = t->open[fd / WORD_BITS] | ((1ULL << (fd % WORD_BITS)) - 1);
        if (used != UINT64_MAX) {
            return ALIGN_DOWN(fd, WORD_BITS) + __builtin_ctzll(~used);
        }
    }
    return MAX(from, t->capacity);
}

bool fd_table_full(const struct fd_table *t, int limit)
{
    settle(t);
    return find_free(t, 0) >= limit;
}

static void fill_slot(struct fd_table *t, int fd, struct file *f, bool cloexec)
{
    t->files[fd] = file_get(f);
    set_bit(t->open, fd, true);
    set_bit(t->cloexec, fd, cloexec);
    show_fd(t, fd);
    tell_free(t);
}

bool fd_table_adopt(struct fd_table *t, int fd, struct file *f, bool cloexec)
{
    if (fd >= t->closes->open_limit || ensure_capacity(t, fd) < 0 || t->files[fd]) {
        return false;
    }
    /* It is not shown: the process may have closed it again, and opened another as that number. */
    t->files[fd] = file_get(f);
    set_bit(t->open, fd, true);
    set_bit(t->cloexec, fd, cloexec);
    return true;
}

int fd_table_install(struct fd_table *t, struct file *f, int min, int limit, bool cloexec)
{
    if (min < 0 || min >= limit) {
        return min >= 0 && limit <= 0 ? -EMFILE : -EINVAL;
    }
    settle(t);
    int fd = find_free(t, min);
    if (fd >= limit) {
        return -EMFILE;
    }
    int r = ensure_capacity(t, fd);
    if (r < 0) {
        return r;
    }
    fill_slot(t, fd, f, cloexec);
    if (min <= t->next_free) {
        t->next_free = fd + 1;
    }
    return fd;
}

int fd_table_install_at(struct fd_table *t, struct file *f, int fd, int limit, bool cloexec)
{
    if (fd < 0 || fd >= limit) {
        return -EBADF;
    }
    settle(t);
    int r = ensure_capacity(t, fd);
    if (r < 0) {
        return r;
    }
    /* The new file is in place before the old one goes: closing may block, and others look. */
    struct file *old = t->files[fd];
    fill_slot(t, fd, f, cloexec);
    if (old) {
        stamp_fd(t, fd, old);
        close_file(t, fd, old);
    }
    return fd;
}

static bool is_open(const struct fd_table *t, int fd)
{
    settle(t);
    return fd >= 0 && fd < t->capacity && t->files[fd];
}

int fd_table_lookup_any(struct fd_table *t, int fd, struct file **out)
{
    if (!is_open(t, fd)) {
        return -EBADF;
    }
    inode_hold_leases(t->files[fd]->inode);
    *out = file_get(t->files[fd]);
    return 0;
}

int fd_table_peek(struct fd_table *t, int fd, struct file **out)
{
    if (!is_open(t, fd)) {
        return -EBADF;
    }
    *out = file_get(t->files[fd]);
    return 0;
}

int fd_table_lookup(struct fd_table *t, int fd, struct file **out)
{
    if (!is_open(t, fd) || (t->files[fd]->flags & O_PATH)) {
        return -EBADF;
    }
    inode_hold_leases(t->files[fd]->inode);
    *out = file_get(t->files[fd]);
    return 0;
}

int fd_table_close(struct fd_table *t, int fd)
{
    if (!is_open(t, fd)) {
        return -EBADF;
    }
    close_file(t, fd, take_slot(t, fd));
    return 0;
}

struct file *fd_table_at(const struct fd_table *t, int fd)
{
    return fd >= 0 && fd < t->capacity ? t->files[fd] : NULL;
}

void fd_table_drop(struct fd_table *t, int fd, const struct file *f)
{
    if (fd < t->capacity && t->files[fd] == f) {
        close_file(t, fd, empty_slot(t, fd));
    }
}

void fd_table_close_range(struct fd_table *t, unsigned first, unsigned last)
{
    if (first > INT_MAX) {
        return;
    }
    for (int fd = fd_table_next(t, (int)first); fd >= 0 && (unsigned)fd <= last;
         fd = fd_table_next(t, fd + 1)) {
        close_file(t, fd, take_slot(t, fd));
    }
}

void fd_table_close_on_exec(struct fd_table *t)
{
    for (int fd = fd_table_next(t, 0); fd >= 0; fd = fd_table_next(t, fd + 1)) {
        if (learn_fd(t, fd)) {
            close_file(t, fd, take_slot(t, fd));
        }
    }
}

int fd_table_cloexec(struct fd_table *t, int fd)
{
    return is_open(t, fd) ? learn_fd(t, fd) : -EBADF;
}

int fd_table_set_cloexec(struct fd_table *t, int fd, bool cloexec)
{
    if (!is_open(t, fd)) {
        return -EBADF;
    }
    set_bit(t->cloexec, fd, cloexec);
    show_fd(t, fd);
    return 0;
}

void fd_table_set_cloexec_range(struct fd_table *t, unsigned first, unsigned last)
{
    if (first > INT_MAX) {
        return;
    }
    for (int fd = fd_table_next(t, (int)first); fd >= 0 && (unsigned)fd <= last;
         fd = fd_table_next(t, fd + 1)) {
        set_bit(t->cloexec, fd, true);
        show_fd(t, fd);
    }
}

int fd_table_next(struct fd_table *t, int fd)
{
    settle(t);
    if (fd < 0) {
        fd = 0;
    }
    for (; fd < t->capacity; fd = ALIGN_DOWN(fd, WORD_BITS) + WORD_BITS) {
        uint64_t bits = t->open[fd / WORD_BITS] >> (fd % WORD_BITS);
        if (bits) {
            return fd + __builtin_ctzll(bits);
        }
    }
    return -1;
}
