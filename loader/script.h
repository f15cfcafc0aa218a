/*
 * The first line of a script: "#!interpreter [one argument]". Analogous to Linux's
 * fs/binfmt_script.c, with the limits of Linux 5.1 and later. Pure. See execve(2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/macros.h"

#define SCRIPT_BUFFER_SIZE 256 /* BINPRM_BUF_SIZE: what exec looks at of a file */
#define SCRIPT_DEPTH_MAX   5   /* interpreters that are scripts themselves, the first included */

struct script_line {
    const char *interp; /* points into the buffer */
    const char *arg;    /* likewise; NULL: none */
};

static inline bool script_is(const char buf[static SCRIPT_BUFFER_SIZE])
{
    return buf[0] == '#' && buf[1] == '!';
}
/**
 * script_parse - take the line apart, in place.
 * @buf: the file's first bytes, zero behind its end; script_is(buf). NULs are written into it.
 *
 * Errors: -ENOEXEC no interpreter, or its name may be cut off by the buffer's end.
 */
MUST_CHECK int script_parse(char buf[static SCRIPT_BUFFER_SIZE], struct script_line *out);
