/* A pipe inside: shared by pipe.c (data) and fifo.c (opening). Nobody else includes it. */
#pragma once

#include "sentry/fs/fs.h"
#include "sentry/fs/pipe.h"

struct pipe_slot {
    uint8_t *page; /* owned */
    uint16_t offset, size;
    bool packet; /* O_DIRECT: a read takes at most this slot */
};
struct pipe {
    struct waitq q;
    struct pipe_slot *slots; /* owned */
    unsigned slot_count;     /* a power of two */
    unsigned head, tail;     /* free-running; head - tail slots are in use */
    unsigned readers, writers, files;
    /* How often an end was opened: what a blocking open of the other end waits to see change. */
    unsigned reader_opens, writer_opens;
    bool anonymous;
    uint8_t *spare; /* owned: the page freed last */
};
struct pipe_end { /* file->private */
    struct pipe *pipe;
    /* O_NONBLOCK reader that found no writer: no EPOLLHUP until one has come and gone. */
    bool ignore_hangup;
    unsigned writer_opens;
};

extern const struct file_ops pipe_ops;
MUST_CHECK int pipe_alloc(bool anonymous, struct pipe **out);
/* Drops one count of files; the pipe may be gone afterwards. */
void pipe_put(struct inode *inode, struct pipe *p);
/* f's ends come (1) or go (-1). */
void pipe_count(struct pipe *p, const struct file *f, int change);
