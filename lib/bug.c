#include "lib/bug.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void (*g_hook)(void);

void bug_set_hook(void (*hook)(void))
{
    g_hook = hook;
}

void bug(const char *file, int line, const char *what)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "sandbox: BUG at %s:%d: %s\n", file, line, what);
    if (n > 0) {
        size_t size = MIN((size_t)n, sizeof(text) - 1);
        if (write(STDERR_FILENO, text, size) < 0) {
            /* nowhere left to say it */
        }
    }
    void (*hook)(void) = g_hook;
    g_hook = NULL; /* a BUG inside the hook must not recurse */
    if (hook) {
        hook();
    }
    _exit(125);
}
