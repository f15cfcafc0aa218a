/*
 * The sandbox's own log (--log FILE --log-level): for whoever debugs the sandbox, never for the
 * guest. Off by default. One line a message, written with one write so that processes may share it.
 */
#pragma once

#include "lib/macros.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

extern int g_log_level; /* -1: off */
/* fd: consumed; -1 turns the log off. */
void log_open(int fd, enum log_level level, const char *process_name);
void log_set_process(const char *process_name);
PRINTF(2, 3) void log_write(enum log_level level, const char *format, ...);

#define LOG(level, ...)                                                                            \
    do {                                                                                           \
        if (unlikely((int)(level) <= g_log_level)) {                                               \
            log_write(level, __VA_ARGS__);                                                         \
        }                                                                                          \
    } while (0)
#define log_error(...) LOG(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  LOG(LOG_WARN, __VA_ARGS__)
#define log_info(...)  LOG(LOG_INFO, __VA_ARGS__)
#define log_debug(...) LOG(LOG_DEBUG, __VA_ARGS__)
