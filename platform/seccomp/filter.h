/* The host filter of all stubs: see filter.c. */
#pragma once

#include <linux/filter.h>
#include <stddef.h>

#define STUB_FILTER_MAX 256
/* Writes the program; returns its length in instructions. */
size_t stub_filter_build(struct sock_filter out[STUB_FILTER_MAX]);
