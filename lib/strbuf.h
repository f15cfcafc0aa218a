/*
 * Growable text: what procfs files, --strace lines and messages are written into. Running out of
 * memory is remembered (oom) rather than returned at every call; ask strbuf_error once at the end.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "lib/macros.h"

struct strbuf {
    char *text; /* owned; NUL-terminated when not NULL */
    size_t size;
    size_t capacity;
    bool oom;
};

void strbuf_free(struct strbuf *s);
void strbuf_clear(struct strbuf *s);
void strbuf_add(struct strbuf *s, const void *data, size_t size);
void strbuf_adds(struct strbuf *s, const char *text);
void strbuf_addc(struct strbuf *s, char c);
PRINTF(2, 3) void strbuf_printf(struct strbuf *s, const char *format, ...);
PRINTF(2, 0) void strbuf_vprintf(struct strbuf *s, const char *format, va_list ap);
MUST_CHECK int strbuf_error(const struct strbuf *s); /* 0 or -ENOMEM */

#define AUTO_STRBUF __attribute__((cleanup(strbuf_free))) struct strbuf
