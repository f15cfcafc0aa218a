/*
 * Numbers that no Linux has, on any machine, are ENOSYS: holes, numbers above the table, removed calls. The
 * number is the low 32 bits of rax: what stands above does not matter.
 */
#include "../compat.h"

#include <sys/syscall.h>

static long call(unsigned long nr)
{
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(0), "S"(0), "d"(0)
                     : "rcx", "r11", "memory");
    return r;
}

int main(void)
{
    static const unsigned long none[] = {174, 177,  178,  180,        181,       182, 183,
                                         184, 185,  214,  215,        236,       340, 400,
                                         423, 1000, 4095, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        CHECK_EQ(call(none[i]), -ENOSYS);
    }
    CHECK_ERRNO(syscall(SYS_epoll_ctl_old, 1, 2, 3, 4), ENOSYS);
    CHECK_EQ(call(SYS_getpid), getpid());
    CHECK_EQ(call(0x100000000UL | SYS_getpid), getpid());
    CHECK_EQ(call(0xffffffff00000000UL | SYS_getppid), getppid());
    CHECK_EQ(call(0xffffffffffffffffUL), -ENOSYS);
    return 0;
}
