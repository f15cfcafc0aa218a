#include "lib/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void strbuf_free(struct strbuf *s)
{
    free(s->text);
    *s = (struct strbuf){0};
}

void strbuf_clear(struct strbuf *s)
{
    s->size = 0;
    s->oom = false;
    if (s->text) {
        s->text[0] = '\0';
    }
}

static bool strbuf_reserve(struct strbuf *s, size_t more)
{
    if (s->oom) {
        return false;
    }
    size_t need = s->size + more + 1;
    if (need > s->capacity) {
        size_t capacity = MAX(need, s->capacity * 2);
        capacity = MAX(capacity, (size_t)256);
        char *text = realloc(s->text, capacity);
        if (!text) {
            s->oom = true;
            return false;
        }
        s->text = text;
        s->capacity = capacity;
    }
    return true;
}

void strbuf_add(struct strbuf *s, const void *data, size_t size)
{
    if (strbuf_reserve(s, size)) {
        memcpy(s->text + s->size, data, size);
        s->size += size;
        s->text[s->size] = '\0';
    }
}

void strbuf_adds(struct strbuf *s, const char *text)
{
    strbuf_add(s, text, strlen(text));
}

void strbuf_addc(struct strbuf *s, char c)
{
    strbuf_add(s, &c, 1);
}

void strbuf_vprintf(struct strbuf *s, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    size_t room = s->capacity - s->size; /* usually it fits, and is made once */
    int n = vsnprintf(room ? s->text + s->size : NULL, room, format, ap);
    if (n > 0 && !s->oom && (size_t)n < room) {
        s->size += (size_t)n;
    } else if (n > 0 && strbuf_reserve(s, (size_t)n)) {
        vsnprintf(s->text + s->size, (size_t)n + 1, format, again);
        s->size += (size_t)n;
    } else if (room) {
        s->text[s->size] = '\0';
    }
    va_end(again);
}

void strbuf_printf(struct strbuf *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    strbuf_vprintf(s, format, ap);
    va_end(ap);
}

int strbuf_error(const struct strbuf *s)
{
    return s->oom ? -ENOMEM : 0;
}
