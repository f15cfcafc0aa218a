/*
 * setpriority(2), getpriority(2), ioprio_get(2):
 * 1. EINVAL for a bad `which`, ESRCH for nobody; values are cut to -20...19; the raw result is 20 - nice.
 * 2. Raising nice is allowed to all; children inherit it; PRIO_PGRP gives the best of the group.
 * 3. ioprio is 0 while unset; a bad class is EINVAL.
 */
#include "../compat.h"

#include <sys/resource.h>
#include <sys/syscall.h>

static int child_nice(void)
{
    return getpriority(PRIO_PROCESS, 0);
}

static int in_group(void)
{
    CHECK_EQ(setpgid(0, 0), 0);
    CHECK_EQ(setpriority(PRIO_PGRP, 0, 15), 0);
    CHECK_EQ(getpriority(PRIO_PGRP, getpid()), 15);
    return 0;
}

int main(void)
{
    CHECK_ERRNO(setpriority((__priority_which_t)9, 0, 0), EINVAL);
    CHECK_ERRNO(getpriority((__priority_which_t)9, 0), EINVAL);
    CHECK_ERRNO(setpriority(PRIO_PROCESS, 4194000, 0), ESRCH);
    CHECK_ERRNO(getpriority(PRIO_PROCESS, 4194000), ESRCH);
    CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
    CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 13);
    CHECK_EQ(compat_child(child_nice), 7);
    CHECK_EQ(compat_child(in_group), 0);
    CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 0);
    CHECK_ERRNO(syscall(SYS_ioprio_set, 1, 0, 5 << 13), EINVAL);
    CHECK_ERRNO(syscall(SYS_ioprio_get, 9, 0), EINVAL);
    CHECK_EQ(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3), 0);
    CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 3);
    CHECK_EQ(setpriority(PRIO_PROCESS, 0, 100), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
    return 0;
}
