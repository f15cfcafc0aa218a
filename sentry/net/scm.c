/* Files and credentials in flight: see scm.h. Analogous to Linux's net/core/scm.c. */
#include "sentry/net/scm.h"

#include <errno.h>

int scm_files_new(size_t max, struct scm_files **out)
{
    struct scm_files *s = calloc(1, sizeof(*s) + max * sizeof(s->file[0]));

    if (!s) {
        return -ENOMEM;
    }
    list_init(&s->link);
    *out = s;
    return 0;
}

int scm_files_copy(const struct scm_files *s, struct scm_files **out)
{
    struct scm_files *copy;
    int r = scm_files_new(s->count, &copy);

    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < s->count; i++) {
        copy->file[i] = file_get(s->file[i]);
    }
    copy->count = s->count;
    *out = copy;
    return 0;
}

/* What waits to be dropped; and whether somebody is at it. */
static struct list g_dropped = LIST_INIT(g_dropped);
static bool g_dropping;

void scm_files_put(struct scm_files *s)
{
    if (!s) {
        return;
    }
    list_add_tail(&s->link, &g_dropped);
    if (g_dropping) {
        return;
    }
    g_dropping = true;
    while ((s = list_first_entry(&g_dropped, struct scm_files, link))) {
        list_del(&s->link);
        for (size_t i = 0; i < s->count; i++) {
            file_put(s->file[i]);
        }
        free(s);
    }
    g_dropping = false;
}
