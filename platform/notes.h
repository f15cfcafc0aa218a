/*
 * Noted calls: what a process does to a file that it has just opened, written down in memory that it shares with the sentry
 * instead of called. The sentry reads the notes with the process's next request, or before anybody else looks at one of those
 * files. Written by the process; for the sentry all of it is hostile. See sentry/task/notes.c.
 *
 * A file that may be noted has a slot, and rights; the sentry says so with the reply to its open. The process appends to the log, and
 * then replaces the word by one with the new size; the sentry takes all by exchanging the word, whose generation makes
 * a process that is in the middle of appending fail. Until the sentry has read it all, the log stays as it is.
 *
 * Files may be made so, too, in one directory (struct platform_creates in platform/lease_page.h): the process takes one of the slots
 * that it has no file in. Until the log is taken, what it does to that file goes to the log, its close included; then the slot is as
 * any other.
 */
#pragma once

#include <stdint.h>

#define NOTE_SLOTS 7
#define NOTES_SIZE 0x8000U /* of the log, and so more than any note has */

/* What may be done to the file of a slot by noting it. */
#define NOTE_MAY_CLOSE 1U
#define NOTE_MAY_WRITE 2U
#define NOTE_MAY_SET   4U /* permission bits and times */
#define NOTE_MAY_OWN   8U /* any owner and group */
/* What is known of it: it can be read; its position is 0 at first, and moves by what is read and written, or to where lseek says. */
#define NOTE_READABLE 16U
#define NOTE_POSITION 32U
/* Which struct platform_note_stat has its attributes, + 1; 0: none. They are what fstat would say, until something is noted. */
#define NOTE_PLACE_SHIFT 6
#define NOTE_PLACES      3
struct platform_note_stat {
    uint8_t stat[120]; /* struct stat, but for its unused end */
    uint64_t pad;
};
#define NOTE_STAT_SIZE_AT 48 /* st_size in it */

/* The word: bytes in the log, a bit a slot for what was closed, one for what may not be noted any more; a generation. */
#define NOTES_LOGGED        0xffffffffUL
#define NOTES_CLOSED_SHIFT  32
#define NOTES_BUSY          (1UL << 39) /* the sentry reads the log: nothing may be appended */
#define NOTES_REVOKED_SHIFT 40
#define NOTES_GENERATION    (1UL << 48)
#define NOTES_CLOSED        (0x7fUL << NOTES_CLOSED_SHIFT)
/* Among what may not be noted: files may not be made. */
#define NOTES_NO_CREATES (1UL << NOTE_SLOTS)

/* With a request: there are notes, which slots were closed, and whether the log has anything. */
#define NOTES_TOLD        0x80000000U
#define NOTES_TOLD_LOG    0x100U
#define NOTES_TOLD_CLOSED 0x7fU

/* With a reply: slot, rights, and the fd. */
#define NOTE_GRANTED      0x100U
#define NOTE_SLOT_SHIFT   9
#define NOTE_RIGHTS_SHIFT 12
#define NOTE_FD_SHIFT     20
#define NOTE_FD_MAX       4096

enum platform_note_kind {
    NOTE_WRITE,
    NOTE_PWRITE, /* at offset, which leaves no hole behind what was written before */
    NOTE_MODE,
    NOTE_OWNER,
    NOTE_TIMES,
    NOTE_CREATE, /* a file that is open from then on */
    NOTE_CLOSE,  /* of a file that was made in the same log */
};

/* Followed by size bytes: what is written; a mode; uid and gid; two times, of seconds and nanoseconds; struct platform_note_create. */
#define NOTE_LAST                                                                                  \
    NOTE_SLOTS /* as a slot: the file that was made last in the same log, closed or not; its times */
struct platform_note {
    uint8_t kind, slot;
    uint16_t size;
    uint32_t offset; /* NOTE_PWRITE's */
    uint64_t tsc;    /* time stamp counter, at the call */
};
/* open's flags, the mode that the umask leaves, the fd; then the name in its directory. */
struct platform_note_create {
    uint32_t flags;
    uint16_t mode, fd;
    char name[];
};
/* O_ACCMODE, O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_NONBLOCK, O_LARGEFILE, O_NOFOLLOW, O_CLOEXEC */
#define NOTE_CREATE_FLAGS 02505703U
#define NOTE_CREATES_MAX  128U /* in one log */
#define NOTE_NEXT(size)   ((sizeof(struct platform_note) + (size) + 7) & ~7UL)

/* Where a thread's notes are. */
struct platform_notes {
    uint64_t *word;
    const uint8_t *log;
    struct platform_note_stat *stats; /* NOTE_PLACES; written by the sentry only */
};
