/*
 * mount and umount2 for a guest with CAP_SYS_ADMIN: its sandbox's one mount namespace is its own to
 * arrange. Analogous to Linux's path_mount in fs/namespace.c. Only file systems that the sentry makes
 * itself can be mounted anew; what comes from the host is decided at start. mount(2), umount(2).
 */
#include <string.h>
#include <sys/mount.h>

#include "sentry/base/errno.h"
#include "sentry/task/lease.h"
#include "sentry/fs/fs.h"
#include "sentry/vfs/stamp.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#define OPTIONS_MAX_SIZE PAGE_SIZE
#define TYPE_MAX_SIZE    256

/* --- tmpfs options --- */

struct tmpfs_options {
    uint64_t size; /* 0: the default */
    uint32_t mode, uid, gid;
};

/* "64m", "50%": bytes. Errors: -EINVAL. */
static int parse_size(const char *text, uint64_t *out)
{
    char *end;
    uint64_t n = strtoull(text, &end, 0);
    unsigned shift = 0;
    if (end == text) {
        return -EINVAL;
    }
    switch (*end | 0x20) {
    case 'g':
        shift += 10;
        /* fall through */
    case 'm':
        shift += 10;
        /* fall through */
    case 'k':
        shift += 10;
        end++;
        break;
    default:
        break;
    }
    if (*end == '%' && shift == 0 && n <= 100) {
        *out = g_kernel->total_memory / 100 * n;
        return end[1] ? -EINVAL : 0;
    }
    if (*end || n > UINT64_MAX >> shift) {
        return -EINVAL;
    }
    *out = n << shift;
    return 0;
}

static int parse_number(const char *text, int base, uint32_t *out)
{
    char *end;
    unsigned long n = strtoul(text, &end, base);
    if (end == text || *end || n > UINT32_MAX) {
        return -EINVAL;
    }
    *out = (uint32_t)n;
    return 0;
}

static int parse_tmpfs_option(char *option, struct tmpfs_options *o)
{
    uint64_t ignored;
    char *value = strchr(option, '=');
    if (!value) {
        return -EINVAL;
    }
    *value++ = '\0';
    if (strcmp(option, "size") == 0) {
        return parse_size(value, &o->size);
    }
    if (strcmp(option, "mode") == 0) {
        int r = parse_number(value, 8, &o->mode);
        return r == 0 && o->mode > 07777 ? -EINVAL : r;
    }
    if (strcmp(option, "uid") == 0) {
        return parse_number(value, 10, &o->uid);
    }
    if (strcmp(option, "gid") == 0) {
        return parse_number(value, 10, &o->gid);
    }
    /* Limits that are stricter here than any that could be asked for in these words. */
    if (strcmp(option, "nr_inodes") == 0 || strcmp(option, "nr_blocks") == 0) {
        return parse_size(value, &ignored);
    }
    return -EINVAL;
}

static int new_tmpfs(const struct cred *cred, char *options, struct super_block **out)
{
    struct tmpfs_options o = {.mode = 01777, .uid = cred->fsuid, .gid = cred->fsgid};
    char *save = NULL;
    for (char *option = strtok_r(options, ",", &save); option;
         option = strtok_r(NULL, ",", &save)) {
        int r = parse_tmpfs_option(option, &o);
        if (r < 0) {
            return r;
        }
    }
    return tmpfs_new(o.mode, o.uid, o.gid, o.size, out);
}

static int new_super(const char *type, const struct cred *cred, char *options,
                     struct super_block **out)
{
    if (strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0) {
        return new_tmpfs(cred, options, out);
    }
    if (strcmp(type, "proc") == 0) {
        return procfs_new(out);
    }
    if (strcmp(type, "devtmpfs") == 0) {
        return devfs_new(out);
    }
    return -ENODEV;
}

/* --- mount --- */

static unsigned mount_flags(unsigned long flags)
{
    return (flags & MS_RDONLY ? MNT_RDONLY : 0) | (flags & MS_NOSUID ? MNT_NOSUID : 0) |
           (flags & MS_NODEV ? MNT_NODEV : 0) | (flags & MS_NOEXEC ? MNT_NOEXEC : 0) |
           (flags & MS_NOATIME ? MNT_NOATIME : MNT_RELATIME);
}

