/* A memory cgroup for one sandbox, where the caller may make one; for --memory. */
#pragma once

#include "lib/macros.h"

struct cgroup {
    char path[512]; /* "" : none */
    int procs_fd;   /* cgroup.procs, or -1 */
    int janitor;    /* pid of who removes it should the front be killed */
};

/* Errors: -ENOENT and others: no cgroup can be made here. */
MUST_CHECK int cgroup_make(struct cgroup *g, uint64_t memory_bytes);
/* After all processes in it are gone. */
void cgroup_remove(struct cgroup *g);
