#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int g_log_level = -1;
static int g_log_fd = -1;
static const char *g_process = "sandbox";

void log_open(int fd, enum log_level level, const char *process_name)
{
    g_log_fd = fd;
    g_log_level = fd >= 0 ? (int)level : -1;
    g_process = process_name;
}

void log_set_process(const char *process_name)
{
    g_process = process_name;
}

void log_write(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char line[1024];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int n = snprintf(line, sizeof(line), "%lld.%06ld %s %s: ", (long long)now.tv_sec,
                     now.tv_nsec / 1000, g_process, names[level]);
    va_list ap;
    va_start(ap, format);
    int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, ap);
    va_end(ap);
    size_t size = MIN((size_t)n + (size_t)MAX(m, 0), sizeof(line) - 2);
    line[size++] = '\n';
    if (write(g_log_fd, line, size) < 0) {
        g_log_level = -1; /* a log that can't be written is off */
    }
}
