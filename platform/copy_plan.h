/*
 * The copy plan: for each argument of each system call, what a guest's thread copies ahead with its request, or takes out
 * of the reply. A kind in the high four bits, a number in the low twelve.
 */
#pragma once

/* Calls whose answers the guest's side keeps: a slot each, from 1; 0: not kept. */
#define PLATFORM_ANSWER_MAX 16
/* Saved ids are no call's answer: platform_keep_answer's nr for them, and their slots, the last ones. */
#define PLATFORM_ANSWER_SUID     0x10000
#define PLATFORM_ANSWER_SGID     0x10001
#define PLATFORM_ANSWER_CALLS    (PLATFORM_ANSWER_MAX - 2) /* slots that calls have */
#define PLATFORM_ANSWER_SLOT(nr) (PLATFORM_ANSWER_CALLS + ((nr)&1))
#define PLATFORM_ANSWER_OF_SELF  0x80 /* only when the first argument is 0 */
#define PLATFORM_COPY_NR_COUNT   512
#define PLATFORM_POLL_MAX        16 /* files that the guest's side looks at in one poll */

/* What the guest's side does not serve by itself for now (platform_ask). */
#define PLATFORM_ASK_MASK   1 /* changes of the signal mask: a signal is pending */
#define PLATFORM_ASK_MEMORY 2 /* memory calls: the process has limits */
#define PLATFORM_ASK_SIGRETURN                                                                     \
    8 /* rt_sigreturn: it has more to restore than what stands in the frame */
#define PLATFORM_ASK_FILES 4 /* leased files: they are another process's that shares the memory */
#define PLATFORM_ASK_CODE                                                                          \
    64 /* memory that becomes executable: some of it may be a file's, for others to read */
#define PLATFORM_ASK_FACTS                                                                         \
    32 /* what is known of the process: it is of another one, or of other threads */
#define PLATFORM_ASK_USAGE                                                                         \
    512 /* CPU time: an exec has left some of it behind in another host process */
#define PLATFORM_ASK_SITES 16 /* call sites stay as they are: some are in such a file */
#define PLATFORM_ASK_CALLS                                                                         \
    1024 /* every system call, before it is made and after: somebody traces it */
#define PLATFORM_ASK_NAMES                                                                         \
    256 /* kept lookups: they are for another working directory, or other fds */

#ifndef __ASSEMBLER__
#include <stdint.h>

#define PLATFORM_ADDRESS_MIN 0x10000UL /* mmap_min_addr, as a rule: no flag and no fd is so large */
enum platform_copy_kind {
    PLATFORM_COPY_NONE,
    PLATFORM_COPY_IN_STR,   /* up to number bytes, within the page where it begins */
    PLATFORM_COPY_IN_FIXED, /* number bytes */
    PLATFORM_COPY_IN_LEN,   /* as many bytes as argument `number` says */
    PLATFORM_COPY_IN_MAYBE, /* number bytes, if the argument is an address: from PLATFORM_ADDRESS_MIN on */
    PLATFORM_COPY_IN_VECTOR, /* the strings of a vector of pointers, each with its zero byte: up to number * 8 bytes in all */
    PLATFORM_COPY_IN_ARRAY, /* PLATFORM_COPY_ARRAY says: element size and which argument counts them */
    PLATFORM_COPY_OUT_FIXED,
    PLATFORM_COPY_OUT_LEN,
    PLATFORM_COPY_OUT_ARRAY, /* as IN_ARRAY */
    /*
     * Not this argument's, which there need not be: number bytes of room for small outputs of the call, to wherever it writes, as
     * records (struct copy_poke). They fail the call with EFAULT if the guest can't write there.
     */
    PLATFORM_COPY_POKES,
};
#define PLATFORM_COPY_ARRAY(size, argument) ((unsigned)(size) << 3 | (unsigned)(argument))
#define PLATFORM_COPY_ARRAY_MAX             1024 /* bytes of one that travel so */
#define PLATFORM_COPY_PLAN(kind, number)    ((uint16_t)((unsigned)(kind) << 12 | (number)))
#endif
