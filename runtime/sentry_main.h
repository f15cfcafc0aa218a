/* The sentry process, from its birth behind the wall to the end of the sandbox. */
#pragma once

#include "runtime/wall.h"

NORETURN void sentry_main(struct wall *w);
