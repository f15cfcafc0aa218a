/*
 * Calls that are noted instead of made (platform/notes.h): on files that this thread has just opened, when the sentry said
 * with the open's reply that their result is certain. They go to a log in the thread's window, and closes into a word; the
 * next request says that there are some.
 *
 * Only a process's only thread has such files, so nothing is locked. But the sentry may take the notes at any time, when
 * another process looks at one of the files: then the word is not as it was, and the call that was about to be noted is
 * made.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define UTIME_NOW_  0x3fffffffL
#define UTIME_OMIT_ 0x3ffffffeL

uint32_t stub_notes_tell(struct area *area)
{
    uint64_t word = word_load(&area->chan->notes);
    uint32_t closed = (uint32_t)(word >> NOTES_CLOSED_SHIFT) & NOTES_TOLD_CLOSED;
    uint32_t log = word & NOTES_LOGGED ? NOTES_TOLD_LOG : 0;
    area->waiting = closed || log || word & NOTES_BUSY;
    return closed || log ? NOTES_TOLD | log | closed : 0;
}

/* What was only closed the sentry has not taken: it has not touched the word. */
void stub_notes_told(struct area *area, uint32_t told)
{
    uint64_t closed = (uint64_t)(told & NOTES_TOLD_CLOSED) << NOTES_CLOSED_SHIFT;
    area->fresh = told & NOTES_TOLD_LOG ? 0 : area->fresh;
    uint64_t left = __atomic_and_fetch(&area->chan->notes, ~closed, __ATOMIC_SEQ_CST);
    area->waiting = (left & (NOTES_LOGGED | NOTES_CLOSED | NOTES_BUSY)) != 0;
}

void stub_notes_granted(struct area *area, uint32_t order)
{
    uint32_t slot = (order >> NOTE_SLOT_SHIFT & 7) % NOTE_SLOTS;
    area->note_rights[slot] = (uint8_t)(order >> NOTE_RIGHTS_SHIFT);
    area->note_fd[slot] = (uint16_t)(order >> NOTE_FD_SHIFT);
    area->note_position[slot] = area->note_rights[slot] & NOTE_POSITION ? 0 : -1;
    area->note_end[slot] = area->note_position[slot];
    area->noted |= 1U << slot;
    area->chan->order = order & 0xff;
}

/* fd's slot, or NOTE_SLOTS. */
static uint32_t slot_of(const struct area *area, uint64_t fd)
{
    for (uint32_t m = area->noted; m; m &= m - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(m) % NOTE_SLOTS;
        if (area->note_fd[i] == fd) {
            return i;
        }
    }
    return NOTE_SLOTS;
}

/* size bytes were written at position at (< 0: not known). */
static void written(struct area *area, uint32_t slot, int64_t at, int64_t size)
{
    int64_t end = area->note_end[slot];
    if (at < 0 || at > end) {
        area->note_end[slot] = -1;
    } else if (at + size > end) {
        area->note_end[slot] = at + size;
    }
}

void stub_notes_served(struct area *area, uint64_t nr)
{
    const struct chan *c = area->chan;
    uint32_t slot;
    switch (nr) {
    case __NR_read:
    case __NR_write:
    case __NR_readv:
    case __NR_writev:
    case __NR_pwrite64:
    case __NR_lseek:
    case __NR_preadv2:
    case __NR_pwritev2:
        break;
    default:
        return;
    }
    slot = slot_of(area, (uint32_t)area->args[0]);
    if (slot == NOTE_SLOTS || !(area->note_rights[slot] & NOTE_POSITION)) {
        return; /* or one that is open to append */
    }
    int64_t *position = &area->note_position[slot], result = (int64_t)c->ret;
    if (nr == __NR_pwrite64) {
        written(area, slot, c->order == ORDER_RETURN ? (int64_t)area->args[3] : -1,
                result > 0 ? result : 0);
        return;
    }
    if (c->order != ORDER_RETURN || nr == __NR_preadv2 || nr == __NR_pwritev2) {
        *position = area->note_end[slot] = -1;
        return;
    }
    if (nr == __NR_write || nr == __NR_writev) {
        written(area, slot, *position, result > 0 ? result : 0);
    }
    if (result >= 0 && nr == __NR_lseek) {
        *position = result;
    } else if (result > 0 && *position >= 0) {
        *position += result;
    }
}

/* The word, if the slot is still ours. */
static int take_word(struct area *area, uint32_t slot, uint64_t *out)
{
    *out = word_load(&area->chan->notes);
    if (!stub_note_is_fresh(area, slot, *out) && *out >> (NOTES_REVOKED_SHIFT + slot) & 1) {
        area->noted &= ~(1U << slot);
        return 0;
    }
    return 1;
}

