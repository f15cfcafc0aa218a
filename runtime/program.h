/* The first guest process: its files, credentials and limits, and finding its program. */
#pragma once

#include "platform/platform.h"
#include "runtime/config.h"

struct program {
    const struct config *config;
    struct platform_thread *thread; /* from platform_start; consumed */
    struct platform_boot boot;
    int stdio[3];          /* host fds, consumed; -1: closed */
    void (*on_stop)(void); /* the program was stopped by a signal. Context: under the baton */
};

/**
 * program_start - make PID 2 and let it load and run the program.
 * @p: borrowed for ever.
 *
 * Context: may block: a kthread; the mounts are there. What goes wrong ends the sandbox with one line, and
 *          125, 126 or 127.
 */
void program_start(struct program *p);
/* A signal that the front process received. Context: under the baton. */
void program_signal(int sig);
