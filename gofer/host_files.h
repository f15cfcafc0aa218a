/*
 * The host system calls on files that only the gofer makes, each returning a value or -errno.
 * The counterpart of lib/host.h (hostfs_, since the sentry has calls of the same names); every one
 * made here must stand in lib/host_syscalls.def.
 */
#pragma once

#include <fcntl.h>
#include <linux/stat.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/macros.h"

struct statfs;
struct timespec;

/**
 * hostfs_open_beneath - opens path without ever leaving dir or following any symbolic link.
 * @flags: O_*; O_CLOEXEC is added. With O_PATH|O_NOFOLLOW a link as the last component is opened itself.
 *
 * Return: a new fd.
 * Errors: -ELOOP a symbolic link on the way; -EXDEV the path would leave dir; open(2)'s.
 * Source: openat2(2): RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS.
 */
MUST_CHECK int hostfs_open_beneath(int dir, const char *path, int flags, uint32_t mode);
MUST_CHECK int hostfs_dup(int fd);
/* name "": fd itself. Never follows a link. */
MUST_CHECK int hostfs_statx(int fd, const char *name, struct statx *out);
/* May this process do it (R_OK ...)? fd and name as for hostfs_statx. */
MUST_CHECK int hostfs_access(int fd, const char *name, int mode);
/* fd and name as for hostfs_statx: a link. */
MUST_CHECK ssize_t hostfs_readlink(int fd, const char *name, char *out, size_t size);
MUST_CHECK ssize_t hostfs_getdents(int fd, void *buf, size_t size);
MUST_CHECK int hostfs_fstatfs(int fd, struct statfs *out);
/* Of dir's entry name, links not followed; -ENOSYS before Linux 6.13. */
MUST_CHECK ssize_t hostfs_getxattrat(int dir, const char *name, const char *attr, void *value,
                                     size_t size);
MUST_CHECK ssize_t hostfs_listxattrat(int dir, const char *name, char *list, size_t size);
MUST_CHECK ssize_t hostfs_fgetxattr(int fd, const char *attr, void *value, size_t size);
MUST_CHECK ssize_t hostfs_flistxattr(int fd, char *list, size_t size);

/* Changes of names; each name is a single component. */
MUST_CHECK int hostfs_mkdirat(int dir, const char *name, uint32_t mode);
MUST_CHECK int hostfs_mknodat(int dir, const char *name, uint32_t mode);
MUST_CHECK int hostfs_symlinkat(const char *target, int dir, const char *name);
MUST_CHECK int hostfs_linkat(int dir, const char *name, int new_dir, const char *new_name);
MUST_CHECK int hostfs_unlinkat(int dir, const char *name, int flags);
MUST_CHECK int hostfs_renameat2(int dir, const char *name, int new_dir, const char *new_name,
                                unsigned flags);
/* Changes of attributes, by an O_PATH fd. */
MUST_CHECK int hostfs_fchmodat2(int fd, uint32_t mode); /* -ENOSYS before Linux 6.6 */
MUST_CHECK int hostfs_fchmod(int fd, uint32_t mode);    /* not O_PATH */
MUST_CHECK int hostfs_fchownat(int fd, uint32_t uid, uint32_t gid);
MUST_CHECK int hostfs_futimens(int fd, const struct timespec times[2]);
MUST_CHECK int hostfs_fsync(int fd, bool data_only);
