/* The front process of `sandbox exec`: starts the rest, passes signals on, waits, cleans up. */
#pragma once

#include "runtime/config.h"

/* Remembers what the program shall inherit. First of all, before anything changes it. */
void front_inherit(struct config *c);
/* Runs the sandbox. Return: the exit status. */
MUST_CHECK int front_run(struct config *c);
