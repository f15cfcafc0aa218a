/*
 * Names of addresses from an ELF file's symbol tables, for crash reports. The file is read through a
 * callback and never as a whole; nothing is allocated, so that a process in trouble may use it, and
 * nothing in the file is believed: sizes and counts are clamped, names cut off.
 */
#pragma once

#include "lib/macros.h"

/* Reads size bytes at offset of the file. Return: bytes read; short at its end, or when it can't. */
struct elf_reader {
    size_t (*read)(void *arg, void *dst, size_t size, uint64_t offset);
    void *arg;
};

#define ELF_SYMBOL_NAME_MAX 128
struct elf_query {
    uint64_t value; /* in: the address as the file counts, that is without the load bias */
    char name[ELF_SYMBOL_NAME_MAX]; /* out: "" when no function of the file holds it */
    uint64_t start;                 /* out: where that function begins */
};
/**
 * elf_symbols_find - the functions that hold the given addresses.
 * @q: count queries, answered in place; first from .symtab, what that lacks from .dynsym.
 *
 * Context: calls r->read many times, so may block when that may.
 */
void elf_symbols_find(const struct elf_reader *r, struct elf_query *q, size_t count);
