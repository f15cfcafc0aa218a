/* What the guest will see of the host: from options to trees, links and empty directories. */
#pragma once

#include "runtime/config.h"

/**
 * view_build - work out config.trees, links, tmpfs, cwd and guest_cwd, and check that they exist.
 *
 * Needs c->envp (for PATH and HOME) and runs in the front process as the caller. Ends the process
 * with one line when a directory that was asked for can't be shown.
 */
void view_build(struct config *c);
