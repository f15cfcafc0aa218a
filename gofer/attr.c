/* Attributes of host files as the sentry gets them, and what this process may do with a file. */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gofer/serve.h"

#define OVERFLOW_ID 65534u
#define MAY_ALL     7u
#define MAY_EXEC    1u

void gofer_identity_init(struct gofer_identity *who)
{
    who->uid = geteuid();
    who->gid = getegid();
    int n = getgroups((int)GOFER_MAX_GROUPS, who->groups);
    who->group_count = n > 0 ? (uint32_t)n : 0;
}

static bool in_group(const struct gofer_identity *who, uint32_t gid)
{
    if (gid == who->gid) {
        return true;
    }
    for (uint32_t i = 0; i < who->group_count; i++) {
        if (gid == who->groups[i]) {
            return true;
        }
    }
    return false;
}

/* By asking the host: for files where an ACL may give more than the mode bits tell. */
static uint32_t may_by_host(int fd, const char *name)
{
    static const int bits[] = {R_OK, W_OK, X_OK};
    uint32_t r = 0;
    for (size_t i = 0; i < ARRAY_COUNT(bits); i++) {
        r |= hostfs_access(fd, name, bits[i]) == 0 ? (uint32_t)bits[i] : 0;
    }
    return r;
}

static uint32_t may(const struct serve *s, const struct statx *stx, int fd, const char *name)
{
    uint32_t mode = stx->stx_mode;
    if (s->root->world_readable_only) {
        return mode & MAY_ALL;
    }
    if (s->config->dac_override) {
        bool exec = S_ISDIR(mode) || (mode & (S_IXUSR | S_IXGRP | S_IXOTH));
        return exec ? MAY_ALL : MAY_ALL & ~MAY_EXEC;
    }
    if (stx->stx_uid == s->who->uid) {
        return mode >> 6 & MAY_ALL;
    }
    uint32_t bits = (in_group(s->who, stx->stx_gid) ? mode >> 3 : mode) & MAY_ALL;
    /* An ACL shows in the group bits, as the most that it gives to anybody. */
    return (mode >> 3 & ~bits & R_OK) ? may_by_host(fd, name) : bits;
}

static int64_t to_ns(const struct statx_timestamp *t)
{
    int64_t ns;
    /* File systems can hold times that 64 bits of ns can't: saturate. */
    if (__builtin_mul_overflow(t->tv_sec, NSEC_PER_SEC, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns)) {
        return t->tv_sec < 0 ? INT64_MIN + 2 : INT64_MAX;
    }
    return ns;
}

void serve_fill_attr(const struct serve *s, const struct statx *stx, int fd, const char *name,
                     struct gofer_attr *out)
{
    bool map = s->config->map_unmapped_owner;
    *out = (struct gofer_attr){
        .mode = stx->stx_mode,
        .nlink = stx->stx_nlink,
        .uid = map && stx->stx_uid == OVERFLOW_ID ? 0 : stx->stx_uid,
        .gid = map && stx->stx_gid == OVERFLOW_ID ? 0 : stx->stx_gid,
        .dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
        .rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
        .ino = stx->stx_ino,
        .size = stx->stx_size,
        .blocks = stx->stx_blocks,
        .mount_id = stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0,
        .atime_ns = to_ns(&stx->stx_atime),
        .mtime_ns = to_ns(&stx->stx_mtime),
        .ctime_ns = to_ns(&stx->stx_ctime),
        .btime_ns = stx->stx_mask & STATX_BTIME ? to_ns(&stx->stx_btime) : 0,
        .blksize = stx->stx_blksize,
        .flags = may(s, stx, fd, name),
    };
}

int serve_attr_of(const struct serve *s, int fd, const char *name, struct gofer_attr *out)
{
    struct statx stx;
    int err = hostfs_statx(fd, name, &stx);
    if (err == 0) {
        serve_fill_attr(s, &stx, fd, name, out);
    }
    return err;
}
