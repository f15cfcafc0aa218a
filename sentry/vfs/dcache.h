/*
 * The dentry cache, as the path walk and the file systems' teardown use it. See dentry.c.
 */
#pragma once

#include "sentry/vfs/dentry.h"

/*
 * What the cache says about name in parent, with a reference: a positive or negative dentry, or
 * NULL when it does not know. Never asks the file system.
 */
struct dentry *dcache_find(struct dentry *parent, const struct name *name);
/*
 * name in parent, from the cache or from the file system (then with parent's lock taken for the
 * time). Negative dentries are a result, not an error. Context: may block. Errors: what lookup gave.
 * hint: LOOKUP_* bits for a file system that has to be asked; with LOOKUP_MORE, name->text goes on with what
 * follows in the path.
 */
#define LOOKUP_MORE 1u
#define LOOKUP_OPEN 2u /* what the path names is going to be opened for reading */
MUST_CHECK int dentry_lookup(struct dentry *parent, const struct name *name, unsigned hint,
                             struct dentry **out);
/* The same for a caller that holds parent->inode->lock. */
MUST_CHECK int dentry_lookup_locked(struct dentry *parent, const struct name *name,
                                    struct dentry **out);
/* A negative dentry that the caller holds got its inode (create, mkdir ...). inode: consumed. */
void dentry_instantiate(struct dentry *d, struct inode *inode);
/* The name is gone (unlink, rmdir, overwritten by rename); those who hold d see a deleted name. */
void dentry_delete(struct dentry *d);
/* O_TMPFILE: "#ino" in parent, deleted from the start. inode: consumed. */
MUST_CHECK int dentry_new_unnamed(struct dentry *parent, struct inode *inode, struct dentry **out);
/* d takes the place of target (same parent and name; NULL inode or overwritten). */
MUST_CHECK int dentry_move(struct dentry *d, struct dentry *target);
/* RENAME_EXCHANGE. */
MUST_CHECK int dentry_exchange(struct dentry *a, struct dentry *b);
/* Puts d into the table though its file system does not cache: it is becoming a mount point. */
MUST_CHECK int dentry_pin(struct dentry *d);
/*
 * Or NULL. Paths to directories, or to a program (dentry.is_program), are no longer the same: one got another name, or lost its name; a
 * mount came or went; or it changed who may look below a directory.
 */
extern void (*g_paths_changed)(void);
/* Is a an ancestor of d, or d itself? */
bool dentry_is_ancestor(const struct dentry *a, const struct dentry *d);
/* Forgets all unused names of a file system that goes away. */
void dcache_drop_super(struct super_block *sb);
/* Frees unused dentries until at most limit dentries remain, or none is unused. */
void dcache_shrink(size_t limit);
