/*
 * Pieces of --strace lines: how single values look. Inside of the strace_*.c files only.
 */
#pragma once

#include "lib/strbuf.h"
#include "syscalls/decode_sets.h"

struct mm;

/* One system call that is being printed. */
struct strace_call {
    struct strbuf *out;
    struct mm *mm; /* borrowed; whose memory the arguments point at; NULL: none */
    const struct syscall_info *info;
    const uint64_t *args;
    bool exiting; /* the call has returned: what it wrote can be read */
    long result;
    size_t string_max; /* strings and buffers are cut there */
};

/* The call succeeded, so what it wrote is there. */
static inline bool strace_wrote(const struct strace_call *c)
{
    return c->exiting && c->result >= 0;
}

void strace_addr(struct strbuf *out, uint64_t addr); /* NULL or 0x7f... */
/* "text\n"... : size bytes, cut to max. more: there is more than size says. */
void strace_quote(struct strbuf *out, const char *data, size_t size, size_t max, bool more);
/* The same with each byte as \x1f. */
void strace_quote_hex(struct strbuf *out, const char *data, size_t size, size_t max);
void strace_flags(struct strbuf *out, enum decode_set_id id, uint64_t value);
void strace_value(struct strbuf *out, enum decode_set_id id, uint64_t value);
void strace_signal_name(struct strbuf *out, int sig); /* SIGINT, SIGRT_3 */
void strace_sigset(struct strbuf *out, uint64_t set); /* [INT TERM], ~[] */
void strace_dirfd(struct strbuf *out, int fd);
void strace_mode(struct strbuf *out, unsigned mode); /* S_IFREG|0644 */
void strace_wait_status(struct strbuf *out, int status);
void strace_siginfo(struct strbuf *out, const void *siginfo); /* a siginfo_t, 128 bytes */

/* strace_structs.c: one structure at addr, or the address when it can't be read. size: for those with one of their own. */
void strace_struct(struct strace_call *c, enum arg_layout layout, uaddr_t addr, size_t size);
void strace_iovec(struct strace_call *c, uaddr_t addr, size_t count, size_t data_size,
                  bool show_data);
void strace_flock(struct strace_call *c, uaddr_t addr);
void strace_string(struct strace_call *c, uaddr_t addr, size_t max);
void strace_buffer(struct strace_call *c, uaddr_t addr, size_t size);
/* strace_sockaddr.c */
void strace_sockaddr(struct strace_call *c, uaddr_t addr, size_t size);
/* strace_commands.c */
void strace_futex(struct strace_call *c);
void strace_clone(struct strace_call *c);
void strace_ioctl_request(struct strbuf *out, unsigned request);
void strace_ioctl_arg(struct strace_call *c, uint64_t arg);
void strace_fcntl_arg(struct strace_call *c, uint64_t arg);
/* strace_args.c: "fd, buf, ..." from the first argument on, up to what is not known before the call returns
 * (exiting false), or from there on (exiting true). */
void strace_args(struct strace_call *c);
void strace_fd_set(struct strace_call *c, uaddr_t addr, int nfds);
/* strace_result.c: "= 3", with what stands behind it. */
void strace_result(struct strace_call *c);
