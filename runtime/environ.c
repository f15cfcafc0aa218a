#include "runtime/environ.h"

#include <string.h>
#include <unistd.h>

#include "runtime/error.h"

/* Used when the caller has no PATH at all. */
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static size_t name_size(const char *entry)
{
    return strcspn(entry, "=");
}

static bool allowed(const char *entry)
{
    static const char *const names[] = {"PATH", "TERM", "LANG", "TZ", "USER", "SHELL", "HOME"};
    size_t size = name_size(entry);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strlen(names[i]) == size && !memcmp(entry, names[i], size)) {
            return true;
        }
    }
    return !strncmp(entry, "LC_", 3);
}

static char **find(char **envp, const char *name, size_t size)
{
    for (; *envp; envp++) {
        if (name_size(*envp) == size && !memcmp(*envp, name, size)) {
            return envp;
        }
    }
    return NULL;
}

const char *environ_get(const struct config *c, const char *name)
{
    char **e = find(c->envp, name, strlen(name));
    return e && (*e)[strlen(name)] ? *e + strlen(name) + 1 : NULL;
}

static void put(struct config *c, size_t *count, const char *entry)
{
    char *copy = strdup(entry);
    if (!copy) {
        fail(EXIT_SANDBOX, "environment: out of memory");
    }
    char **old = find(c->envp, entry, name_size(entry));
    if (old) {
        free(*old);
        *old = copy;
    } else {
        c->envp[(*count)++] = copy;
    }
}

void environ_build(struct config *c)
{
    size_t count = 0, max = c->env_option_count + 2;
    for (char **e = environ; *e; e++) {
        max++;
    }
    c->envp = calloc(max, sizeof(*c->envp));
    if (!c->envp) {
        fail(EXIT_SANDBOX, "environment: out of memory");
    }
    for (char **e = environ; *e; e++) {
        if (c->keep_env || allowed(*e)) {
            c->envp[count] = strdup(*e);
            if (!c->envp[count++]) {
                fail(EXIT_SANDBOX, "environment: out of memory");
            }
        }
    }
    if (!c->keep_env && !find(c->envp, "PATH", 4)) {
        put(c, &count, DEFAULT_PATH);
    }
    for (size_t i = 0; i < c->env_option_count; i++) {
        const char *option = c->env_options[i];
        if (strchr(option, '=')) {
            put(c, &count, option);
            continue;
        }
        char **mine = find(environ, option, strlen(option));
        if (mine) { /* not set here: not set there */
            put(c, &count, *mine);
        }
    }
}
