/*
 * struct mm: what the sentry knows of a guest address space. Analogous to Linux's mm_struct, but
 * thin: pages, faults, COW and the map itself are the host kernel's (the stub process). The
 * sentry keeps what the host can't know: the brk, where exec put arguments and environment, and
 * which guest file a host file mapping shows.
 */
#pragma once

#include "lib/list.h"
#include "lib/macros.h"
#include "lib/hash.h"
#include "lib/refcount.h"

struct fact_table;
struct lease_table;
struct name_table;
struct platform_space;
struct program_run;

struct mm {
    struct refcount ref;
    struct platform_space *space; /* borrowed from the platform threads that live in it */
    uaddr_t start_code, end_code, start_data, end_data;
    uaddr_t start_brk, brk;
    uaddr_t stack_low, stack_top; /* the main thread's stack mapping */
    uaddr_t start_stack;          /* sp at entry */
    uaddr_t arg_start, arg_end, env_start, env_end;
    uaddr_t vdso;
    uint64_t auxv[64];           /* as the program got it; AT_NULL-terminated */
    struct lease_table *leases;  /* owned: sentry/task/lease.c; gone before the mm is */
    struct fact_table *facts;    /* owned: sentry/task/facts.c; likewise */
    struct name_table *names;    /* owned, plain memory: sentry/task/names.c; NULL */
    struct program_run *program; /* owned: sentry/task/names_program.c; gone before the mm is */
    uint32_t directory_keys;     /* given: sentry/task/lease_directory.c */
    unsigned name_heat;          /* lookups that could have been kept */
    unsigned forking;            /* tasks in here that make a process now: nothing is leased */
    bool inherited_leases;       /* what its parent just mapped for one may be mapped here, too */
    bool sites_stopped;          /* call sites are as the program has them: somebody traces it */
    bool shared_files;        /* a file is mapped shared that can be written through the mapping */
    bool shared_code;         /* ... and perhaps executed */
    struct list mapped_files; /* owned struct mapped_file: host (dev, ino) -> the guest's name */
    struct hash_table files_by_host;
};

/* A host file that some mapping of this mm may show, and what the guest calls it. */
struct mapped_file {
    struct list link;
    struct hash_node hash;
    uint64_t host_dev, host_ino;
    uint64_t dev, ino; /* the guest's */
    char *name;        /* owned */
};

/* NULL: none of that number was mapped. */
struct mapped_file *mm_find_file(const struct mm *mm, uint64_t host_dev, uint64_t host_ino);
/* A new mm without a space yet: exec and fork set it. Errors: -ENOMEM. */
MUST_CHECK int mm_new(struct mm **out);
/* The break as it is now: the guest may have moved it. */
uaddr_t mm_brk(const struct mm *mm);
/* A copy for fork: same layout and names, space still to be set. */
MUST_CHECK int mm_copy(const struct mm *mm, struct mm **out);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);
DEFINE_AUTO_PUT(mm)
/* Remembers the guest's name of a host fd that is being mapped. Errors: -ENOMEM. */
MUST_CHECK int mm_note_file(struct mm *mm, int host_fd, uint64_t dev, uint64_t ino,
                            const char *name);
