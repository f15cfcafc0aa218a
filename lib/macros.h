/*
 * Words that every other file uses: attributes, scope guards, small arithmetic.
 * Nothing here has state or calls the host.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN     __attribute__((noreturn))
#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)

#define ARRAY_COUNT(a)                  (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __auto_type min_a_ = (a);                                                                  \
        __auto_type min_b_ = (b);                                                                  \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __auto_type max_a_ = (a);                                                                  \
        __auto_type max_b_ = (b);                                                                  \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })
/* n must be a power of two */
#define ALIGN_DOWN(x, n) ((x) & ~((__typeof__(x))(n)-1))
#define ALIGN_UP(x, n)   ALIGN_DOWN((x) + ((__typeof__(x))(n)-1), n)

#define PAGE_SIZE  4096UL
#define PAGE_SHIFT 12

#define NSEC_PER_SEC  1000000000LL
#define NSEC_PER_USEC 1000LL
#define NSEC_PER_MSEC 1000000LL

/* A user-space address: an integer until sentry/mm/usercopy.c turns it into bytes. */
typedef uint64_t uaddr_t;

/* Scope guards. AUTO_PUT(file) f = ...; drops the reference when f leaves scope; take(&f) hands over. */
static inline void auto_free_(void *p)
{
    free(*(void **)p);
}
void auto_close_(const int *fd); /* lib/host.c */

#define AUTO_FREE      __attribute__((cleanup(auto_free_)))
#define AUTO_FD        __attribute__((cleanup(auto_close_))) int
#define AUTO_PUT(type) __attribute__((cleanup(type##_auto_put_))) struct type *
#define DEFINE_AUTO_PUT(type)                                                                      \
    static inline void type##_auto_put_(struct type **p)                                           \
    {                                                                                              \
        if (*p) {                                                                                  \
            type##_put(*p);                                                                        \
        }                                                                                          \
    }
#define take(p)                                                                                    \
    ({                                                                                             \
        __auto_type take_p_ = (p);                                                                 \
        __auto_type take_v_ = *take_p_;                                                            \
        *take_p_ = NULL;                                                                           \
        take_v_;                                                                                   \
    })
static inline int take_fd(int *fd)
{
    int v = *fd;
    *fd = -1;
    return v;
}
