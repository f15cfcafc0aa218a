/* One request being served, and the handlers that serve it. Gofer only. */
#pragma once

#include <sys/types.h>

#include "gofer/gofer.h"
#include "gofer/host_files.h"
#include "gofer/proto.h"
#include "lib/host.h"

#define GOFER_MAX_GROUPS   64u
#define GOFER_SCRATCH_SIZE (128u * 1024u)

/* Who this process is to the host, for GOFER_ATTR_MAY. */
struct gofer_identity {
    uint32_t uid, gid;
    uint32_t group_count;
    gid_t groups[GOFER_MAX_GROUPS];
};

/* All of a request in private memory, checked: a handler needs to look only at its own fields. */
struct serve {
    const struct gofer_config *config;
    const struct gofer_identity *who;
    const struct gofer_root *root;
    char path[GOFER_MAX_PATH]; /* canonical */
    char text[GOFER_MAX_PATH]; /* as the message's row says; "" when it has none */
    uint8_t *tail;             /* where the reply's tail goes */
    size_t tail_size;          /* bytes written there */
    size_t tail_room;
    int donate[HOST_FDS_MAX]; /* owned: go with the reply */
    size_t donate_count;
    uint8_t *scratch; /* GOFER_SCRATCH_SIZE bytes, for this call only */
};

static inline size_t serve_tail_left(const struct serve *s)
{
    return s->tail_room - s->tail_size;
}

/* 0 or -errno; *rep is zeroed, and sent only on success. */
#define GOFER_MESSAGE(number, NAME, name, access, text, request, reply)                            \
    MUST_CHECK int serve_##name(struct serve *s, const struct gofer_##name##_req *req,             \
                                struct gofer_##name##_rep *rep);
#include "gofer/proto.def"
#undef GOFER_MESSAGE

/* gofer/attr.c: what the host says of a file, as the sentry sees it. stx is of (fd, name), as below. */
void serve_fill_attr(const struct serve *s, const struct statx *stx, int fd, const char *name,
                     struct gofer_attr *out);
/* Of an open fd (or O_PATH), or of dir's entry name. */
MUST_CHECK int serve_attr_of(const struct serve *s, int fd, const char *name,
                             struct gofer_attr *out);
void gofer_identity_init(struct gofer_identity *who);
