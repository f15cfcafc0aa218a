/*
 * open, openat, openat2, creat: from flags and a name to a new fd. Analogous to do_sys_openat2 and
 * build_open_flags of Linux's fs/open.c. What the flags mean for the file is vfs_open's matter;
 * here stands what Linux checks before it looks at the name. open(2), openat2(2).
 */
#include <linux/openat2.h>

#include "sentry/base/errno.h"
#include "sentry/task/lease.h"
#include "syscalls/file_open.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#define OPEN_FLAGS_PATH  (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
#define MODE_BITS        07777u
#define OPEN_HOW_SIZE_V0 24

/* Errors: -EINVAL, -EAGAIN. */
static int open_how_check(const struct open_how *how)
{
    if (how->flags & ~(uint64_t)OPEN_FLAGS_KNOWN) {
        return -EINVAL;
    }
    if (how->resolve & ~(uint64_t)(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                                   RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED)) {
        return -EINVAL;
    }
    if (how->resolve & RESOLVE_BENEATH && how->resolve & RESOLVE_IN_ROOT) {
        return -EINVAL;
    }
    if (how->flags & (O_CREAT | KERNEL_O_TMPFILE)) {
        if (how->mode & ~(uint64_t)MODE_BITS) {
            return -EINVAL;
        }
    } else if (how->mode) {
        return -EINVAL;
    }
    if ((how->flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT)) {
        return -EINVAL;
    }
    if (how->flags & KERNEL_O_TMPFILE &&
        (!(how->flags & O_DIRECTORY) || (how->flags & O_ACCMODE) == O_RDONLY)) {
        return -EINVAL;
    }
    if (how->flags & O_PATH && how->flags & ~(uint64_t)OPEN_FLAGS_PATH) {
        return -EINVAL;
    }
    /* "Only what needs no waiting": never a promise here, and openat2(2) lets a kernel refuse. */
    return how->resolve & RESOLVE_CACHED ? -EAGAIN : 0;
}

static unsigned walk_flags_resolve(uint64_t resolve)
{
    return (resolve & RESOLVE_NO_XDEV ? WALK_NO_XDEV : 0) |
           (resolve & RESOLVE_NO_MAGICLINKS ? WALK_NO_MAGICLINKS : 0) |
           (resolve & RESOLVE_NO_SYMLINKS ? WALK_NO_SYMLINKS : 0) |
           (resolve & RESOLVE_BENEATH ? WALK_BENEATH : 0) |
           (resolve & RESOLVE_IN_ROOT ? WALK_IN_ROOT : 0);
}

static long open_how_at(struct task *t, int dirfd, uaddr_t name, const struct open_how *how)
{
    AUTO_FREE char *text = NULL;
    AUTO_PATH start = {NULL, NULL};
    AUTO_PUT(file) f = NULL;
    struct walk w;
    struct name_lookup lookup;
    int r = open_how_check(how);
    if (r < 0) {
        return r;
    }
    r = name_in(t, name, false, &text);
    if (r < 0) {
        return r;
    }
    names_begin(&lookup);
    r = walk_init(t, dirfd, text, walk_flags_resolve(how->resolve), &w, &start);
    if (r < 0) {
        return r;
    }
    bool reads = lease_open_can_have(how->flags) && !how->resolve && *text;
    bool makes = how->flags & O_CREAT && how->flags & O_ACCMODE && !how->resolve;
    w.trace = reads || makes ? &lookup.trace : NULL;
    if (fd_table_full(t->files, fd_limit(t))) {
        return -EMFILE;
    }
    lookup.text = text;
    lookup.dirfd = dirfd;
    lookup.follow = !(how->flags & O_NOFOLLOW);
    r = vfs_open(&w, text, (unsigned)how->flags & ~(unsigned)O_CLOEXEC, (uint32_t)how->mode, &f);
    if (r < 0) {
        if (r == -ENOENT && reads) {
            names_keep(t, &lookup, r, NULL, NAME_USE_OPEN);
        }
        return r;
    }
    bool by_name =
        reads && S_ISREG(f->inode->mode) && (f->inode->i_flags & INODE_FROZEN || f->ops->steady);
    if (by_name && names_prepare_open(t, &lookup, &f->path)) {
        return -ERESTARTNOINTR;
    }
    r = fd_table_install(t->files, f, 0, fd_limit(t), how->flags & O_CLOEXEC);
    if (r >= 0 && makes && f->created) {
        notes_created(t, &lookup, f);
    }
    if (r >= 0 && by_name) {
        names_keep(t, &lookup, 0, &f->path, NAME_USE_OPEN);
    }
    return r;
}

/* open's lenient reading of flags: what it does not know, or what O_PATH makes meaningless, is dropped. */
static long open_at(struct task *t, int dirfd, uaddr_t name, int flags, unsigned mode)
{
    struct open_how how = {.flags = (unsigned)flags & OPEN_FLAGS_KNOWN};
    if (how.flags & O_PATH) {
        how.flags &= OPEN_FLAGS_PATH;
    } else {
        how.flags |= KERNEL_O_LARGEFILE;
    }
    if (how.flags & (O_CREAT | KERNEL_O_TMPFILE)) {
        how.mode = mode & MODE_BITS;
    }
    return open_how_at(t, dirfd, name, &how);
}

long sys_open(struct task *t, uaddr_t path, int flags, unsigned mode)
{
    return open_at(t, AT_FDCWD, path, flags, mode);
}

long sys_openat(struct task *t, int dirfd, uaddr_t path, int flags, unsigned mode)
{
    return open_at(t, dirfd, path, flags, mode);
}

long sys_creat(struct task *t, uaddr_t path, unsigned mode)
{
    return open_at(t, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

long sys_openat2(struct task *t, int dirfd, uaddr_t path, uaddr_t how_addr, size_t size)
{
    struct open_how how;
    if (size < OPEN_HOW_SIZE_V0) {
        return -EINVAL;
    }
    if (size > PAGE_SIZE) {
        return -E2BIG;
    }
    int r = copy_in_extensible(t->mm, &how, sizeof(how), how_addr, size);
    if (r < 0) {
        return r;
    }
    if (!(how.flags & O_PATH)) {
        how.flags |= KERNEL_O_LARGEFILE;
    }
    return open_how_at(t, dirfd, path, &how);
}
