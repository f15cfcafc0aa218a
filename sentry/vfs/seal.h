/*
 * Seals of memory files (fcntl(F_ADD_SEALS), memfd_create(2)): promises of one process to another
 * about what will no longer happen to a file. Here is what they forbid; who sets them is above.
 */
#pragma once

#include "sentry/vfs/inode.h"

/* May the size become this? Errors: -EPERM. */
MUST_CHECK int seal_check_size(const struct inode *inode, int64_t size);
/* May *size bytes be written at pos? They are cut where F_SEAL_GROW allows a part. Errors: -EPERM. */
MUST_CHECK int seal_check_write(const struct inode *inode, int64_t pos, size_t *size);
/* May the mode become this? Errors: -EPERM. */
MUST_CHECK int seal_check_mode(const struct inode *inode, uint32_t mode);
/* Are new writable shared mappings forbidden? */
bool seal_denies_mapping(const struct inode *inode);
