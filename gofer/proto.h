/*
 * What the sentry and the gofer say to each other over one SOCK_SEQPACKET socket.
 *
 * A request is struct gofer_request, the fields of its type, then the bytes of the path and of the
 * second string, without NULs between. A reply is struct gofer_reply, the fields of its type and a
 * tail; a reply with an error is its header alone. One message is one packet of at most
 * GOFER_MAX_MESSAGE bytes; a reply carries the tag of its request, and those of WALK and
 * OPEN may carry fds.
 *
 * The gofer keeps nothing between two requests: no handles, no sessions. So a sentry that has been
 * taken over finds no state to confuse; each request is judged alone, by root and path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOFER_MAX_MESSAGE 65536u
#define GOFER_MAX_PATH    4096u /* with a NUL: paths and link texts are at most 4095 bytes */
#define GOFER_MAX_NAME    255u
#define GOFER_MAX_WALK    256u            /* components of one WALK */
#define GOFER_MAX_BESIDE  63u             /* files beside one OPEN */
#define GOFER_MAX_READ    (1024u * 1024u) /* bytes of one READAHEAD */

struct gofer_request {
    uint32_t type;
    uint32_t tag;
    uint32_t root;
    uint16_t path_size;
    uint16_t text_size;
};
struct gofer_reply {
    uint32_t type;
    uint32_t tag;
    int32_t error; /* 0 or -errno */
    uint32_t size; /* of the whole message */
};

/* A file's attributes, as lstat would show them; times in ns of CLOCK_REALTIME. */
struct gofer_attr {
    uint32_t mode, nlink, uid, gid;
    uint64_t dev, rdev, ino, size, blocks;
    uint64_t mount_id; /* with dev and ino: which file it is; 0 if the host can't say */
    int64_t atime_ns, mtime_ns, ctime_ns;
    int64_t btime_ns; /* 0 if unknown */
    uint32_t blksize;
    uint32_t flags; /* GOFER_ATTR_* */
    uint64_t asked; /* the sentry's: gofer_client_change()'s count when it asked for them */
};
/* What the gofer itself may do with the file by its mode bits: bits of MAY_* (read 4, write 2, exec 1). */
#define GOFER_ATTR_MAY      7u
#define GOFER_ATTR_NO_XATTR 8u /* known to have no extended attributes */

/*
 * One directory in a READDIR reply, followed by its entries. The first is the one that was asked for;
 * each other one is whole, and a subdirectory of an earlier one or a directory beside the first.
 */
struct gofer_listed {
    uint64_t next;  /* cookie of what comes after the last entry */
    uint32_t count; /* entries */
    uint32_t size;  /* bytes of the entries */
    uint32_t
        parent; /* which one before this has its name; GOFER_LISTED_BESIDE: the request's text */
    uint32_t entry;    /* where its name is among the parent's entries, or in the text, in bytes */
    uint32_t complete; /* nothing comes after the last entry */
    uint32_t unused;
};
#define GOFER_LISTED_BESIDE UINT32_MAX
/* One entry, followed by its attributes if has_attr, its name, and the text of a symbolic link. */
struct gofer_dirent {
    uint64_t ino;
    uint64_t next; /* cookie of what comes after this entry */
    uint16_t name_size;
    uint16_t target_size; /* 0: no link, or not asked for */
    uint8_t type;         /* DT_* */
    uint8_t has_attr;     /* 0 or 1 */
    uint16_t unused;
};
/* Bytes of a directory entry with all that follows it: always a multiple of 8. */
static inline size_t gofer_dirent_size(const struct gofer_dirent *e)
{
    size_t attr = e->has_attr ? sizeof(struct gofer_attr) : 0;
    return (sizeof(*e) + attr + e->name_size + e->target_size + 7) & ~(size_t)7;
}
static inline const char *gofer_dirent_name(const struct gofer_dirent *e)
{
    return (const char *)(e + 1) + (e->has_attr ? sizeof(struct gofer_attr) : 0);
}
/* READDIR's want. The attributes of subdirectories always come. */
#define GOFER_LIST_ATTRS  1u /* of every entry, and the text of links */
#define GOFER_LIST_XATTRS 2u /* with them: GOFER_ATTR_NO_XATTR where it is so */
#define GOFER_LIST_ALL    3u

/* OPEN's flags: O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC as <fcntl.h> has them. */
#define GOFER_OPEN_FLAGS ((uint32_t)(O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC))
/* A file beside the one that was asked for, opened for reading as well. */
struct gofer_opened {
    uint32_t entry; /* where its name is in the request's text, in bytes */
    uint32_t unused;
    struct gofer_attr attr;
};

#define GOFER_SET_MODE  1u
#define GOFER_SET_UID   2u
#define GOFER_SET_GID   4u
#define GOFER_SET_SIZE  8u
#define GOFER_SET_ATIME 16u
#define GOFER_SET_MTIME 32u
#define GOFER_SET_ALL   63u

enum gofer_type {
#define GOFER_MESSAGE(number, NAME, name, access, text, request, reply) GOFER_##NAME = number,
#include "gofer/proto.def"
#undef GOFER_MESSAGE
};

/* struct gofer_<name>_req and struct gofer_<name>_rep; those without fields have size 0. */
#define U32(f)  uint32_t f;
#define I32(f)  int32_t f;
#define U64(f)  uint64_t f;
#define I64(f)  int64_t f;
#define ATTR(f) struct gofer_attr f;
#define GOFER_MESSAGE(number, NAME, name, access, text, request, reply)                            \
    struct gofer_##name##_req {                                                                    \
        request                                                                                    \
    };                                                                                             \
    struct gofer_##name##_rep {                                                                    \
        reply                                                                                      \
    };
#include "gofer/proto.def"
#undef GOFER_MESSAGE
#undef U32
#undef I32
#undef U64
#undef I64
#undef ATTR

_Static_assert(sizeof(struct gofer_request) == 16 && sizeof(struct gofer_reply) == 16,
               "fields after the header are 8-aligned");
_Static_assert(sizeof(struct gofer_attr) == 112 && sizeof(struct gofer_dirent) == 24 &&
                   sizeof(struct gofer_listed) == 32,
               "no padding: nothing of the sender's memory travels with a message");

/* gofer/proto.c */

/**
 * gofer_path_valid - is this a canonical path beneath a root?
 * @path: size bytes, not NUL-terminated.
 *
 * Canonical: "." alone, or names separated by single slashes, each 1 to 255 bytes, none "." or "..",
 * no NUL, no slash at either end, in all fewer than GOFER_MAX_PATH bytes.
 */
bool gofer_path_valid(const char *path, size_t size);
/*
 * OPEN's text: single names with slashes between; and then as often as wanted "//", the canonical path of another
 * directory beneath the root, "//", and names in it.
 */
bool gofer_files_valid(const char *text, size_t size);
/* "WALK" ..., or "?" for a number that is no message. */
const char *gofer_type_name(uint32_t type);
