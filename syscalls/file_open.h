/* The flags that open(2) knows. */
#pragma once

#include <fcntl.h>

#define KERNEL_O_LARGEFILE 0100000 /* the C library's is 0 on 64-bit machines */
#define KERNEL_O_TMPFILE   020000000
#define OPEN_FLAGS_KNOWN                                                                           \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |          \
     O_DSYNC | O_ASYNC | O_DIRECT | KERNEL_O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |    \
     O_CLOEXEC | O_PATH | KERNEL_O_TMPFILE)
