/* Leased files of a process: see lease.c. */
#pragma once

#include "sentry/task/task.h"

/* The end of a system call of t's: what it held goes back to its lessees; nr, result: perhaps its file is worth a lease now.
 * Context: may block. */
void lease_call_done(struct task *t, long nr, long result);
struct name_lookup;
/*
 * notes_created - t has just made f, a regular file, by the name that l says (whose trace is filled in): perhaps it may make the next ones
 *                 in that directory by noting it. To be called when f has its fd.
 *
 * Context: may block, for the fd table only.
 */
void notes_created(struct task *t, const struct name_lookup *l, struct file *f);
/* t says with a request that it has noted calls: platform/notes.h. Context: may block. */
void notes_told(struct task *t, uint32_t told);
/* t's process has other rights than when it opened its files: it calls again. */
void notes_end(struct task *t);
/* The leases in t's address space, if there are, are for other fds than t's. */
bool lease_is_foreign(const struct task *t);
/* t is about to make child, a process or a thread, which inherits what the host gave t's process. It has tried. */
void lease_before_clone(struct task *t, uint64_t flags, struct task *child);
void lease_after_clone(struct task *t, uint64_t flags);
/* Flags of an open(2), for reading, that a process may do by itself when it was prepared: lease_open.c. */
bool lease_open_can_have(uint64_t flags);
/* RLIMIT_NOFILE of a process is about to change. */
void lease_limits_changed(struct thread_group *tg);
/* t's process makes its files larger by calls from now on, which know its limit. */
void lease_end_growing(struct task *t);
/* Closes what processes have closed by themselves: for who can see that something is open. */
void lease_settle_everywhere(void);
/* All files are the kernel's again: somebody wants to be told what happens to them. */
void lease_end_everywhere(void);
/*
 * t is about to have fds of its own, and stays where it is: all leases in its address space end, and nothing of their files stays in reach.
 * Context: may block.
 */
void lease_leave(struct task *t);
/* t's address space is about to go: all leases in it end. */
void lease_end_all(struct mm *mm);
