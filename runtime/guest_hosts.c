/*
 * The host's /etc/hosts does not know the guest's host name, which programs look up to find themselves. The address is
 * Debian's for a host without one of its own. hosts(5).
 */
#include "runtime/guest_hosts.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "sentry/base/kernel.h"
#include "sentry/vfs/vfs.h"

#define HOSTS     "/etc/hosts"
#define HOSTS_MAX 65536 /* of a longer one the end is not looked at */
#define ADDRESS   "127.0.1.1"

/* Is name one of the names on this line, which is cut to pieces? */
static bool line_names(char *line, const char *name)
{
    char *save = NULL, *comment = strchr(line, '#');
    if (comment) {
        *comment = '\0';
    }
    strtok_r(line, " \t\r", &save); /* the address */
    for (char *word; (word = strtok_r(NULL, " \t\r", &save));) {
        if (strcasecmp(word, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool text_names(char *text, const char *name)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        if (line_names(line, name)) {
            return true;
        }
    }
    return false;
}

/* Is a line wanted, and must another one be ended first? Errors: of reading; -EROFS it is not only the guest's. */
static int look(const struct walk *w, const char *name, bool *out_wanted, bool *out_unfinished)
{
    AUTO_PUT(file) f = NULL;
    AUTO_FREE char *text = calloc(1, HOSTS_MAX + 1);
    int r = text ? vfs_open(w, HOSTS, O_RDONLY, 0, &f) : -ENOMEM;
    if (r < 0) {
        return r;
    }
    if (!S_ISREG(f->inode->mode) || f->inode->sb->magic != OVERLAYFS_SUPER_MAGIC) {
        return -EROFS;
    }
    const ssize_t n = file_kernel_read(f, text, HOSTS_MAX, 0);
    if (n < 0) {
        return (int)n;
    }
    *out_unfinished = n > 0 && text[n - 1] != '\n';
    *out_wanted = !text_names(text, name);
    return 0;
}

static int append(const struct walk *w, struct strbuf *text)
{
    AUTO_PUT(file) f = NULL;
    struct uio u;
    int r = vfs_open(w, HOSTS, O_WRONLY | O_APPEND, 0, &f);
    if (r < 0) {
        return r;
    }
    uio_init_kernel(&u, text->text, text->size);
    const ssize_t n = file_write(f, &u);
    return n < 0 ? (int)n : 0;
}

void guest_hosts_name(const struct config *c)
{
    AUTO_STRBUF line = {0};
    struct cred *cred;
    bool wanted = false, unfinished = false;
    struct path root = {g_kernel->mounts->root, g_kernel->mounts->root->root};
    if (!*c->hostname || cred_new(&cred, 0, 0, NULL, 0) < 0) {
        return;
    }
    const struct walk w = {.cred = cred, .root = &root, .start = &root, .umask = 022};
    int r = look(&w, c->hostname, &wanted, &unfinished);
    if (r == 0 && wanted) {
        strbuf_printf(&line, "%s%s\t%s\n", unfinished ? "\n" : "", ADDRESS, c->hostname);
        r = append(&w, &line);
    }
    if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -EROFS) {
        log_warn("%s: %s", HOSTS, strerror(-r));
    }
    cred_put(cred);
}