long stub_note_append(struct area *area, uint32_t slot, struct note_about what, const struct iov *v,
                      uint64_t word)
{
    uint64_t at = word & NOTES_LOGGED;
    if (word & NOTES_BUSY || at > NOTES_SIZE || v->size > NOTES_SIZE ||
        at + NOTE_NEXT(v->size) > NOTES_SIZE) {
        return NOT_OURS;
    }
    uint8_t *log = chan_window(area->chan) + NOTES_OFFSET + at;
    if (stub_transfer(ptr(log + sizeof(struct platform_note)), v, 0, v->size, 1) != 0) {
        return NOT_OURS;
    }
    *(struct platform_note *)log = (struct platform_note){.kind = what.kind,
                                                          .slot = (uint8_t)slot,
                                                          .size = (uint16_t)v->size,
                                                          .offset = what.offset,
                                                          .tsc = timestamp()};
    if (!word_replace(&area->chan->notes, word, word + NOTE_NEXT(v->size))) {
        return NOT_OURS;
    }
    area->waiting = 1;
    return 0;
}

/* Return: 0, or NOT_OURS. */
static long note(struct area *area, uint32_t slot, struct note_about what, const struct iov *v)
{
    uint64_t word;
    if (!take_word(area, slot, &word) || stub_note_append(area, slot, what, v, word) != 0) {
        return NOT_OURS;
    }
    area->note_rights[slot] &= (1U << NOTE_PLACE_SHIFT) - 1; /* its attributes have changed */
    return 0;
}

static long note_close(struct area *area, uint32_t slot)
{
    const struct iov nothing = {0, 0};
    uint64_t word;
    uint32_t *known = &process_facts()->fds[area->note_fd[slot] % FACT_FDS];
    if (!take_word(area, slot, &word)) {
        return NOT_OURS;
    }
    if (stub_note_is_fresh(area, slot, word)) {
        if (stub_note_append(area, slot, (struct note_about){NOTE_CLOSE, 0}, &nothing, word) != 0) {
            return NOT_OURS;
        }
        area->fresh = 0;
    } else if (!word_replace(&area->chan->notes, word, word | 1UL << (NOTES_CLOSED_SHIFT + slot))) {
        return NOT_OURS;
    }
    area->noted &= ~(1U << slot);
    area->waiting = 1;
    if (area->note_fd[slot] < FACT_FDS && *known) {
        __atomic_store_n(known, 0, __ATOMIC_SEQ_CST);
    }
    stub_fd_is_free(area->note_fd[slot]);
    return 0;
}

static long note_words(struct area *area, uint32_t slot, uint8_t kind, const uint64_t *words,
                       uint64_t count)
{
    const struct iov v = {ptr(words), count * 8};
    return note(area, slot, (struct note_about){kind, 0}, &v);
}

int stub_take_times(uint64_t times, int64_t t[4])
{
    t[0] = t[2] = 0;
    t[1] = t[3] = UTIME_NOW_;
    if (times && guarded_copy(t, (const void *)times, 4 * sizeof(*t)) != 0) {
        return 0;
    }
    for (int i = 1; i < 4; i += 2) {
        if (t[i] != UTIME_NOW_ && t[i] != UTIME_OMIT_ && (t[i] < 0 || t[i] >= 1000000000)) {
            return 0;
        }
    }
    return t[1] != UTIME_OMIT_ || t[3] != UTIME_OMIT_;
}

static long note_times(struct area *area, uint32_t slot, uint64_t times)
{
    int64_t t[4];
    return stub_take_times(times, t) ? note_words(area, slot, NOTE_TIMES, (const uint64_t *)t, 4)
                                     : NOT_OURS;
}

/* --- what is known --- */

/* Attributes that still hold, or NULL. */
static const struct platform_note_stat *attributes(struct area *area, uint32_t slot)
{
    uint64_t word;
    uint32_t place = area->note_rights[slot] >> NOTE_PLACE_SHIFT;
    return place && take_word(area, slot, &word)
               ? (const struct platform_note_stat *)((const uint8_t *)area->chan +
                                                     STUB_STATS_OFFSET) +
                     (place - 1)
               : 0;
}

static long note_stat(struct area *area, uint32_t slot, uint64_t to)
{
    uint64_t out[18] = {0}, word;
    const struct platform_note_stat *s = attributes(area, slot);
    if (!s) {
        return NOT_OURS;
    }
    for (unsigned i = 0; i < sizeof(s->stat) / 8; i++) {
        out[i] = ((const volatile uint64_t *)s->stat)[i];
    }
    return take_word(area, slot, &word) && guarded_copy((void *)to, out, sizeof(out)) == 0
               ? 0
               : NOT_OURS;
}

