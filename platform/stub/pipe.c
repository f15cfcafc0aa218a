/*
 * Reads and writes of leased pipes (platform/lease_page.h): copies from and to a ring that the processes at both ends share,
 * and futex waits while it is empty or full.
 *
 * Whoever copies has locked his end of the ring; unlocking moves the position. When the sentry takes the lease back, both
 * words change, so an unlock that fails means: what we did does not count, the sentry is to do it. A lock that stays
 * locked (its owner was killed) is no reason to wait for long: asking the sentry resolves that, too.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define EAGAIN_    11
#define LOCK_SPINS 2000
#define PIPE_BUF_  4096

static uint32_t lease_name(uint64_t fd)
{
    const struct platform_lease_page *page = lease_page();
    return fd < LEASE_FD_MAX ? page->lease_of[fd] : 0;
}

static struct platform_ring *ring_of(uint64_t fd, int write)
{
    uint32_t lease = lease_name(fd), index = (lease - LEASE_RING) / 2;
    return lease >= LEASE_RING && index < RING_MAX && (int)(lease & 1) == write
               ? (struct platform_ring *)RING_ADDR(index)
               : 0;
}

/* Return: the word as it was, or 0: the sentry has the pipe. */
static uint64_t lock(uint64_t *word)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        uint64_t w = word_load(word);
        if (!(w & RING_VALID)) {
            break;
        }
        if (!(w & RING_LOCKED) && word_replace(word, w, w | RING_LOCKED)) {
            return w;
        }
        __builtin_ia32_pause();
    }
    return 0;
}

static int unlock(uint64_t *word, uint64_t locked, uint64_t moved)
{
    return word_replace(word, locked | RING_LOCKED,
                        (locked & ~RING_POSITION) | ((locked + moved) & RING_POSITION));
}

static int same_lease(uint64_t a, uint64_t b)
{
    return (a | RING_LOCKED) >> RING_SHIFT == (b | RING_LOCKED) >> RING_SHIFT;
}

/* Bytes in the ring; more than RING_DATA: somebody spoiled it. */
static uint64_t filled(uint64_t write_word, uint64_t read_word)
{
    return (write_word - read_word) & RING_POSITION;
}

/* n bytes of the buffers behind skip, from or to position pos of the ring. */
static long copy(struct platform_ring *r, uint64_t pos, const struct iov *v, uint64_t skip,
                 uint64_t n, int write)
{
    uint64_t at = pos % RING_DATA, first = n < RING_DATA - at ? n : RING_DATA - at;
    long e = stub_transfer(ptr(r->data) + at, v, skip, first, write);
    return e == 0 && n > first ? stub_transfer(ptr(r->data), v, skip + first, n - first, write) : e;
}

static void signal_change(uint32_t *seq, const uint32_t *waiting)
{
    __atomic_fetch_add(seq, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(waiting, __ATOMIC_SEQ_CST)) {
        gate(__NR_futex, ptr(seq), 1 /* FUTEX_WAKE */, 0x7fffffff, 0, 0, 0);
    }
}

/* Until the other side's word is no longer what it was. Return: 0 look again; -EINTR. */
static long wait_change(struct area *area, const uint64_t *word, uint64_t was, uint32_t *seq,
                        uint32_t *waiting)
{
    for (uint32_t i = 0; i < RO->spin_pipe; i++) {
        if ((word_load(word) & ~RING_LOCKED) != (was & ~RING_LOCKED)) {
            return 0;
        }
        __builtin_ia32_pause();
    }
    long r = 0;
    __atomic_fetch_add(waiting, 1, __ATOMIC_SEQ_CST);
    uint32_t value = __atomic_load_n(seq, __ATOMIC_SEQ_CST);
    if ((word_load(word) & ~RING_LOCKED) == (was & ~RING_LOCKED)) {
        r = stub_wait(area, seq, value);
    }
    __atomic_fetch_sub(waiting, 1, __ATOMIC_SEQ_CST);
    return r;
}

static long pipe_read(struct area *area, struct platform_ring *r, const struct iov *v, uint64_t n)
{
    for (;;) {
        uint64_t read = word_load(&r->read_word), written = word_load(&r->write_word);
        if (!(read & RING_VALID) || !same_lease(read, written)) {
            return NOT_OURS;
        }
        if (filled(written, read) == 0) {
            if (wait_change(area, &r->write_word, written, &r->data_seq, &r->readers_waiting) !=
                0) {
                return -EINTR_;
            }
            continue;
        }
        read = lock(&r->read_word);
        written = word_load(&r->write_word);
        uint64_t there = filled(written, read);
        if (!read || !same_lease(read, written) || there > RING_DATA) {
            if (read) {
                unlock(&r->read_word, read, 0);
            }
            return NOT_OURS;
        }
        uint64_t part = n < there ? n : there;
        long e = part ? copy(r, read & RING_POSITION, v, 0, part, 0) : 0;
        if (!unlock(&r->read_word, read, e == 0 ? part : 0) || e != 0) {
            return NOT_OURS;
        }
        if (part) {
            signal_change(&r->space_seq, &r->writers_waiting);
            return (long)part;
        }
    }
}

/*
 * One piece of a write: bytes [done, n) of the buffers, or the first of them. Return: bytes; 0 no room: *read is what was seen;
 * NOT_OURS.
 */
