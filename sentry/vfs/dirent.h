/* Directory entries in the layouts that getdents(2) and getdents64(2) give to processes. Analogous to Linux's fs/readdir.c. */
#pragma once

#include "sentry/vfs/file.h"

struct dirent_sink {
    struct dir_context context; /* .emit = dirent_emit */
    char *buf;                  /* borrowed: room bytes */
    size_t room, used;
    bool old;       /* getdents */
    bool full;      /* the last entry found no room */
    bool too_small; /* ... and was the first */
};
bool dirent_emit(struct dir_context *c, const char *name, size_t size, uint64_t ino,
                 unsigned char type, int64_t next_pos);
