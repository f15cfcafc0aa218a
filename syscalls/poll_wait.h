/*
 * What poll, select and epoll have in common: waiting on several files at once, and deadlines from
 * the guest's time structs.
 */
#pragma once

#include "sentry/task/task.h"

#define DEADLINE_POLL 0 /* don't wait */

struct poll_slot {
    struct file *file; /* ref; NULL: revents stays what it is */
    uint32_t events;   /* what ends the wait */
    uint32_t revents;  /* found */
    uint32_t before;   /* for the caller: what the guest's memory says now */
    struct waitq_entry wait;
};
/**
 * poll_wait - wait until one of the slots has something.
 *
 * Context: may block. Return: how many slots have revents; 0 when the deadline has passed.
 * Errors: -ERESTARTNOHAND.
 */
MUST_CHECK int poll_wait(struct poll_slot *slots, size_t count, int64_t deadline_ns);
/* Drops the slots' files and frees the array. */
void poll_slots_free(struct poll_slot *slots, size_t count);

/*
 * A deadline on CLOCK_MONOTONIC from a relative time; saturates. addr 0: WAIT_FOREVER, and a time
 * of zero: DEADLINE_POLL. Errors: -EFAULT, -EINVAL.
 */
MUST_CHECK int deadline_in_timespec(struct task *t, uaddr_t addr, int64_t *out_ns);
MUST_CHECK int deadline_in_timeval(struct task *t, uaddr_t addr, int64_t *out_ns);
/* negative: for ever */
int64_t deadline_from_ms(int timeout_ms);
