#include "syscalls/debug_bug.h"

#ifdef DEBUG
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bug.h"

static char g_kind;
static uint64_t g_calls;

int debug_bug_set(const char *text)
{
    static const char *const kinds[] = {"bug:", "segv:", "abort:", "stack:"};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        size_t size = strlen(kinds[i]);
        if (strncmp(text, kinds[i], size) == 0) {
            g_kind = text[0] == 's' ? text[1] : text[0];
            g_calls = strtoull(text + size, NULL, 10);
            return g_calls ? 0 : -EINVAL;
        }
    }
    return -EINVAL;
}

/* To run out of stack: neither a tail call nor, to the compiler's knowledge, endless. */
static __attribute__((noinline)) uint64_t eat_stack(volatile char *above)
{
    volatile char frame[512];
    frame[0] = above ? above[0] : 1;
    return frame[0] == 2 ? 0 : eat_stack(frame) + (uint64_t)frame[0];
}

void debug_bug_maybe(uint64_t calls)
{
    if (calls != g_calls) {
        return;
    }
    switch (g_kind) {
    case 'b':
        BUG();
    case 'e':
        *(volatile int *)(uintptr_t)(calls * 0) = 1;
        break;
    case 'a':
        abort();
    case 't':
        eat_stack(NULL);
        break;
    }
}
#endif
