/*
 * One machine instruction as text, for crash reports: the only user of capstone. The library is loaded
 * at run time, and only when reports are wanted: its tables would cost every start relocations and memory.
 */
#pragma once

#include "lib/macros.h"

#define INSN_MAX_BYTES 15
#define INSN_SYNTAX    "Intel"

/* Loads the disassembler: before the process locks itself in. Errors: -ENOENT it is not installed; -ENOMEM. */
MUST_CHECK int insn_init(void);
/**
 * insn_describe - the first instruction of code, in Intel syntax.
 * @code, @size: its bytes, hostile.
 * @addr: where they are, for relative targets.
 *
 * Return: the instruction's length. Errors: -ENOSYS no disassembler; -EINVAL no instruction.
 */
MUST_CHECK int insn_describe(const uint8_t *code, size_t size, uaddr_t addr, char *out,
                             size_t out_size);