static long write_some(struct platform_ring *r, const struct iov *v, uint64_t done, uint64_t n,
                       uint64_t *read)
{
    uint64_t written = lock(&r->write_word);
    if (!written) {
        return NOT_OURS;
    }
    *read = word_load(&r->read_word);
    uint64_t there = filled(written, *read);
    uint64_t room = there <= RING_DATA ? RING_DATA - there : 0;
    uint64_t part = n - done < room ? n - done : room;
    if (!same_lease(*read, written) || there > RING_DATA) {
        unlock(&r->write_word, written, 0);
        return NOT_OURS;
    }
    if (part < n - done && n - done <= PIPE_BUF_) {
        part = 0; /* whole or not at all */
    }
    long e = part ? copy(r, written & RING_POSITION, v, done, part, 1) : 0;
    if (!unlock(&r->write_word, written, e == 0 ? part : 0) || e != 0) {
        return NOT_OURS;
    }
    if (part) {
        signal_change(&r->data_seq, &r->readers_waiting);
    }
    return (long)part;
}

/* The buffer where done lies, from there on: the sentry writes it, having been told what was written before. */
static long write_rest(struct area *area, uint64_t fd, const struct iov *v, uint64_t done)
{
    uint64_t skip = done;
    for (; skip >= v->size; v++) {
        skip -= v->size;
    }
    area->done = done;
    return stub_ask(area, __NR_write, fd, v->base + skip, v->size - skip, 0);
}

static long pipe_write(struct area *area, struct platform_ring *r, uint64_t fd, const struct iov *v,
                       uint64_t n)
{
    uint64_t done = 0, read = 0;
    while (done < n) {
        long part = write_some(r, v, done, n, &read);
        if (part == NOT_OURS) {
            return done ? write_rest(area, fd, v, done) : NOT_OURS;
        }
        done += (uint64_t)part;
        if (part == 0 &&
            wait_change(area, &r->read_word, read, &r->space_seq, &r->writers_waiting) != 0) {
            area->restart = done ? 0 : area->restart;
            return done ? (long)done : -EINTR_;
        }
    }
    return (long)done;
}

long stub_pipe(struct area *area, uint64_t fd, const struct iov *v, uint64_t count, int write)
{
    struct platform_ring *r = ring_of(fd, write);
    uint64_t n = stub_iov_size(v, count);
    if (!r || !n || n >= TRANSFER_MAX || (write && count > 1 && n > PIPE_BUF_)) {
        return NOT_OURS; /* a rest would have to go on in the next buffer */
    }
    return write ? pipe_write(area, r, fd, v, n) : pipe_read(area, r, v, n);
}

int stub_pipe_ready(uint64_t fd, int write)
{
    const struct platform_ring *r = ring_of(fd, write);
    if (!r) {
        return -1;
    }
    /* In this order a writer's view can't have more room, nor a reader's fewer bytes, than there was. */
    uint64_t read, written;
    if (write) {
        written = word_load(&r->write_word);
        read = word_load(&r->read_word);
    } else {
        read = word_load(&r->read_word);
        written = word_load(&r->write_word);
    }
    uint64_t there = filled(written, read);
    if (!(read & RING_VALID) || !same_lease(read, written) || there > RING_DATA) {
        return -1;
    }
    return write ? RING_DATA - there >= PIPE_BUF_ : there > 0;
}

/* --- event counters --- */

static struct platform_ring *counter_of(uint64_t fd)
{
    uint32_t index = lease_name(fd) - LEASE_COUNTER;
    return index < RING_MAX ? (struct platform_ring *)RING_ADDR(index) : 0;
}

static long counter_read(struct area *area, struct platform_ring *r, uint64_t buf)
{
    for (;;) {
        uint64_t word = word_load(&r->write_word), count = word & RING_POSITION;
        uint32_t flags = r->counter_flags;
        if (!(word & RING_VALID)) {
            return NOT_OURS;
        }
        if (count == 0) {
            if (flags & COUNTER_NONBLOCK) {
                return word_load(&r->write_word) == word ? -EAGAIN_ : NOT_OURS;
            }
            if (wait_change(area, &r->write_word, word, &r->data_seq, &r->readers_waiting) != 0) {
                return -EINTR_;
            }
            continue;
        }
        uint64_t taken = flags & COUNTER_SEMAPHORE ? 1 : count;
        if (word_replace(&r->write_word, word, word - taken)) {
            r->counter_used = 1;
            return guarded_copy8((void *)buf, &taken) == 0 ? 8 : -EFAULT_;
        }
    }
}

/* A count that would not fit is the sentry's, which knows whether to wait. */
static long counter_write(struct platform_ring *r, uint64_t buf)
{
    uint64_t value, word;
    if (guarded_copy8(&value, (const void *)buf) != 0) {
        return NOT_OURS;
    }
    do {
        word = word_load(&r->write_word);
        if (!(word & RING_VALID) || value > RING_POSITION - (word & RING_POSITION)) {
            return NOT_OURS;
        }
    } while (!word_replace(&r->write_word, word, word + value));
    r->counter_used = 1;
    signal_change(&r->data_seq, &r->readers_waiting);
    return 8;
}

long stub_counter(struct area *area, uint64_t fd, const struct iov *v, int write)
{
    struct platform_ring *r = counter_of(fd);
    if (!r || v->size != 8) {
        return NOT_OURS;
    }
    return write ? counter_write(r, v->base) : counter_read(area, r, v->base);
}

int stub_counter_ready(uint64_t fd)
{
    const struct platform_ring *r = counter_of(fd);
    uint64_t word = r ? word_load(&r->write_word) : 0;
    return word & RING_VALID ? (word & RING_POSITION) != 0 : -1;
}