/* Nothing is left to read: bytes that are there are the sentry's to give. */
static long note_read(struct area *area, uint32_t slot, uint64_t buf, uint64_t n)
{
    const struct platform_note_stat *s = attributes(area, slot);
    uint64_t word;
    if (!s || !(area->note_rights[slot] & NOTE_READABLE) || !n || n > TRANSFER_MAX ||
        buf >= 1UL << 46 || area->note_position[slot] < 0) {
        return NOT_OURS;
    }
    int64_t size = *(const volatile int64_t *)(s->stat + NOTE_STAT_SIZE_AT);
    return area->note_position[slot] >= size && take_word(area, slot, &word) ? 0 : NOT_OURS;
}

static long note_seek(struct area *area, uint32_t slot, int64_t offset, uint32_t whence)
{
    uint64_t word;
    int64_t position = area->note_position[slot];
    int stays = whence == 1 ? offset == 0 : whence == 0 && offset == position;
    return stays && position >= 0 && take_word(area, slot, &word) ? position : NOT_OURS;
}

static long known(struct area *area, uint32_t slot, uint64_t nr)
{
    const uint64_t *a = area->args;
    uint64_t word;
    switch (nr) {
    case __NR_fstat:
        return note_stat(area, slot, a[1]);
    case __NR_newfstatat:
        return (uint32_t)a[3] == AT_EMPTY_PATH_ && stub_is_empty_string(a[1])
                   ? note_stat(area, slot, a[2])
                   : NOT_OURS;
    case __NR_read:
        return note_read(area, slot, a[1], a[2]);
    case __NR_lseek:
        return note_seek(area, slot, (int64_t)a[1], (uint32_t)a[2]);
    case __NR_ioctl: /* is it a terminal? */
        return (uint32_t)a[1] == TCGETS_ && take_word(area, slot, &word) ? -ENOTTY_ : NOT_OURS;
    default:
        return NOT_OURS;
    }
}

static long note_write(struct area *area, uint32_t slot, uint64_t buf, uint64_t n)
{
    const struct iov v = {buf, n};
    int64_t position = area->note_position[slot];
    if (!n || n > NOTES_SIZE || note(area, slot, (struct note_about){NOTE_WRITE, 0}, &v) != 0) {
        return NOT_OURS;
    }
    written(area, slot, position, (int64_t)n);
    if (position >= 0) {
        area->note_position[slot] = position + (int64_t)n;
    }
    return (long)n;
}

/* Where the file has bytes, or ends: room is reserved for what the log has, not for pages around it. */
static long note_pwrite(struct area *area, uint32_t slot, uint64_t buf, uint64_t n, int64_t offset)
{
    const struct iov v = {buf, n};
    if (!n || n > NOTES_SIZE || offset < 0 || offset > area->note_end[slot] ||
        offset > UINT32_MAX ||
        note(area, slot, (struct note_about){NOTE_PWRITE, (uint32_t)offset}, &v) != 0) {
        return NOT_OURS;
    }
    written(area, slot, offset, (int64_t)n);
    return (long)n;
}

long stub_note(struct area *area, uint64_t nr)
{
    const uint64_t *a = area->args;
    uint32_t slot = slot_of(area, (uint32_t)a[0]);
    if (slot == NOTE_SLOTS) {
        return NOT_OURS;
    }
    uint32_t rights = area->note_rights[slot];
    uint64_t words[2];
    switch (nr) {
    case __NR_close:
        return rights & NOTE_MAY_CLOSE ? note_close(area, slot) : NOT_OURS;
    case __NR_write:
        return rights & NOTE_MAY_WRITE ? note_write(area, slot, a[1], a[2]) : NOT_OURS;
    case __NR_pwrite64:
        return rights & NOTE_MAY_WRITE ? note_pwrite(area, slot, a[1], a[2], (int64_t)a[3])
                                       : NOT_OURS;
    case __NR_fchmod:
        words[0] = (uint32_t)a[1];
        return rights & NOTE_MAY_SET && words[0] <= 0777
                   ? note_words(area, slot, NOTE_MODE, words, 1)
                   : NOT_OURS;
    case __NR_fchown:
        words[0] = (uint32_t)a[1];
        words[1] = (uint32_t)a[2];
        return rights & NOTE_MAY_OWN ? note_words(area, slot, NOTE_OWNER, words, 2) : NOT_OURS;
    case __NR_utimensat:
        return rights & NOTE_MAY_SET && !a[1] && !(uint32_t)a[3] ? note_times(area, slot, a[2])
                                                                 : NOT_OURS;
    default:
        return known(area, slot, nr);
    }
}
