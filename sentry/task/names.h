/*
 * Lookups that a process gets to keep, so that its own side answers when it asks for the same name again: see names.c.
 */
#pragma once

#include "sentry/task/task.h"
#include "sentry/vfs/vfs.h"

/* A name that a system call of t's looked up. */
struct name_lookup {
    struct walk_trace trace; /* of the walk; names_begin before it */
    const char *text;        /* borrowed: the name as the caller wrote it, not "" */
    int dirfd;
    bool follow; /* a link at its end */
};
enum name_use { NAME_USE_STAT, NAME_USE_ACCESS, NAME_USE_XATTR, NAME_USE_OPEN };

void names_begin(struct name_lookup *l);
/**
 * names_keep - t's process may keep the answer, and those to the questions that seem to follow. NAME_USE_OPEN: p was opened, to be
 *              read, or was not there; the answer is not kept, but what seems to follow is prepared (lease_open.c).
 * @result: of the lookup: 0, or its error.
 * @p: what it found, if result is 0.
 *
 * Context: may block, for locks and memory only; to be called when t's own answer is known.
 */
void names_keep(struct task *t, const struct name_lookup *l, int result, const struct path *p,
                enum name_use use);
/**
 * names_prepare_open - t, which opens p as l says, shall do that by itself: p is prepared, and kept.
 *
 * Context: may block, for locks and memory only.
 * Return:  the call is to be made again, and p's file is not needed.
 */
bool names_prepare_open(struct task *t, const struct name_lookup *l, const struct path *p);
/* Entries of a directory, as getdents64 has them. */
struct dirents {
    const char *bytes;
    size_t size;
};
/**
 * names_list - t has just opened directory p, and reads its entries: it may keep what it seems to ask of them next.
 * @key:   lease_directory_key of its fd.
 * @since: the last stamp that was given before entries were read.
 *
 * Context: may block, for locks and memory only.
 */
void names_list(struct task *t, const struct path *p, uint32_t key, uint64_t since,
                const struct dirents *entries);
/**
 * names_program_begins - t has executed exe, which has not begun: it is told what processes of exe asked for before. To be called
 *                        when its credentials, descriptors and directories are those of the program.
 *
 * Context: may block.
 */
void names_program_begins(struct task *t, const struct inode *exe);
/* The process that lives in mm goes, or is not that program any more. */
void names_program_ends(struct mm *mm);
/* c's real user may do the same as c: access(2) asks for that one. */
bool names_cred_is_real(const struct cred *c);
/* What t's address space has kept is for other fds than t's, or another working directory. */
bool names_are_foreign(const struct task *t);
/* t has other credentials from now on: nothing that was kept holds any more. */
void names_cred_changed(struct task *t);
