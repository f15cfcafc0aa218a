#include "syscalls/recent.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/host.h"
#include "sentry/task/task.h"
#include "syscalls/info.h"

#define RING_SIZE 16

struct recent_call {
    uint64_t nr, args[6];
    long result;
    int tid;
    bool done;
};
static struct recent_call g_ring[RING_SIZE];
static uint64_t g_next; /* tickets given out */

uint64_t recent_enter(const struct task *t, uint64_t nr, const uint64_t *args)
{
    uint64_t ticket = g_next++;
    struct recent_call *c = &g_ring[ticket % RING_SIZE];
    c->nr = nr;
    c->tid = task_tid(t);
    c->done = false;
    memcpy(c->args, args, sizeof(c->args));
    return ticket;
}

void recent_exit(uint64_t ticket, long result)
{
    if (g_next - ticket <= RING_SIZE) {
        struct recent_call *c = &g_ring[ticket % RING_SIZE];
        c->result = result;
        c->done = true;
    }
}

static size_t describe(const struct recent_call *c, char *out, size_t size)
{
    const struct syscall_info *info = syscall_info((uint32_t)c->nr);
    unsigned arg_count = info ? info->arg_count : 6;
    size_t n = info ? (size_t)snprintf(out, size, "  tid %d: %s(", c->tid, info->name)
                    : (size_t)snprintf(out, size, "  tid %d: %#lx(", c->tid, (long)c->nr);
    for (unsigned i = 0; i < arg_count && n < size; i++) {
        n += (size_t)snprintf(out + n, size - n, "%s%#lx", i ? ", " : "", (long)c->args[i]);
    }
    if (n < size) {
        n += c->done ? (size_t)snprintf(out + n, size - n, ") = %ld\n", c->result)
                     : (size_t)snprintf(out + n, size - n, ") unfinished\n");
    }
    return MIN(n, size - 1);
}

void recent_print(void)
{
    static const char title[] = "the guest's last system calls, oldest first:\n";
    char line[256];
    ssize_t written = host_write(STDERR_FILENO, title, sizeof(title) - 1);
    uint64_t first = g_next > RING_SIZE ? g_next - RING_SIZE : 0;
    for (uint64_t i = first; i < g_next && written >= 0; i++) {
        size_t size = describe(&g_ring[i % RING_SIZE], line, sizeof(line));
        written = host_write(STDERR_FILENO, line, size);
    }
}
