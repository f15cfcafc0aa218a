/*
 * Which host directories the gofer will serve, and where. Decided here, in the front process, with
 * the caller's own rights and names; the guest has no say in it. A directory that the user named and
 * that can't be shown is an error; one that merely belongs to the default view is left out.
 */
#include "runtime/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/environ.h"
#include "runtime/error.h"

static char *checked(char *p)
{
    if (!p) {
        fail(EXIT_SANDBOX, "out of memory");
    }
    return p;
}

/* path made absolute by cwd, without ".", ".." and double slashes; symlinks are not looked at. */
static char *normalise(const char *cwd, const char *path)
{
    size_t size = 0;
    char *out = checked(malloc(strlen(cwd) + strlen(path) + 3));
    const char *parts[2] = {path[0] == '/' ? "" : cwd, path};
    for (int i = 0; i < 2; i++) {
        for (const char *p = parts[i]; *p;) {
            size_t n = strcspn(p, "/");
            if (n == 2 && p[0] == '.' && p[1] == '.') {
                while (size && out[--size] != '/') {
                }
            } else if (n && !(n == 1 && p[0] == '.')) {
                out[size++] = '/';
                memcpy(out + size, p, n);
                size += n;
            }
            p += n + (p[n] == '/');
        }
    }
    if (!size) {
        out[size++] = '/';
    }
    out[size] = 0;
    return out;
}

/* path is dir or lies below it */
static bool below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return !strcmp(dir, "/") || (!strncmp(path, dir, n) && (path[n] == '/' || path[n] == 0));
}

static struct tree *add_tree(struct config *c, char *host, char *guest)
{
    if (c->tree_count == ARRAY_COUNT(c->trees)) {
        fail(EXIT_SANDBOX, "%s: too many directories", host);
    }
    struct tree *t = &c->trees[c->tree_count++];
    *t = (struct tree){.host = host, .guest = guest, .order = c->mount_order++};
    return t;
}

static void add_tmpfs(struct config *c, const char *guest, uint32_t mode, bool owned_by_user)
{
    if (c->tmpfs_count < ARRAY_COUNT(c->tmpfs)) {
        c->tmpfs[c->tmpfs_count++] =
            (struct guest_tmpfs){normalise("/", guest), mode, owned_by_user, c->mount_order++};
    }
}

/* Will a file of this name be found inside, on a host tree? */
static bool visible(const struct config *c, const char *guest)
{
    for (size_t i = 0; i < c->tree_count; i++) {
        if (below(guest, c->trees[i].guest) && !c->trees[i].only_file) {
            return true;
        }
    }
    for (size_t i = 0; i < c->link_count; i++) {
        if (below(guest, c->links[i].guest)) {
            return true;
        }
    }
    return false;
}

/* Names under which the sandbox has things of its own: never the host's. */
static bool ours(const char *path)
{
    return below(path, "/proc") || below(path, "/sys") || below(path, "/dev");
}

static void system_folders(struct config *c)
{
    static const char *const names[] = {"/usr",   "/bin",    "/sbin", "/lib", "/lib32",
                                        "/lib64", "/libx32", "/etc",  "/opt"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct stat st;
        char target[PATH_MAX];
        if (lstat(names[i], &st) < 0) {
            continue;
        }
        if (S_ISLNK(st.st_mode)) {
            ssize_t n = readlink(names[i], target, sizeof(target) - 1);
            if (n > 0) {
                target[n] = 0;
                c->links[c->link_count++] =
                    (struct guest_link){checked(strdup(names[i])), checked(strdup(target))};
            }
        } else if (S_ISDIR(st.st_mode) && (st.st_mode & 05) == 05) {
            struct tree *t = add_tree(c, checked(strdup(names[i])), checked(strdup(names[i])));
            t->overlay = t->world_only = true;
        }
    }
}

static void current_directory(struct config *c)
{
    if (!c->cwd || !strcmp(c->cwd, "/") || ours(c->cwd) || visible(c, c->cwd) ||
        faccessat(AT_FDCWD, c->cwd, X_OK, AT_EACCESS) < 0) {
        return; /* the sentry falls back to / when it turns out not to be there */
    }
    struct tree *t = add_tree(c, c->cwd, c->cwd);
    t->overlay = true;
    struct stat st;
    if (stat(c->cwd, &st) == 0 && st.st_uid != geteuid() && (st.st_mode & 05) != 05) {
        c->read_any = true; /* root stands in somebody's private directory */
    }
}

/* Shows one file, alone in its directory. Return: it can be shown. */
static bool add_program(struct config *c, const char *guest)
{
    struct stat st;
    char *host = realpath(guest, NULL);
    if (!host || stat(host, &st) < 0 || !S_ISREG(st.st_mode)) {
        free(host);
        return false;
    }
    const char *slash = strrchr(guest, '/');
    char *dir =
        slash == guest ? checked(strdup("/")) : checked(strndup(guest, (size_t)(slash - guest)));
    if (!strcmp(dir, "/") || ours(dir)) {
        free(host);
        free(dir);
        return false;
    }
    struct tree *t = add_tree(c, host, dir);
    t->only_file = checked(strdup(slash + 1));
    t->overlay = true;
    return true;
}

