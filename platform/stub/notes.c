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

static uint64_t timestamp(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

uint32_t stub_notes_tell(struct area *area)
{
    uint64_t word = word_load(&area->chan->notes);
    uint32_t closed = (uint32_t)(word >> NOTES_CLOSED_SHIFT) & NOTES_TOLD_CLOSED;
    uint32_t log = word & NOTES_LOGGED ? NOTES_TOLD_LOG : 0;
    area->waiting = closed || log;
    return area->waiting ? NOTES_TOLD | log | closed : 0;
}

/* What was only closed the sentry has not taken: it has not touched the word. */
void stub_notes_told(struct area *area, uint32_t told)
{
    uint64_t closed = (uint64_t)(told & NOTES_TOLD_CLOSED) << NOTES_CLOSED_SHIFT;
    uint64_t left = __atomic_and_fetch(&area->chan->notes, ~closed, __ATOMIC_SEQ_CST);
    area->waiting = (left & (NOTES_LOGGED | NOTES_CLOSED)) != 0;
}

void stub_notes_granted(struct area *area, uint32_t order)
{
    uint32_t slot = order >> NOTE_SLOT_SHIFT & (NOTE_SLOTS - 1);
    area->note_rights[slot] = (uint8_t)(order >> NOTE_RIGHTS_SHIFT);
    area->note_fd[slot] = (uint16_t)(order >> NOTE_FD_SHIFT);
    area->noted |= 1U << slot;
    area->chan->order = order & 0xff;
}

/* The word, if the slot is still ours. */
static int take_word(struct area *area, uint32_t slot, uint64_t *out)
{
    *out = word_load(&area->chan->notes);
    if (*out >> (NOTES_REVOKED_SHIFT + slot) & 1) {
        area->noted &= ~(1U << slot);
        return 0;
    }
    return 1;
}

static long note_close(struct area *area, uint32_t slot)
{
    uint64_t word;
    uint32_t *known = &platform_facts_behind((struct platform_lease_page *)LEASE_PAGE)
                           ->fds[area->note_fd[slot] % FACT_FDS];
    if (!take_word(area, slot, &word) ||
        !word_replace(&area->chan->notes, word, word | 1UL << (NOTES_CLOSED_SHIFT + slot))) {
        return NOT_OURS;
    }
    area->noted &= ~(1U << slot);
    area->waiting = 1;
    if (area->note_fd[slot] < FACT_FDS && *known) {
        __atomic_store_n(known, 0, __ATOMIC_SEQ_CST);
    }
    return 0;
}

/* Return: 0, or NOT_OURS. */
static long note(struct area *area, uint32_t slot, uint8_t kind, const struct iov *v)
{
    uint64_t word;
    if (!take_word(area, slot, &word)) {
        return NOT_OURS;
    }
    uint64_t at = word & NOTES_LOGGED;
    if (at > NOTES_SIZE || v->size > NOTES_SIZE || at + NOTE_NEXT(v->size) > NOTES_SIZE) {
        return NOT_OURS;
    }
    uint8_t *log = chan_window(area->chan) + NOTES_OFFSET + at;
    if (stub_transfer(ptr(log + sizeof(struct platform_note)), v, 0, v->size, 1) != 0) {
        return NOT_OURS;
    }
    *(struct platform_note *)log = (struct platform_note){
        .kind = kind, .slot = (uint8_t)slot, .size = (uint32_t)v->size, .tsc = timestamp()};
    if (!word_replace(&area->chan->notes, word, word + NOTE_NEXT(v->size))) {
        return NOT_OURS;
    }
    area->waiting = 1;
    return 0;
}

static long note_words(struct area *area, uint32_t slot, uint8_t kind, const uint64_t *words,
                       uint64_t count)
{
    const struct iov v = {ptr(words), count * 8};
    return note(area, slot, kind, &v);
}

/* times: two of seconds and nanoseconds; 0: now. What has no certain result is the sentry's. */
static long note_times(struct area *area, uint32_t slot, uint64_t times)
{
    int64_t t[4] = {0, UTIME_NOW_, 0, UTIME_NOW_};
    if (times && guarded_copy(t, (const void *)times, sizeof(t)) != 0) {
        return NOT_OURS;
    }
    for (int i = 1; i < 4; i += 2) {
        if (t[i] != UTIME_NOW_ && t[i] != UTIME_OMIT_ && (t[i] < 0 || t[i] >= 1000000000)) {
            return NOT_OURS;
        }
    }
    if (t[1] == UTIME_OMIT_ && t[3] == UTIME_OMIT_) {
        return NOT_OURS;
    }
    return note_words(area, slot, NOTE_TIMES, (const uint64_t *)t, 4);
}

long stub_note(struct area *area, uint64_t nr)
{
    const uint64_t *a = area->args;
    uint32_t fd = (uint32_t)a[0], slot = NOTE_SLOTS, rights = 0;
    for (uint32_t m = area->noted; m; m &= m - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(m) % NOTE_SLOTS;
        if (area->note_fd[i] == fd) {
            slot = i;
            rights = area->note_rights[i];
        }
    }
    uint64_t words[2];
    switch (nr) {
    case __NR_close:
        return rights & NOTE_MAY_CLOSE ? note_close(area, slot) : NOT_OURS;
    case __NR_write:
        if (rights & NOTE_MAY_WRITE && a[2] && a[2] <= NOTES_SIZE) {
            const struct iov v = {a[1], a[2]};
            return note(area, slot, NOTE_WRITE, &v) == 0 ? (long)a[2] : NOT_OURS;
        }
        return NOT_OURS;
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
        return NOT_OURS;
    }
}
