/*
 * --backtrace: a guest that a signal kills with SIGSEGV, SIGABRT or the like leaves a report on stderr:
 * which thread, which signal, registers, the instruction, the stack. Also what the sentry adds
 * to the report of a bug of its own. See lib/panic.h for the latter.
 */
#pragma once

#include "lib/macros.h"

/**
 * crash_init - turn reports on.
 *
 * Loads the disassembler and the unwinder, so before the root is emptied. Without them reports say less: which
 * of the two is missing is in *out_missing then, else NULL.
 */
void crash_init(const char **out_missing);
