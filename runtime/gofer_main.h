/* The gofer process, from its birth behind the wall to the request loop of gofer/gofer.h. */
#pragma once

#include "runtime/wall.h"

NORETURN void gofer_main(struct wall *w);
