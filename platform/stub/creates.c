/*
 * Files that are made by noting it, and names that are certainly missing (struct platform_creates; sentry/task/notes_create.c): in
 * one directory where nobody else makes names, without telling us first. Only a process's only thread has that.
 *
 * The grant is out while the word of the notes says so; that is looked at last, so what was found out before holds at that
 * moment. A new file gets a slot of the notes. Until the sentry takes the log, the word has the same generation, and the file
 * is known from the log only: then its close goes there, too.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define ENOENT_              2
#define AT_FDCWD_            0xffffff9cU
#define AT_SYMLINK_NOFOLLOW_ 0x100U
#define AT_REMOVEDIR_        0x200U
#define O_ACCMODE_           3U
#define O_CREAT_             0100U
#define O_RDWR_              2U
#define NAME_SIZE_MAX_       255

struct wanted {
    uint64_t words[NAME_WORDS];
    const char *name; /* behind the directory's part */
    uint64_t size, hash;
};

static uint64_t generation(uint64_t word)
{
    return word >> 48;
}

int stub_note_is_fresh(struct area *area, uint32_t slot, uint64_t word)
{
    if (area->fresh && area->fresh_generation != generation(word)) {
        area->fresh = 0; /* the log was taken: it is open as others are */
    }
    return area->fresh >> slot & 1;
}

/* Is w there, or may be? The word says that the answer holds. */
static int may_be_there(const struct area *area, const struct wanted *w, uint64_t *out_word)
{
    int has = platform_creates_has(&lease_page()->creates, w->hash);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *out_word = word_load(&area->chan->notes);
    return has || *out_word >> NOTES_REVOKED_SHIFT & NOTES_NO_CREATES;
}

/* A name in the directory. Return: 0 it is elsewhere, or unusual. */
static int take_wanted(struct wanted *w, uint64_t dirfd, uint64_t path)
{
    const struct platform_creates *c = &lease_page()->creates;
    uint64_t prefix = *(const volatile uint32_t *)&c->prefix;
    if (!*(const volatile uint32_t *)&c->granted || prefix >= sizeof(w->words) ||
        !stub_take_string(path, w->words, NAME_WORDS)) {
        return 0;
    }
    const char *text = (const char *)w->words;
    uint32_t from = text[0] == '/' ? AT_FDCWD_ : stub_directory_key((uint32_t)dirfd);
    if (from != c->dirfd || stub_fd_was_closed(from)) {
        return 0;
    }
    for (uint64_t i = 0; i < prefix; i++) {
        if (text[i] != ((const char *)c->path)[i]) {
            return 0;
        }
    }
    w->name = text + prefix;
    for (w->size = 0; w->name[w->size]; w->size++) {
        if (w->name[w->size] == '/') {
            return 0;
        }
    }
    int dots = w->name[0] == '.' && (w->size == 1 || (w->size == 2 && w->name[1] == '.'));
    if (w->size == 0 || w->size > NAME_SIZE_MAX_ || dots) {
        return 0;
    }
    w->hash = platform_create_hash(w->name, w->size);
    return stub_stamps_hold(c->since, c->deps, NAME_DEPS);
}

static long absent(const struct area *area, uint64_t dirfd, uint64_t path)
{
    struct wanted w;
    uint64_t word;
    return take_wanted(&w, dirfd, path) && !may_be_there(area, &w, &word) ? -ENOENT_ : NOT_OURS;
}

/* A slot in which no file is, that the sentry knows of or will know; NOTE_SLOTS: none. */
static uint32_t free_slot(struct area *area, uint64_t word)
{
    area->noted &= ~(uint32_t)(word >> NOTES_REVOKED_SHIFT);
    uint32_t used = area->noted | (uint32_t)(word >> NOTES_CLOSED_SHIFT);
    uint32_t free = ~used & ((1U << NOTE_SLOTS) - 1);
    return free ? (uint32_t)__builtin_ctz(free) : NOTE_SLOTS;
}

/* Appends it to the log. Return: 0, or NOT_OURS. */
static long note_create(struct area *area, uint32_t slot, const struct wanted *w, uint64_t word,
                        const struct platform_note_create *c)
{
    uint64_t at = word & NOTES_LOGGED, size = sizeof(*c) + w->size;
    if (word & NOTES_BUSY || at > NOTES_SIZE || at + NOTE_NEXT(size) > NOTES_SIZE) {
        return NOT_OURS;
    }
    uint8_t *log = chan_window(area->chan) + NOTES_OFFSET + at;
    *(struct platform_note *)log = (struct platform_note){
        .kind = NOTE_CREATE, .slot = (uint8_t)slot, .size = (uint16_t)size, .tsc = timestamp()};
    struct platform_note_create *to = (void *)(log + sizeof(struct platform_note));
    *to = *c;
    for (uint64_t i = 0; i < w->size; i++) {
        to->name[i] = w->name[i];
    }
    return word_replace(&area->chan->notes, word, word + NOTE_NEXT(size)) ? 0 : NOT_OURS;
}

