/* The program's environment: an allow-list of the caller's, and what --env says. */
#pragma once

#include "runtime/config.h"

void environ_build(struct config *c);
/* Value of a variable of the program's environment, or NULL. */
const char *environ_get(const struct config *c, const char *name);
