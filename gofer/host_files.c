/* One thin line each over the host's file calls; see host_files.h. Calls that the C library does
 * not know are made by number. */
#include "gofer/host_files.h"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/host.h"

#define NR_FCHMODAT2   452
#define NR_GETXATTRAT  464
#define NR_LISTXATTRAT 465

struct xattr_args_v0 { /* include/uapi/linux/xattr.h */
    uint64_t value;
    uint32_t size;
    uint32_t flags;
};

int hostfs_open_beneath(int dir, const char *path, int flags, uint32_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };
    return (int)host_result(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

int hostfs_dup(int fd)
{
    return host_fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int hostfs_statx(int fd, const char *name, struct statx *out)
{
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;
    unsigned mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
    return (int)host_result(syscall(SYS_statx, fd, name, flags, mask, out));
}

int hostfs_access(int fd, const char *name, int mode)
{
    int flags = AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    return (int)host_result(syscall(SYS_faccessat2, fd, name, mode, flags));
}

ssize_t hostfs_readlink(int fd, const char *name, char *out, size_t size)
{
    return host_result(readlinkat(fd, name, out, size));
}

ssize_t hostfs_getdents(int fd, void *buf, size_t size)
{
    return host_result(syscall(SYS_getdents64, fd, buf, size));
}

int hostfs_fstatfs(int fd, struct statfs *out)
{
    return (int)host_result(fstatfs(fd, out));
}

ssize_t hostfs_getxattrat(int dir, const char *name, const char *attr, void *value, size_t size)
{
    struct xattr_args_v0 args = {.value = (uintptr_t)value, .size = (uint32_t)size};
    return host_result(
        syscall(NR_GETXATTRAT, dir, name, AT_SYMLINK_NOFOLLOW, attr, &args, sizeof(args)));
}

ssize_t hostfs_listxattrat(int dir, const char *name, char *list, size_t size)
{
    return host_result(syscall(NR_LISTXATTRAT, dir, name, AT_SYMLINK_NOFOLLOW, list, size));
}

ssize_t hostfs_fgetxattr(int fd, const char *attr, void *value, size_t size)
{
    return host_result(fgetxattr(fd, attr, value, size));
}

ssize_t hostfs_flistxattr(int fd, char *list, size_t size)
{
    return host_result(flistxattr(fd, list, size));
}

int hostfs_mkdirat(int dir, const char *name, uint32_t mode)
{
    return (int)host_result(mkdirat(dir, name, mode));
}

int hostfs_mknodat(int dir, const char *name, uint32_t mode)
{
    return (int)host_result(syscall(SYS_mknodat, dir, name, mode, 0));
}

int hostfs_symlinkat(const char *target, int dir, const char *name)
{
    return (int)host_result(symlinkat(target, dir, name));
}

int hostfs_linkat(int dir, const char *name, int new_dir, const char *new_name)
{
    return (int)host_result(linkat(dir, name, new_dir, new_name, 0));
}

int hostfs_unlinkat(int dir, const char *name, int flags)
{
    return (int)host_result(unlinkat(dir, name, flags));
}

int hostfs_renameat2(int dir, const char *name, int new_dir, const char *new_name, unsigned flags)
{
    return (int)host_result(syscall(SYS_renameat2, dir, name, new_dir, new_name, flags));
}

int hostfs_fchmodat2(int fd, uint32_t mode)
{
    return (int)host_result(syscall(NR_FCHMODAT2, fd, "", mode, AT_EMPTY_PATH));
}

int hostfs_fchmod(int fd, uint32_t mode)
{
    return (int)host_result(fchmod(fd, mode));
}

int hostfs_fchownat(int fd, uint32_t uid, uint32_t gid)
{
    return (int)host_result(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

int hostfs_futimens(int fd, const struct timespec times[2])
{
    return (int)host_result(syscall(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
}

int hostfs_fsync(int fd, bool data_only)
{
    return (int)host_result(data_only ? fdatasync(fd) : fsync(fd));
}