static long create(struct area *area, uint64_t dirfd, uint64_t path, uint32_t flags, uint32_t mode)
{
    struct platform_lease_page *page = lease_page();
    uint64_t word, umask = word_load(&process_facts()->umask), fd = stub_free_fd();
    uint32_t access = flags & O_ACCMODE_, slot;
    struct wanted w;
    if (flags & ~NOTE_CREATE_FLAGS || access == 0 || access > O_RDWR_ || mode & 07000 ||
        !(umask & FACT_VALID) || fd >= LEASE_OPEN_FDS || !take_wanted(&w, dirfd, path) ||
        may_be_there(area, &w, &word)) {
        return NOT_OURS;
    }
    if (area->fresh_generation != generation(word)) {
        area->fresh_generation = generation(word);
        area->fresh = area->fresh_count = area->fresh_last = 0;
    }
    slot = free_slot(area, word);
    if (area->fresh || area->fresh_count >= NOTE_CREATES_MAX || slot >= NOTE_SLOTS) {
        return NOT_OURS;
    }
    const struct platform_note_create c = {
        .flags = flags, .mode = (uint16_t)(mode & 0777 & ~umask), .fd = (uint16_t)fd};
    process_facts()->fds[fd] = 0; /* its flags are the sentry's to tell */
    __atomic_store_n(&page->lease_of[fd], 0, __ATOMIC_SEQ_CST);
    if (note_create(area, slot, &w, word, &c) != 0) {
        return NOT_OURS;
    }
    __atomic_fetch_and(&page->free_fds, ~(1UL << fd), __ATOMIC_SEQ_CST);
    platform_creates_add(&page->creates, w.hash);
    area->noted |= 1U << slot;
    area->note_fd[slot] = (uint16_t)fd;
    area->note_rights[slot] = (uint8_t)(page->creates.rights & ((1U << NOTE_PLACE_SHIFT) - 1));
    area->note_position[slot] = area->note_end[slot] = 0;
    area->fresh = 1U << slot;
    area->fresh_count++;
    area->fresh_last = (uint32_t)(word & NOTES_LOGGED) + 1;
    area->waiting = 1;
    return (long)fd;
}

/* Is w what was made last, in the log that word is of? */
static int is_last(const struct area *area, const struct wanted *w, uint64_t word)
{
    uint64_t at = area->fresh_last - 1UL;
    const struct platform_note *n =
        (const void *)(chan_window(area->chan) + NOTES_OFFSET + (at < NOTES_SIZE ? at : 0));
    const struct platform_note_create *c = (const void *)(n + 1);
    if (!area->fresh_last || area->fresh_generation != generation(word) ||
        at >= (word & NOTES_LOGGED) || n->size != sizeof(*c) + w->size) {
        return 0;
    }
    for (uint64_t i = 0; i < w->size; i++) {
        if (c->name[i] != w->name[i]) {
            return 0;
        }
    }
    return 1;
}

/* utimensat of what was made last. */
static long times_of(struct area *area, uint64_t dirfd, uint64_t path, uint64_t times)
{
    struct wanted w;
    int64_t t[4];
    uint64_t word;
    const struct iov v = {ptr(t), sizeof(t)};
    if (!area->fresh_last || !(lease_page()->creates.rights & NOTE_MAY_SET) ||
        !take_wanted(&w, dirfd, path) || !stub_take_times(times, t)) {
        return NOT_OURS;
    }
    may_be_there(area, &w, &word);
    return is_last(area, &w, word)
               ? stub_note_append(area, NOTE_LAST, (struct note_about){NOTE_TIMES, 0}, &v, word)
               : NOT_OURS;
}

static long open_name(struct area *area, uint64_t dirfd, uint64_t path, uint32_t flags,
                      uint32_t mode)
{
    if (flags & O_CREAT_) {
        return create(area, dirfd, path, flags, mode);
    }
    return flags & ~(LEASE_OPEN_FLAGS | O_ACCMODE_) ? NOT_OURS : absent(area, dirfd, path);
}

long stub_create(struct area *area, uint64_t nr)
{
    const uint64_t *a = area->args;
    switch (nr) {
    case __NR_open:
        return open_name(area, AT_FDCWD_, a[0], (uint32_t)a[1], (uint32_t)a[2]);
    case __NR_openat:
        return open_name(area, a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
    case __NR_stat:
    case __NR_lstat:
    case __NR_unlink:
        return absent(area, AT_FDCWD_, a[0]);
    case __NR_access:
        return (uint32_t)a[1] <= 7 ? absent(area, AT_FDCWD_, a[0]) : NOT_OURS;
    case __NR_newfstatat:
        return (uint32_t)a[3] & ~AT_SYMLINK_NOFOLLOW_ ? NOT_OURS : absent(area, a[0], a[1]);
    case __NR_unlinkat:
        return (uint32_t)a[2] & ~AT_REMOVEDIR_ ? NOT_OURS : absent(area, a[0], a[1]);
    case __NR_utimensat:
        return (uint32_t)a[3] & ~AT_SYMLINK_NOFOLLOW_ ? NOT_OURS : times_of(area, a[0], a[1], a[2]);
    default:
        return NOT_OURS;
    }
}
