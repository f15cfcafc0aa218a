/*
 * Memory system calls: the host kernel performs them on the guest's own address space, the sentry
 * decides whether. Shared by syscalls/mm_*.c.
 */
#pragma once

#include "platform/platform.h"
#include "sentry/task/task.h"

/**
 * mem_perform - let t's own host thread do a memory call, as its system call's result.
 *
 * Preferably as the guest resumes, which costs no trip; but at once when a signal is about to be
 * delivered first, because the handler's frame needs the true result, or when --strace will print it.
 *
 * Context: may block. Return: the call's result; or 0 with the real one still to come (the platform
 * replaces it), so nothing may be derived from it.
 */
MUST_CHECK long mem_perform(struct task *t, const struct mem_call *m);

/* Sizes in bytes of t's address space, without the platform's own part of it. */
struct mm_sizes {
    uint64_t total;  /* RLIMIT_AS counts this */
    uint64_t data;   /* private and writable, without stacks: RLIMIT_DATA */
    uint64_t locked; /* RLIMIT_MEMLOCK */
};
/* Reads the host's map: microseconds to milliseconds, so only when a limit is set. Errors: -ENOMEM, -ESRCH, -ENOENT. */
MUST_CHECK int mm_measure(struct mm *mm, struct mm_sizes *out);

/* May the address space grow by size bytes (data: private and writable ones)? -ENOMEM by RLIMIT_AS, RLIMIT_DATA. */
MUST_CHECK int mm_limit_growth(struct task *t, uint64_t size, bool data);
/* May size more bytes be locked? -EPERM not at all, -ENOMEM not so many: RLIMIT_MEMLOCK, CAP_IPC_LOCK. */
MUST_CHECK int mm_limit_lock(struct task *t, uint64_t size);
