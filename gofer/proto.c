/*
 * What both ends know of the protocol beyond its layout: which paths are canonical, and names for
 * the log.
 */
#include "gofer/proto.h"

#include <string.h>

bool gofer_path_valid(const char *path, size_t size)
{
    if (size == 0 || size >= GOFER_MAX_PATH || memchr(path, '\0', size)) {
        return false;
    }
    if (size == 1 && path[0] == '.') {
        return true;
    }
    size_t at = 0;
    for (;;) {
        const char *name = path + at;
        const char *slash = memchr(name, '/', size - at);
        size_t n = slash ? (size_t)(slash - name) : size - at;
        if (n == 0 || n > GOFER_MAX_NAME) {
            return false;
        }
        if (name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.'))) {
            return false;
        }
        if (!slash) {
            return true;
        }
        at += n + 1;
    }
}

/* The next piece of size bytes at *at, up to "//" or the end. Return: its size. */
static size_t next_piece(const char *text, size_t size, size_t *at)
{
    size_t start = *at;
    const char *end = start < size ? memmem(text + start, size - start, "//", 2) : NULL;
    size_t n = end ? (size_t)(end - text) - start : size - start;
    *at = start + n + (end ? 2 : 0);
    return n;
}

bool gofer_files_valid(const char *text, size_t size)
{
    size_t at = 0, n = next_piece(text, size, &at);
    bool valid = n == 0 || gofer_path_valid(text, n);
    while (valid && at > n && at < size) {
        const char *dir = text + at;
        n = next_piece(text, size, &at);
        valid = gofer_path_valid(dir, n) && dir + n < text + size && at < size;
        if (valid) {
            const char *names = text + at;
            n = next_piece(text, size, &at);
            valid = gofer_path_valid(names, n) && (names + n == text + size || at < size);
        }
    }
    return valid && (size < 2 || memcmp(text + size - 2, "//", 2) != 0);
}

const char *gofer_type_name(uint32_t type)
{
    switch (type) {
#define GOFER_MESSAGE(number, NAME, name, access, text, request, reply)                            \
    case number:                                                                                   \
        return #NAME;
#include "gofer/proto.def"
#undef GOFER_MESSAGE
    default:
        return "?";
    }
}
