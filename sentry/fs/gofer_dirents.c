/*
 * What a READDIR reply brings: the entries of one directory, and perhaps of others that were asked for with it, or
 * that the gofer thought would be wanted next. All of it is checked before anybody walks over it.
 */
#include "sentry/fs/gofer_call.h"

#include <string.h>
#include <sys/stat.h>

void gofer_dirents_free(struct gofer_dirents *d)
{
    free(take(&d->reply));
    free(take(&d->dir));
    d->dirs = 0;
}

/* Does e lie within size bytes, with a name and a link's text that can be ones? */
static bool dirent_valid(const struct gofer_dirent *e, size_t size)
{
    if (size < sizeof(*e) || e->has_attr > 1 || gofer_dirent_size(e) > size) {
        return false;
    }
    const char *name = gofer_dirent_name(e);
    return e->name_size > 0 && e->name_size <= GOFER_MAX_NAME && e->target_size < GOFER_MAX_PATH &&
           (int64_t)e->next >= 0 && !memchr(name, '\0', e->name_size + (size_t)e->target_size) &&
           !memchr(name, '/', e->name_size);
}

/* The entries of l fill its size. */
static bool entries_valid(const struct gofer_listed *l)
{
    size_t at = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct gofer_dirent *e = gofer_listed_entry(l, at);
        if (!dirent_valid(e, l->size - at)) {
            return false;
        }
        at += gofer_dirent_size(e);
    }
    return at == l->size;
}

/* Is the subdirectory whose entry in l is at offset one by its attributes and its name? */
static bool subdir_valid(const struct gofer_listed *l, uint32_t offset)
{
    const struct gofer_dirent *e = gofer_listed_entry(l, offset);
    struct gofer_attr attr;
    if (offset % 8 || offset >= l->size || !dirent_valid(e, l->size - offset) || !e->has_attr) {
        return false;
    }
    const char *name = gofer_dirent_name(e);
    memcpy(&attr, e + 1, sizeof(attr));
    bool dots = name[0] == '.' && (e->name_size == 1 || (e->name_size == 2 && name[1] == '.'));
    return S_ISDIR(attr.mode) && !dots;
}

/* Does a directory that came along say where it belongs? */
static bool place_valid(const struct gofer_dirents *d, uint32_t i, const struct gofer_listed *l,
                        const char *beside)
{
    if (l->parent == GOFER_LISTED_BESIDE) {
        return l->entry < strlen(beside) && (l->entry == 0 || beside[l->entry - 1] == '/');
    }
    return l->parent < i && subdir_valid(d->dir[l->parent], l->entry);
}

bool gofer_dirents_valid(const struct gofer_dirents *d, const uint8_t *tail, size_t size,
                         const char *beside)
{
    for (uint32_t i = 0; i < d->dirs; i++) {
        const struct gofer_listed *l = (const void *)tail;
        if (size < sizeof(*l) || size - sizeof(*l) < l->size || l->size % 8 || !entries_valid(l)) {
            return false;
        }
        if (i == 0 ? l->count == 0 && !l->complete
                   : !l->complete || !place_valid(d, i, l, beside)) {
            return false;
        }
        d->dir[i] = l;
        tail += sizeof(*l) + l->size;
        size -= sizeof(*l) + l->size;
    }
    return size == 0;
}
