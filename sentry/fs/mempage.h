/*
 * Pages for the bytes of files in memory. See mempage.c.
 */
#pragma once

#include <stdbool.h>

#include "lib/macros.h"

/* PAGE_SIZE bytes, page-aligned; zeroed when asked. NULL: no memory. */
char *mempage_alloc(bool zeroed);
void mempage_free(char *page);