static int mount_new(struct task *t, const struct path *at, const char *source, uaddr_t type_addr,
                     uaddr_t data, unsigned long flags)
{
    char type[TYPE_MAX_SIZE];
    AUTO_FREE char *options = calloc(1, OPTIONS_MAX_SIZE);
    struct super_block *sb;
    if (!options) {
        return -ENOMEM;
    }
    if (type_addr == 0) {
        return -EINVAL;
    }
    ssize_t n = copy_in_str(t->mm, type, type_addr, sizeof(type));
    if (n == 0 || n == -ENAMETOOLONG) {
        return -ENODEV;
    }
    if (n >= 0 && data) {
        n = copy_in_str(t->mm, options, data, OPTIONS_MAX_SIZE);
    }
    if (n < 0) {
        return n == -ENAMETOOLONG ? -EINVAL : (int)n;
    }
    int r = new_super(type, t->cred, options, &sb);
    if (r < 0) {
        return r;
    }
    r = mount_add(g_kernel->mounts, at, sb, mount_flags(flags), source, "", NULL);
    super_put(sb);
    return r;
}

/* A bind mount takes over its source's flags; MS_REMOUNT|MS_BIND changes them later. */
static int mount_bound(struct task *t, const struct path *at, uaddr_t source)
{
    AUTO_PATH from = {NULL, NULL};
    int r = path_at(t, AT_FDCWD, source, WALK_FOLLOW, &from);
    if (r < 0) {
        return r;
    }
    if (!from.mnt) {
        return -EINVAL;
    }
    return mount_bind(g_kernel->mounts, at, &from);
}

static int remount(const struct path *at, unsigned long flags)
{
    if (!at->mnt || at->dentry != at->mnt->root) {
        return -EINVAL;
    }
    lease_end_everywhere(); /* what was noted there may be refused from now on */
    at->mnt->flags = mount_flags(flags);
    stamp_everything(); /* who may write, says access(2) */
    return 0;
}

/* There is no propagation, so every mount is private already, and a slave of nobody is private, too. */
static int change_propagation(const struct path *at, unsigned long flags)
{
    if (!at->mnt || at->dentry != at->mnt->root) {
        return -EINVAL;
    }
    return flags & (MS_PRIVATE | MS_SLAVE) ? 0 : -EINVAL;
}

/* Submounts come along with MS_REC on Linux. DEVIATION: here a bind is always of one mount. */
long sys_mount(struct task *t, uaddr_t source, uaddr_t target, uaddr_t filesystemtype,
               unsigned long mountflags, uaddr_t data)
{
    AUTO_PATH at = {NULL, NULL};
    AUTO_FREE char *source_text = NULL;
    unsigned long flags = mountflags;
    if ((flags & MS_MGC_MSK) == MS_MGC_VAL) {
        flags &= ~(unsigned long)MS_MGC_MSK;
    }
    int r = path_at(t, AT_FDCWD, target, WALK_FOLLOW, &at);
    if (r == 0 && source) {
        r = name_in(t, source, true, &source_text);
    }
    if (r < 0) {
        return r;
    }
    if (!cred_capable(t->cred, CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    if (flags & MS_REMOUNT) {
        return remount(&at, flags);
    }
    if (flags & MS_BIND) {
        return mount_bound(t, &at, source);
    }
    if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)) {
        return change_propagation(&at, flags);
    }
    if (flags & MS_MOVE) {
        return -EINVAL;
    }
    return mount_new(t, &at, source_text ? source_text : "none", filesystemtype, data, flags);
}

long sys_umount2(struct task *t, uaddr_t target, int flags)
{
    AUTO_PATH p = {NULL, NULL};
    if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) {
        return -EINVAL;
    }
    int r = path_at(t, AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &p);
    if (r < 0) {
        return r;
    }
    if (!cred_capable(t->cred, CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    if (!p.mnt || p.dentry != p.mnt->root || flags & MNT_EXPIRE) {
        return -EINVAL;
    }
    struct mount *m = p.mnt;
    if (m == g_kernel->mounts->root) {
        return -EBUSY;
    }
    lease_settle_everywhere();
    path_put(&p); /* the namespace's own reference is left, and nothing sleeps from here on */
    return mount_remove(g_kernel->mounts, m, flags & MNT_DETACH);
}
