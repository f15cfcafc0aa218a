/* Call sites in both forms that are rewritten, as code that a test puts into memory and calls. */
#pragma once

#include <stdint.h>

/* mov $getpid, %eax; syscall; ret and, with the number in eax, syscall; cmp $-4095, %rax; ret */
static const uint8_t mov_form[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const uint8_t cmp_form[] = {0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3};

/* Calls the code with rax, rdi, rsi and rdx set. Return: its rax. */
static inline long call_with(const void *code, long rax, long a, long b, long c)
{
    long ret;
    __asm__ volatile("call *%[code]"
                     : "=a"(ret)
                     : "0"(rax), "D"(a), "S"(b), "d"(c), [code] "r"(code)
                     : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
    return ret;
}
