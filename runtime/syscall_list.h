/* `sandbox syscalls`: the support table of syscalls/table.def. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

void syscall_list_print(FILE *out, bool json);
