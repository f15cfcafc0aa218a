/* The two record layouts of directory entries: see dirent.h. */
#include "sentry/vfs/dirent.h"

#include <string.h>

/* Up to their names. */
struct dirent_64 {
    uint64_t ino;
    int64_t next;
    uint16_t size;
    uint8_t type;
};
#define DIRENT_64_NAME (offsetof(struct dirent_64, type) + 1)
struct dirent_old { /* the type is the record's last byte */
    uint64_t ino, next;
    uint16_t size;
};
#define DIRENT_OLD_NAME (offsetof(struct dirent_old, size) + sizeof(uint16_t))

bool dirent_emit(struct dir_context *c, const char *name, size_t size, uint64_t ino,
                 unsigned char type, int64_t next_pos)
{
    struct dirent_sink *s = container_of(c, struct dirent_sink, context);
    const size_t head = s->old ? DIRENT_OLD_NAME : DIRENT_64_NAME;
    const size_t record = ALIGN_UP(head + size + 1 + (s->old ? 1 : 0), sizeof(uint64_t));
    char *at = s->buf + s->used;
    if (record > s->room - s->used) {
        s->full = true;
        s->too_small = s->used == 0;
        return false;
    }
    memset(at, 0, record);
    if (s->old) {
        const struct dirent_old d = {
            .ino = ino, .next = (uint64_t)next_pos, .size = (uint16_t)record};
        memcpy(at, &d, DIRENT_OLD_NAME);
        at[record - 1] = (char)type;
    } else {
        const struct dirent_64 d = {
            .ino = ino, .next = next_pos, .size = (uint16_t)record, .type = type};
        memcpy(at, &d, DIRENT_64_NAME);
    }
    memcpy(at + head, name, size);
    s->used += record;
    return true;
}
