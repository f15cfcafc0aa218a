/*
 * A gofer in a child process over a temporary tree, and raw messages to it: shared by the gofer's
 * unit test and its fuzzer. The tree:
 *
 *   base/canary              "CANARY-OUTSIDE": beside the roots, must never be reached
 *   base/tree/               root 0 (read-only) and root 1 (writable)
 *     file  sub/inner  sub/deep/leaf  private (0600)  closed/ (0700) closed/file  closed/open (0644)
 *     out -> ../canary   abs -> /etc/passwd   upsub -> sub   fifo
 *   base/tree                root 2: world_readable_only
 *   base/tree, "file"        root 3: the single file
 */
#pragma once

#include "gofer/gofer.h"
#include "gofer/proto.h"
#include "lib/host.h"

#define PEER_CANARY "CANARY-OUTSIDE"

struct peer {
    char base[64];
    int sock;
    int pid;
};
struct peer_reply {
    int error;   /* the reply's, or -EPIPE when the gofer is gone */
    size_t size; /* of body */
    int fd;      /* the first donated one; -1 */
    int fds[HOST_FDS_MAX];
    size_t fd_count;
    uint8_t body[GOFER_MAX_MESSAGE] __attribute__((aligned(8))); /* after the header */
};

/* Aborts the program when the host can't. */
void peer_start(struct peer *p);
void peer_stop(struct peer *p); /* and removes the tree */
/* Closes the socket and waits. Return: the wait(2) status. */
int peer_wait_end(struct peer *p);
/* Sends raw bytes, and waits for one reply. */
void peer_raw(struct peer *p, const void *message, size_t size, struct peer_reply *out);
void peer_close_fds(struct peer_reply *r);
/* A well-formed request. text: NULL for none. */
void peer_call(struct peer *p, uint32_t type, uint32_t root, const char *path, const char *text,
               const void *fields, size_t fields_size, struct peer_reply *out);
/* The same with explicit string sizes, for hostile ones. */
void peer_call_bytes(struct peer *p, uint32_t type, uint32_t root, const char *path,
                     size_t path_size, const char *text, size_t text_size, const void *fields,
                     size_t fields_size, struct peer_reply *out);
