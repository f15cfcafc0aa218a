/*
 * The guest's last system calls, for the report of a bug of ours: a small ring that every call is
 * noted in. Analogous to a flight recorder.
 */
#pragma once

#include "lib/macros.h"

struct task;

/* A call begins. Return: a ticket for recent_exit. args: six. */
uint64_t recent_enter(const struct task *t, uint64_t nr, const uint64_t *args);
/* It is done; nothing happens when the ring has gone round meanwhile. */
void recent_exit(uint64_t ticket, long result);
/* Writes them to stderr, oldest first. Context: any, also a signal handler: allocates nothing. */
void recent_print(void);
