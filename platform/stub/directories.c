/*
 * Directories that this process has just opened (sentry/task/lease_directory.c): fstat, getdents64 of all entries at once and of their
 * end, close, and fcntl's copies of the fd. Only a process's only thread has them.
 *
 * Attributes and entries count if, after they were copied out, their stamps and the lease are as before. A close or copy is made when it
 * stands in the log; the sentry makes it, too, before it looks at the process's fds.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

/* The lease of fd, a directory, and its position word; NULL: none. */
static struct platform_lease *directory(uint64_t fd, uint64_t *word)
{
    struct platform_lease_page *page = lease_page();
    uint32_t number = fd < LEASE_OPEN_FDS ? page->lease_of[fd] : 0;
    if (number - 1 >= LEASE_MAX) {
        return 0;
    }
    struct platform_lease *l = &page->leases[number - 1];
    *word = word_load(&l->position);
    return *word & LEASE_VALID && l->flags & LEASE_DIRECTORY ? l : 0;
}

static int still_holds(const struct platform_lease *l, uint64_t word)
{
    return stub_stamps_hold(l->since, l->deps, 2) && word_load(&l->position) == word;
}

static long attributes(const struct platform_lease *l, uint64_t word, uint64_t to)
{
    return l->stat_valid && guarded_copy((void *)to, l->stat, sizeof(l->stat)) == 0 &&
                   still_holds(l, word)
               ? 0
               : NOT_OURS;
}

static long entries(struct platform_lease *l, uint64_t word, uint64_t to, uint32_t room)
{
    uint64_t size = word_load(&l->size), from = LEASE_BYTES + l->bytes - 1;
    uint64_t position = word & LEASE_POSITION;
    if (!l->bytes || size == 0 || size > room || position > DIRECTORY_END) {
        return NOT_OURS;
    }
    if (position == DIRECTORY_END) {
        return still_holds(l, word) ? 0 : NOT_OURS;
    }
    if (guarded_copy((void *)to, (const void *)from, size) != 0 || !still_holds(l, word) ||
        !word_replace(&l->position, word, word + DIRECTORY_END - DIRECTORY_START)) {
        return NOT_OURS;
    }
    return (long)size;
}

uint32_t stub_directory_key(uint32_t fd)
{
    uint64_t word;
    const struct platform_lease *l = directory(fd, &word);
    return l ? NAME_KEY | l->key : fd;
}

/* closes: the fd, as a bit, from which no name is known any more. Return: 0, it may not, or there is no room. */
static int note(uint32_t entry, uint64_t closes)
{
    struct platform_lease_page *page = lease_page();
    uint64_t n;
    do {
        n = word_load(&page->logged);
        uint64_t count = n & LOG_COUNT;
        if (!(n & LOG_GRANTED) || count >= LOG_MAX) {
            return 0;
        }
        page->log_closed = (count ? page->log_closed : 0) | closes;
        __atomic_store_n(&page->log[count], entry, __ATOMIC_SEQ_CST);
    } while (!word_replace(&page->logged, n, n + 1));
    return 1;
}

int stub_fd_was_closed(uint32_t fd)
{
    const struct platform_lease_page *page = lease_page();
    return fd < LEASE_OPEN_FDS && word_load(&page->logged) & LOG_COUNT &&
           page->log_closed >> fd & 1;
}

/* The process may open and close: page->open_limit. */
static uint32_t open_limit(void)
{
    uint32_t limit = *(volatile uint32_t *)&lease_page()->open_limit;
    return limit <= LEASE_OPEN_FDS ? limit : LEASE_OPEN_FDS;
}

static long close_fd(uint64_t fd)
{
    struct platform_lease_page *page = lease_page();
    if (fd >= open_limit() || !note(LOG_CLOSE | (uint32_t)fd, 1UL << fd)) {
        return NOT_OURS;
    }
    __atomic_store_n(&page->lease_of[fd], 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&process_facts()->fds[fd], 0, __ATOMIC_SEQ_CST);
    stub_fd_is_free(fd);
    return 0;
}

long stub_copy_directory(uint64_t fd, uint64_t min, int cloexec)
{
    struct platform_lease_page *page = lease_page();
    uint64_t word, limit = open_limit();
    const struct platform_lease *l = directory(fd, &word);
    uint64_t free = min < limit ? word_load(&page->free_fds) & ~0UL << min : 0;
    if (!l || !free) {
        return NOT_OURS;
    }
    uint32_t to = (uint32_t)__builtin_ctzll(free);
    if (to >= limit) {
        return NOT_OURS;
    }
    process_facts()->fds[to] = 0; /* its flags are the sentry's to tell */
    __atomic_store_n(&page->lease_of[to], page->lease_of[fd], __ATOMIC_SEQ_CST);
    if (!note(LOG_DUP | (cloexec ? LOG_CLOEXEC : 0) | to << 8 | (uint32_t)fd, 0)) {
        __atomic_store_n(&page->lease_of[to], 0, __ATOMIC_SEQ_CST);
        return NOT_OURS;
    }
    __atomic_fetch_and(&page->free_fds, ~(1UL << to), __ATOMIC_SEQ_CST);
    if ((word_load(&l->position) & ~LEASE_POSITION) != (word & ~LEASE_POSITION)) {
        __atomic_store_n(&page->lease_of[to], 0, __ATOMIC_SEQ_CST); /* it ended meanwhile */
    }
    return to;
}

int stub_is_directory(uint64_t fd)
{
    uint64_t word;
    return directory(fd, &word) != 0;
}

long stub_directory(uint64_t nr, const uint64_t *a)
{
    uint64_t word, fd = (uint32_t)a[0];
    struct platform_lease *l = directory(fd, &word);
    if (!l) {
        return NOT_OURS;
    }
    switch (nr) {
    case __NR_fstat:
        return attributes(l, word, a[1]);
    case __NR_newfstatat:
        return (uint32_t)a[3] == AT_EMPTY_PATH_ && stub_is_empty_string(a[1])
                   ? attributes(l, word, a[2])
                   : NOT_OURS;
    case __NR_getdents64:
        return entries(l, word, a[1], (uint32_t)a[2]);
    case __NR_close:
        return close_fd(fd);
    default:
        return NOT_OURS;
    }
}
