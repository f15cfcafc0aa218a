/*
 * The events thread: one epoll set of host fds (gofer socket, timerfd, SIGCHLD signalfd, the host's
 * stdin/stdout/stderr). It takes the baton, runs the callbacks of what is ready, and drops it.
 */
#pragma once

#include "lib/macros.h"

struct event_source {
    int fd;          /* borrowed: closed by its owner after event_source_remove */
    uint32_t events; /* armed EPOLL* mask */
    /* Context: events thread, under the baton; must not block. */
    void (*ready)(struct event_source *s, uint32_t events);
};

MUST_CHECK int events_init(void);
/* Errors: -EPERM the fd can't be polled (a regular file). */
MUST_CHECK int event_source_add(struct event_source *s, int fd, uint32_t events,
                                void (*ready)(struct event_source *s, uint32_t events));
void event_source_modify(struct event_source *s, uint32_t events);
void event_source_remove(struct event_source *s);
/* The events thread's loop: runs on the sentry's main thread until events_stop. */
void events_loop(void);
void events_stop(void);
