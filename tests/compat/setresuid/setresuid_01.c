/*
 * User ids and what they do to capabilities (credentials(7), capabilities(7)); needs to be root.
 * 1. setresuid stores all three and the file system id; -1 keeps one.
 * 2. Leaving uid 0 with the effective id drops effective capabilities, and coming back restores them.
 * 3. Leaving it with all ids drops the permitted set, unless PR_SET_KEEPCAPS.
 * 4. An ordinary user may only swap among its three ids (EPERM).
 * 5. setfsuid returns the old id; setgroups needs a capability.
 */
#include "../compat.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static uint64_t caps(int which)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2];
    CHECK_EQ(syscall(SYS_capget, &h, d), 0);
    uint32_t lo = which == 'e' ? d[0].effective : d[0].permitted;
    uint32_t hi = which == 'e' ? d[1].effective : d[1].permitted;
    return lo | (uint64_t)hi << 32;
}

static int effective_only(void)
{
    uid_t r, e, s;
    uint64_t all = caps('e');
    CHECK(all != 0);
    CHECK_EQ(syscall(SYS_setresuid, -1, 1000, -1), 0);
    CHECK_EQ(getresuid(&r, &e, &s), 0);
    CHECK(r == 0 && e == 1000 && s == 0);
    CHECK_EQ(setfsuid((uid_t)-1), 1000);
    CHECK_EQ(caps('e'), 0);
    CHECK_EQ(caps('p'), all);
    CHECK_EQ(syscall(SYS_setresuid, -1, 0, -1), 0);
    CHECK_EQ(caps('e'), all);
    CHECK_EQ(setfsuid(500), 0);
    CHECK_EQ(setfsuid((uid_t)-1), 500);
    CHECK_EQ(caps('e') >> CAP_DAC_OVERRIDE & 1, 0);
    CHECK_EQ(setfsuid(0), 500);
    CHECK_EQ(caps('e') >> CAP_DAC_OVERRIDE & 1, 1);
    return 0;
}

static int all_ids(void)
{
    gid_t groups[3] = {7, 5, 6};
    CHECK_EQ(setgroups(3, groups), 0);
    CHECK_EQ(getgroups(0, NULL), 3);
    CHECK_EQ(getgroups(3, groups), 3);
    CHECK_ERRNO(getgroups(2, groups), EINVAL);
    CHECK_EQ(syscall(SYS_setresuid, 1000, 1001, 1002), 0);
    CHECK_EQ(caps('p'), 0);
    CHECK_ERRNO(syscall(SYS_setresuid, 0, -1, -1), EPERM);
    CHECK_ERRNO(syscall(SYS_setuid, 1001), EPERM); /* neither the real nor the saved id */
    CHECK_EQ(syscall(SYS_setuid, 1002), 0);
    CHECK_EQ(geteuid(), 1002);
    CHECK_EQ(getuid(), 1000);
    CHECK_EQ(syscall(SYS_setreuid, -1, 1000), 0);
    CHECK_ERRNO(setgroups(0, NULL), EPERM);
    CHECK_ERRNO(syscall(SYS_setuid, -1), EINVAL);
    return 0;
}

static int keep_caps(void)
{
    uint64_t all = caps('p');
    CHECK_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
    CHECK_EQ(syscall(SYS_setresuid, 1000, 1000, 1000), 0);
    CHECK_EQ(caps('p'), all);
    CHECK_EQ(caps('e'), 0);
    return 0;
}

int main(void)
{
    if (geteuid() != 0 || !(caps('e') >> CAP_SETUID & 1)) {
        SKIP("not root");
    }
    CHECK_EQ(compat_child(effective_only), 0);
    CHECK_EQ(compat_child(all_ids), 0);
    CHECK_EQ(compat_child(keep_caps), 0);
    return 0;
}
