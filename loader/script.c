#include "loader/script.h"

#include <errno.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The first byte in [p, last] that is no blank; NULL: none. */
static char *skip_blanks(char *p, char *last)
{
    while (p <= last && is_blank(*p)) {
        p++;
    }
    return p <= last ? p : NULL;
}

/* The first blank or NUL in [p, last]; NULL: none. */
static char *find_end(char *p, char *last)
{
    while (p <= last && *p && !is_blank(*p)) {
        p++;
    }
    return p <= last ? p : NULL;
}

int script_parse(char buf[static SCRIPT_BUFFER_SIZE], struct script_line *out)
{
    char *last = buf + SCRIPT_BUFFER_SIZE - 1;
    size_t text_size = strnlen(buf, SCRIPT_BUFFER_SIZE);
    char *end = memchr(buf, '\n', text_size);
    if (!end) {
        /* A long argument may be cut off, but a name that reaches the buffer's end may not. */
        char *name = skip_blanks(buf + 2, last);
        if (!name || !find_end(name, last)) {
            return -ENOEXEC;
        }
        end = last;
    }
    while (is_blank(end[-1])) {
        end--;
    }
    char *name = skip_blanks(buf + 2, end);
    if (!name || name == end) {
        return -ENOEXEC;
    }
    char *name_end = find_end(name, end), *arg = NULL;
    if (name_end && *name_end) {
        arg = skip_blanks(name_end, end);
        *name_end = '\0';
    }
    *end = '\0';
    out->interp = name;
    out->arg = arg;
    return 0;
}
