/*
 * The only place where a guest's address becomes bytes. Each datum is copied once into private
 * memory before it is checked; the guest may change its memory at any time.
 */
#pragma once

#include <sys/types.h>

#include "lib/macros.h"

struct mm;

/* 0 or -EFAULT. */
MUST_CHECK int copy_in(struct mm *mm, void *dst, uaddr_t src, size_t size);
MUST_CHECK int copy_out(struct mm *mm, uaddr_t dst, const void *src, size_t size);
/* Bytes copied before the first fault. */
size_t copy_in_partial(struct mm *mm, void *dst, uaddr_t src, size_t size);
size_t copy_out_partial(struct mm *mm, uaddr_t dst, const void *src, size_t size);
/* platform_window and platform_window_filled. */
void *copy_out_window(struct mm *mm, uaddr_t dst, size_t *size);
void copy_out_placed(struct mm *mm, uaddr_t dst, size_t size);
/* A NUL-terminated string. Return: its length. Errors: -EFAULT; -ENAMETOOLONG when no NUL in size bytes. */
MUST_CHECK ssize_t copy_in_str(struct mm *mm, char *dst, uaddr_t src, size_t size);
/* An extensible struct (openat2, clone3): copy_struct_from_user's rules. Errors: -EFAULT, -E2BIG. */
MUST_CHECK int copy_in_extensible(struct mm *mm, void *dst, size_t dst_size, uaddr_t src,
                                  size_t src_size);
/* Zeroes guest memory. */
MUST_CHECK int clear_user(struct mm *mm, uaddr_t dst, size_t size);

#define get_user(mm, dst_ptr, src) copy_in(mm, dst_ptr, src, sizeof(*(dst_ptr)))
#define put_user(mm, dst, src_ptr) copy_out(mm, dst, src_ptr, sizeof(*(src_ptr)))
