/* The guest's /etc/hosts. */
#pragma once

#include "runtime/config.h"

/**
 * guest_hosts_name - the guest's host name can be looked up, as in a container: /etc/hosts gets a line for it, unless it has one, or
 *                    would have to be changed on the host, or is not there.
 *
 * Context: may block: a kthread. What goes wrong is logged, no more.
 */
void guest_hosts_name(const struct config *c);
