/* The rounding mode, a thread's own, in both floating-point units (fenv(3), without the library). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ROUND_NEAREST 0u
#define ROUND_DOWN    1u
#define ROUND_UP      2u

static inline void set_round(unsigned mode)
{
    uint32_t mxcsr;
    uint16_t cw;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(cw));
    mxcsr = (mxcsr & ~0x6000u) | mode << 13;
    cw = (uint16_t)((cw & ~0xc00u) | mode << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(cw));
}

static inline bool round_is(unsigned mode)
{
    uint32_t mxcsr;
    uint16_t cw;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(cw));
    return (mxcsr >> 13 & 3) == mode && (cw >> 10 & 3u) == mode;
}
