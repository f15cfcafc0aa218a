/* What the tests of a tmpfs with a limit begin with. */
#pragma once

#include "../compat.h"

#include <sched.h>
#include <sys/mount.h>

/* A temporary directory is current, and in it "m", where a tmpfs is mounted that only we see. */
static inline void limited_tmpfs(const char *options)
{
    if (getuid() != 0) {
        SKIP("needs root");
    }
    if (unshare(CLONE_NEWNS) == 0) {
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    }
    compat_tmpdir();
    CHECK_EQ(mkdir("m", 0755), 0);
    if (mount("none", "m", "tmpfs", 0, options) < 0) {
        SKIP("not privileged enough to mount");
    }
}
