/*
 * process_vm_readv(2) and process_vm_writev(2): wrong and hostile arguments, in the order in which they are found.
 */
#include "process_vm.h"

static void prepare(void)
{
}

static void each(int nr, pid_t pid)
{
    static struct iovec many[1025];
    static char buf[PAGE];
    const struct iovec good = {buf, 8}, none = {buf, 0};
    const struct iovec negative[2] = {{buf, 8}, {buf, (size_t)-1}};
    const struct iovec high = {(void *)-8L, 8}, wraps = {(void *)-8L, 16};
    const struct iovec long_one = {buf, SSIZE_MAX};
    void *bad = (void *)16;

    CHECK_ERRNO(vm(nr, pid, &good, 1, &good, 1, 1), EINVAL);
    CHECK_ERRNO(vm(nr, -1, bad, 2000, bad, 2000, 1UL << 40), EINVAL);
    CHECK_ERRNO(vm(nr, -1, bad, 1025, bad, 1, 0), EINVAL);
    CHECK_ERRNO(vm(nr, -1, bad, 1024, bad, 1025, 0), EFAULT);
    CHECK_ERRNO(vm(nr, -1, &good, 1, bad, 1025, 0), EINVAL);
    CHECK_ERRNO(vm(nr, -1, &good, 1, bad, 1UL << 60, 0), EINVAL);
    CHECK_ERRNO(vm(nr, -1, &good, 1, bad, 1, 0), EFAULT);
    CHECK_ERRNO(vm(nr, -1, negative, 2, bad, 1, 0), EINVAL);
    CHECK_ERRNO(vm(nr, -1, negative + 1, 1, bad, 1, 0), EINVAL);
    CHECK_ERRNO(vm(nr, -1, &good, 1, negative, 2, 0), EINVAL);
    CHECK_ERRNO(vm(nr, -1, &high, 1, &good, 1, 0), EFAULT);
    CHECK_ERRNO(vm(nr, -1, &wraps, 1, &good, 1, 0), EFAULT);

    /* Nothing to move: nobody is asked about the process. */
    CHECK_EQ(vm(nr, -1, bad, 0, bad, 1, 0), 0);
    CHECK_EQ(vm(nr, -1, &none, 1, bad, 1, 0), 0);
    CHECK_EQ(vm(nr, -1, &good, 1, bad, 0, 0), 0);
    CHECK_EQ(vm(nr, -1, &good, 1, &none, 1, 0), 0);
    CHECK_EQ(vm(nr, pid, many, 1024, many, 1024, 0), 0);

    CHECK_ERRNO(vm(nr, -1, &good, 1, &good, 1, 0), ESRCH);
    CHECK_ERRNO(vm(nr, 0, &good, 1, &good, 1, 0), ESRCH);
    CHECK_ERRNO(vm(nr, INT_MAX, &good, 1, &good, 1, 0), ESRCH);
    CHECK_ERRNO(vm(nr, INT_MIN, &good, 1, &high, 1, 0), ESRCH);

    /* The other's addresses are not looked at before their turn. */
    const struct iovec turns[2] = {good, high}, early[2] = {high, good};
    const struct iovec two[2] = {good, good};
    CHECK_EQ(vm(nr, pid, two, 1, turns, 2, 0), 8);
    CHECK_EQ(vm(nr, pid, two, 2, turns, 2, 0), 8);
    CHECK_ERRNO(vm(nr, pid, two, 2, early, 2, 0), EFAULT);
    CHECK_ERRNO(vm(nr, pid, &good, 1, &high, 1, 0), EFAULT);
    CHECK_ERRNO(vm(nr, pid, &good, 1, &wraps, 1, 0), EFAULT);
    CHECK_EQ(vm(nr, pid, &good, 1, &long_one, 1, 0), 8);
    const struct iovec boundary = {(void *)0x7ffffffff000, 8}, kernel = {(void *)(1UL << 63), 8};
    CHECK_ERRNO(vm(nr, pid, &good, 1, &boundary, 1, 0), EFAULT);
    CHECK_ERRNO(vm(nr, pid, &good, 1, &kernel, 1, 0), EFAULT);
}

int main(void)
{
    pid_t pid = waiting_child(prepare);
    each(SYS_process_vm_readv, pid);
    each(SYS_process_vm_writev, pid);
    end_child(pid);
    return 0;
}
