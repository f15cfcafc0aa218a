/* The support table of all system calls, as docs/SYSCALLS.md shows it. */
#pragma once

#include <stdio.h>

#include "syscalls/info.h"

/* How many rows have each level. */
void syscalls_count(size_t counts[LEVEL_COUNT]);
/* The whole of docs/SYSCALLS.md. */
void syscalls_print_markdown(FILE *out);
