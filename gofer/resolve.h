/* From a root and a canonical path to host fds, beneath the root and nowhere else. Gofer only. */
#pragma once

#include "gofer/gofer.h"
#include "gofer/host_files.h"

/*
 * Each path below is canonical (gofer_path_valid) and NUL-terminated. Errors common to all:
 * -ELOOP a symbolic link on the way; -ENOENT, -ENOTDIR, -EACCES (also by the root's policy),
 * -EMFILE, -ENFILE.
 */

/* An O_PATH fd of whatever path names, a symbolic link included. */
MUST_CHECK int resolve_node(const struct gofer_root *r, const char *path, int *out_fd);
/* An O_PATH fd of path's directory, and its last component (borrowed from path). -EBUSY for ".". */
MUST_CHECK int resolve_parent(const struct gofer_root *r, const char *path, int *out_dir,
                              const char **out_name);
/* A directory open for reading. */
MUST_CHECK int resolve_dir(const struct gofer_root *r, const char *path, int *out_fd);
/**
 * resolve_file - opens a regular file.
 * @flags: within GOFER_OPEN_FLAGS; the caller has checked that the root lets them be.
 * @stx:   its attributes, taken from the open fd.
 *
 * Nothing but a regular file is ever opened, so no device, FIFO or terminal notices us.
 * Errors: -EISDIR, -ELOOP, -ENXIO by the file's type.
 */
MUST_CHECK int resolve_file(const struct gofer_root *r, const char *path, int flags, uint32_t mode,
                            int *out_fd, struct statx *stx);
/* The same for a name in a directory that resolve_parent gave. */
MUST_CHECK int resolve_file_at(const struct gofer_root *r, int dir, const char *name, int flags,
                               uint32_t mode, int *out_fd, struct statx *stx);
/* May the policy of r go through the directory dir? 0 or -EACCES. */
MUST_CHECK int resolve_may_search(const struct gofer_root *r, int dir);
