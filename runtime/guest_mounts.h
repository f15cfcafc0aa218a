/* The guest's file tree, put together from the gofer's trees and the sentry's own file systems. */
#pragma once

#include "runtime/config.h"
#include "sentry/vfs/vfs.h"

/**
 * guest_mounts_build - make g_kernel->mounts as the configuration says. g_kernel->gofer is there
 *                      already, unless there are no trees.
 *
 * Context: may block: a kthread. Ends the sandbox with one line when a directory can't be mounted.
 */
void guest_mounts_build(const struct config *c);