/* The program itself, if it is elsewhere. Whether it can be executed is the sentry's answer. */
static void program(struct config *c)
{
    const char *name = c->argv[0];
    if (strchr(name, '/')) {
        AUTO_FREE char *guest = normalise(c->cwd ? c->cwd : "/", name);
        if (!visible(c, guest)) {
            add_program(c, guest);
        }
        return;
    }
    const char *path = environ_get(c, "PATH");
    for (const char *p = path ? path : ""; *p;) {
        size_t n = strcspn(p, ":");
        AUTO_FREE char *dir = checked(strndup(p, n));
        AUTO_FREE char *file = NULL;
        if (asprintf(&file, "%s/%s", n ? dir : ".", name) < 0) {
            checked(NULL);
        }
        AUTO_FREE char *guest = normalise(c->cwd ? c->cwd : "/", file);
        bool found = faccessat(AT_FDCWD, guest, X_OK, AT_EACCESS) == 0 &&
                     (visible(c, guest) || add_program(c, guest));
        if (found) {
            return;
        }
        p += n + (p[n] == ':');
    }
}

/* The directory HOST of an option, resolved, and known to be one that can be read. */
static char *host_directory(const char *option, const char *path)
{
    struct stat st;
    char *host = realpath(path, NULL);
    if (!host || stat(host, &st) < 0) {
        fail(EXIT_SANDBOX, "--%s %s: %s: give an existing directory", option, path,
             strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        fail(EXIT_SANDBOX, "--%s %s: not a directory: give a directory", option, path);
    }
    if (faccessat(AT_FDCWD, host, R_OK | X_OK, AT_EACCESS) < 0) {
        fail(EXIT_SANDBOX, "--%s %s: %s: give a directory that you can read", option, path,
             strerror(errno));
    }
    return host;
}

static void binds(struct config *c)
{
    for (size_t i = 0; i < c->bind_count; i++) {
        const char *option = c->binds[i].writable ? "rw" : "ro";
        char *host = checked(strdup(c->binds[i].spec));
        char *colon = strrchr(host, ':');
        struct stat st;
        /* A name that exists as it stands wins: colons are legal in names. */
        bool whole = colon && colon[1] != '/' && stat(host, &st) == 0;
        char *guest = NULL;
        if (colon && !whole) {
            if (colon[1] != '/') {
                fail(EXIT_SANDBOX, "--%s %s: '%s' is not an absolute path: write HOST:/PATH/INSIDE",
                     option, host, colon + 1);
            }
            *colon = 0;
            guest = normalise("/", colon + 1);
        }
        if (!host[0]) {
            fail(EXIT_SANDBOX, "--%s %s: no host directory: write HOST[:GUEST]", option,
                 c->binds[i].spec);
        }
        if (!guest) {
            guest = normalise(c->cwd ? c->cwd : "/", host);
        }
        struct tree *t = add_tree(c, host_directory(option, host), guest);
        t->writable = c->binds[i].writable;
        c->read_any |= geteuid() == 0;
        c->write_any |= geteuid() == 0 && t->writable;
        free(host);
    }
}

static void find_home(struct config *c)
{
    const char *home = environ_get(c, "HOME");
    if (home && home[0] == '/') {
        c->home = normalise("/", home);
    }
}

void view_build(struct config *c)
{
    c->cwd = realpath(".", NULL);
    find_home(c);
    if (c->root) {
        struct tree *t = add_tree(c, host_directory("root", c->root), checked(strdup("/")));
        t->overlay = true;
        c->read_any = geteuid() == 0;
    } else if (c->host == HOST_ALL) {
        struct tree *t = add_tree(c, checked(strdup("/")), checked(strdup("/")));
        t->overlay = true;
        c->read_any = geteuid() == 0;
    } else {
        add_tmpfs(c, "/tmp", 01777, false);
        if (c->host == HOST_SYSTEM) {
            add_tmpfs(c, "/run", 0755, false);
            add_tmpfs(c, "/var/tmp", 01777, false);
            system_folders(c);
            if (c->home && !visible(c, c->home) && !ours(c->home)) {
                add_tmpfs(c, c->home, 0700, true);
            }
        }
    }
    binds(c);
    if (c->host == HOST_SYSTEM) {
        current_directory(c);
        program(c);
    }
    for (size_t i = 0; i < c->tmpfs_option_count; i++) {
        add_tmpfs(c, c->tmpfs_options[i], 0755, true);
    }
    c->guest_cwd = c->workdir ? normalise("/", c->workdir) : c->cwd ? c->cwd : checked(strdup("/"));
}
