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
