/*
 * What a process has noted becomes true. A forged note is as good as the call that it stands for, on a file that the
 * process has open: each is checked here as that call would be.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "sentry/base/timer.h"
#include "sentry/task/notes_internal.h"
#include "sentry/vfs/vfs.h"

bool notes_reserve(struct noted_file *s, bool on)
{
    int64_t bytes = on ? NOTES_SIZE : -(int64_t)NOTES_SIZE;
    return !(s->rights & NOTE_MAY_WRITE) || s->file->ops->reserve(s->file, bytes) == 0;
}

/* At *pos, which moves. */
static int apply_write(struct file *f, const uint8_t *bytes, size_t size, int64_t *pos,
                       int64_t when)
{
    struct uio u;
    uio_init_kernel(&u, (void *)(uintptr_t)bytes, size); /* which is only read */
    if (f->flags & O_APPEND) {
        *pos = f->inode->size;
    }
    if (*pos > INT64_MAX - (int64_t)NOTES_SIZE) {
        return -EFBIG;
    }
    ssize_t n = f->ops->write(f, &u, pos);
    if (f->noted) {
        noted(f->noted)->pos = f->pos;
        noted(f->noted)->size = f->inode->size;
    }
    f->inode->mtime_ns = when;
    return n == (ssize_t)size ? 0 : n < 0 ? (int)n : -ENOSPC;
}

static int apply_times(struct file *f, const int64_t *t, int64_t when)
{
    int64_t ns[2];
    for (int i = 0; i < 2; i++) {
        int64_t max = INT64_MAX / NSEC_PER_SEC - 1, sec = MAX(MIN(t[2 * i], max), -max);
        int64_t part = t[2 * i + 1];
        if (part != UTIME_NOW && part != UTIME_OMIT && (part < 0 || part >= NSEC_PER_SEC)) {
            return -EINVAL;
        }
        ns[i] = part == UTIME_NOW    ? when
                : part == UTIME_OMIT ? UTIME_OMIT_NS
                                     : sec * NSEC_PER_SEC + part;
    }
    return vfs_utimes(&f->path, f->cred, ns[0], ns[1]);
}

/* bytes: the guest may change them meanwhile. */
static int apply_one(const struct platform_note *n, const uint8_t *bytes, struct file *f,
                     unsigned rights, int64_t when)
{
    uint64_t words[4] = {0};
    if (n->kind == NOTE_WRITE || n->kind == NOTE_PWRITE) {
        int64_t offset = n->offset, *pos = n->kind == NOTE_WRITE ? &f->pos : &offset;
        return rights & NOTE_MAY_WRITE ? apply_write(f, bytes, n->size, pos, when) : -EPERM;
    }
    memcpy(words, bytes, MIN(n->size, sizeof(words)));
    switch (n->kind) {
    case NOTE_MODE:
        return rights & NOTE_MAY_SET ? vfs_chmod(&f->path, f->cred, words[0] & 0777) : -EPERM;
    case NOTE_OWNER:
        return rights & NOTE_MAY_OWN
                   ? vfs_chown(&f->path, f->cred, (uint32_t)words[0], (uint32_t)words[1])
                   : -EPERM;
    case NOTE_TIMES:
        return rights & NOTE_MAY_SET ? apply_times(f, (const int64_t *)words, when) : -EPERM;
    default:
        return -EINVAL;
    }
}

/* n, of files[slot]. */
static int apply_to_slot(struct note_table *t, const struct platform_note *n, const uint8_t *bytes,
                         int64_t when)
{
    struct noted_file *s = &t->files[n->slot % NOTE_SLOTS];
    const struct made_file *m = &t->made[n->slot % NOTE_SLOTS];
    int r = -EBADF;
    if (n->slot == NOTE_LAST) {
        struct file *last = t->creates.last_made;
        r = last && n->kind == NOTE_TIMES
                ? apply_one(n, bytes, last, notes_rights(t->task, last), when)
                : -EBADF;
        if (r == 0) {
            last->inode->ctime_ns = when;
        }
    } else if (m->file && m->now) {
        r = apply_one(n, bytes, m->file, notes_rights(t->task, m->file), when);
        m->file->inode->ctime_ns = r == 0 ? when : m->file->inode->ctime_ns;
    } else if (s->out && !s->file->inode->lock.owner && !s->file->pos_lock.owner) {
        notes_reserve(s, false);
        r = apply_one(n, bytes, s->file, s->rights, when);
        notes_reserve(s, true);
        s->file->inode->ctime_ns = r == 0 ? when : s->file->inode->ctime_ns;
    }
    return r;
}

void notes_apply_log(struct note_table *t, size_t size)
{
    /* Who noted something is in no call that uses one of these files; else it is a forgery, and may not make us wait. */
    struct clock_pair now = clock_pair_now();
    struct platform_note n;
    for (size_t at = 0; at + sizeof(n) <= size; at += NOTE_NEXT(n.size)) {
        memcpy(&n, t->notes.log + at, sizeof(n));
        if (n.size > size - at - sizeof(n)) {
            break;
        }
        const uint8_t *bytes = t->notes.log + at + sizeof(n);
        int64_t when = clock_pair_ns(&t->since, &now, n.tsc);
        int r = n.kind == NOTE_CREATE  ? creates_apply(t, n.slot % NOTE_SLOTS, bytes, n.size, when)
                : n.kind == NOTE_CLOSE ? creates_apply_close(t, n.slot % NOTE_SLOTS)
                                       : apply_to_slot(t, &n, bytes, when);
        if (r < 0) {
            log_info("a noted call of kind %u failed: %d", n.kind, r);
        }
    }
}
