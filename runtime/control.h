/*
 * What the front process and the processes that it started tell each other, over one SEQPACKET
 * socket pair: the sandbox's end shares one side (setup, gofer and sentry report failures; only the
 * sentry goes on using it), the front has the other. What comes from the sentry is hostile to the front: it
 * is data for a message or an exit status, and nothing else.
 */
#pragma once

#include <stdint.h>

enum control_kind {
    /* to the front */
    CONTROL_FAILED = 1, /* value: exit status; text: the message */
    CONTROL_EXITED,     /* value: wait(2) status of the program */
    CONTROL_STOPPED,    /* the program stopped itself by a terminal signal: value */
    /* to the sentry */
    CONTROL_SIGNAL, /* value: the signal that the front received */
};
struct control_msg {
    uint32_t kind;
    int32_t value;
    char text[504]; /* NUL-terminated by the receiver */
};
