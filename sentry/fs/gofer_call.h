/* One call in flight, between gofer_client.c (the connection) and gofer_calls.c (the messages). */
#pragma once

#include "lib/hash.h"
#include "lib/host.h"
#include "sentry/base/waitq.h"
#include "sentry/fs/gofer_client.h"

struct gofer_call {
    uint32_t type;
    void *request; /* owned by the caller; its tag is filled in here */
    size_t request_size;

    uint64_t asked; /* struct gofer_attr's */

    /* the answer: reply is owned by the caller, reply_size bytes after the header (room for one more) */
    uint8_t *reply;
    size_t reply_size;
    int fds[HOST_FDS_MAX]; /* owned by the caller: donated */
    size_t fd_count;

    /* the connection's */
    uint32_t tag;
    int error;
    bool done, sleeping;
    bool posted;    /* see gofer_call_post */
    bool abandoned; /* nobody waits for it any more: it is freed with what comes */
    struct hash_node pending;
    struct list send_link;
    struct waitq wait;
};

/* Sends c, and waits for its reply. Return: 0 or -errno; then reply is NULL and fd_count 0. Context: may block. */
MUST_CHECK int gofer_call_run(struct gofer_client *g, struct gofer_call *c);
/*
 * The two halves of it. Between them c, which is malloc'ed, and its request stay as they are. A call
 * that was sent has to be waited for, or abandoned. Errors of sending: -EAGAIN no room now; -EIO; -ENOMEM.
 */
MUST_CHECK int gofer_call_post(struct gofer_client *g, struct gofer_call *c);
MUST_CHECK int gofer_call_wait(struct gofer_client *g, struct gofer_call *c);
void gofer_call_close_fds(struct gofer_call *c);
/* gofer_dirents.c: finds d's directories in the reply's tail, which has size bytes, and checks each. */
MUST_CHECK bool gofer_dirents_valid(const struct gofer_dirents *d, const uint8_t *tail, size_t size,
                                    const char *beside);
/* Closes the older half of the idle donated fds. Return: whether there were any. */
bool gofer_idle_shrink(struct gofer_client *g);
