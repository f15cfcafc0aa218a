/*
 * Messages for whoever typed the command, and the end of the process that prints them. Error text
 * exists only in runtime/: every message is one line, "sandbox: what: on what: what to do".
 */
#pragma once

#include "lib/macros.h"

/* Exit statuses of our own; everything else is the program's. */
enum {
    EXIT_TIMEOUT = 124,    /* --timeout ran out, as timeout(1) */
    EXIT_SANDBOX = 125,    /* the sandbox failed */
    EXIT_CANNOT_RUN = 126, /* the program was found and can't be executed */
    EXIT_NOT_FOUND = 127,  /* no such program */
};

/**
 * fail - print one line and end this process.
 *
 * In the front process the line goes to stderr and @status is the exit status. In the sandbox's
 * other processes (after error_use_control) the front prints it and ends everything.
 */
NORETURN PRINTF(2, 3) void fail(int status, const char *format, ...);
/* One line on stderr, prefixed "sandbox: warning: ". Front process only. */
PRINTF(1, 2) void warn(const char *format, ...);
/* From now on fail() reports through this control socket (runtime/control.h). fd: borrowed. */
void error_use_control(int fd);
