/*
 * A guest's memory map, read from the host's /proc and shown as the guest may see it: without the
 * platform's slice, and with the guest's names for heap, stack and files. Analogous to walking
 * Linux's VMAs.
 */
#pragma once

#include <stdbool.h>

#include "lib/strbuf.h"
#include "sentry/mm/mm.h"

struct mm_mapping {
    uaddr_t start, end;
    char prot[5];      /* "rw-p" */
    uint64_t offset;   /* in the file */
    uint64_t dev, ino; /* the guest's; 0: anonymous */
    const char *name;  /* "" for none; valid during the callback */
};
/**
 * mm_map_walk - call each for every mapping, in ascending order.
 *
 * Context: may block. Errors: -ENOENT the host's /proc is not there; -ESRCH; -ENOMEM; what each returned.
 */
MUST_CHECK int mm_map_walk(struct mm *mm, int (*each)(const struct mm_mapping *m, void *arg),
                           void *arg);
/* The host's text of /proc/PID/name for the process behind mm. Errors: as mm_map_walk. */
MUST_CHECK int mm_host_proc(struct mm *mm, const char *name, struct strbuf *out);
