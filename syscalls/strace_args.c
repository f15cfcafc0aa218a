/*
 * A call's arguments in --strace lines. What a call only reads is printed when it
 * begins; from the first argument that it writes on, the rest is printed when it has returned.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "syscalls/strace_text.h"

#define PATH_TEXT_MAX 4095

/* An argument as a number, extended as its C type is. */
static uint64_t number(const struct strace_call *c, size_t i)
{
    switch (c->info->args[i].kind) {
    case KIND_FD:
    case KIND_DIRFD:
    case KIND_INT:
    case KIND_PID:
    case KIND_SIG:
    case KIND_CLOCK:
        return (uint64_t)(int64_t)(int)c->args[i];
    case KIND_FLAGS:
    case KIND_UINT:
    case KIND_MODE:
    case KIND_UID:
    case KIND_GID:
    case KIND_DEV32:
        return (unsigned)c->args[i];
    default:
        return c->args[i];
    }
}

/* Which argument is the first that can't be shown before the call returns? */
static bool known_at_entry(const struct strace_call *c, size_t i)
{
    const struct arg_info *a = &c->info->args[i];
    switch (a->kind) {
    case KIND_OUT_STR:
    case KIND_OUT_BUF:
    case KIND_OUT_STRUCT:
    case KIND_OUT_IOVEC:
        return false;
    case KIND_INOUT_STRUCT:
        return a->detail.form == FORM_ARRAY || a->detail.form == FORM_FDSET ||
               a->detail.what == LAYOUT_timespec || a->detail.what == LAYOUT_timeval ||
               a->detail.what == LAYOUT_off || a->detail.what == LAYOUT_cap_header;
    default:
        if (a->detail.form == FORM_FCNTL) {
            return (unsigned)c->args[1] != F_GETLK && (unsigned)c->args[1] != F_OFD_GETLK;
        }
        return a->detail.form != FORM_IOCTL;
    }
}

/* How many arguments this call uses: some depend on a command or a flag. */
static size_t visible_args(const struct strace_call *c)
{
    const uint64_t *a = c->args;
    size_t count = c->info->arg_count;
    switch (c->info->nr) {
    case SYS_open:
        return a[1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? 3 : 2;
    case SYS_openat:
        return a[2] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? 4 : 3;
    case SYS_mknod:
        return S_ISCHR(a[1]) || S_ISBLK(a[1]) ? 3 : 2;
    case SYS_mknodat:
        return S_ISCHR(a[2]) || S_ISBLK(a[2]) ? 4 : 3;
    case SYS_mremap:
        return a[3] & MREMAP_FIXED ? 5 : 4;
    case SYS_faccessat:
        return 3;
    case SYS_fcntl:
        switch ((unsigned)a[1]) {
        case F_GETFD:
        case F_GETFL:
        case F_GETOWN:
        case F_GETSIG:
        case F_GETLEASE:
        case F_GETPIPE_SZ:
        case F_GET_SEALS:
            return 2;
        default:
            return 3;
        }
    case SYS_prctl:
        while (count > 2 && a[count - 1] == 0) {
            count--;
        }
        return (int)a[0] == PR_SET_NAME || (int)a[0] == PR_GET_NAME ? 2 : count;
    default:
        return count;
    }
}

static void print_argv(struct strace_call *c, uaddr_t addr)
{
    uaddr_t p;
    if (addr == 0 || get_user(c->mm, &p, addr) < 0) {
        strace_addr(c->out, addr);
        return;
    }
    strbuf_addc(c->out, '[');
    for (size_t i = 0; p; i++) {
        strbuf_adds(c->out, i ? ", " : "");
        if (i >= c->string_max) {
            strbuf_adds(c->out, "...");
            break;
        }
        strace_string(c, p, c->string_max);
        addr += sizeof(p);
        if (get_user(c->mm, &p, addr) < 0) {
            strbuf_printf(c->out, ", ... /* %#" PRIx64 " */", addr);
            break;
        }
    }
    strbuf_addc(c->out, ']');
}

static void print_envp(struct strace_call *c, uaddr_t addr)
{
    uaddr_t chunk[64];
    size_t count = 0;
    strace_addr(c->out, addr);
    for (uaddr_t at = addr; addr && count < 1 << 20;) {
        size_t got = copy_in_partial(c->mm, chunk, at, sizeof(chunk)) / sizeof(chunk[0]), i = 0;
        while (i < got && chunk[i]) {
            i++;
        }
        count += i;
        at += i * sizeof(chunk[0]);
        if (i < ARRAY_COUNT(chunk)) {
            if (i < got) { /* a NULL, not a fault */
                strbuf_printf(c->out, " /* %zu var%s */", count, count == 1 ? "" : "s");
            }
            return;
        }
    }
}

void strace_fd_set(struct strace_call *c, uaddr_t addr, int nfds)
{
    uint64_t words[16]; /* 1024 descriptors: what a libc can name */
    const char *separator = "";
    size_t bits = nfds < 0 ? 0 : MIN((size_t)nfds, sizeof(words) * 8);
    if (addr == 0 || copy_in(c->mm, words, addr, ALIGN_UP(bits, 64UL) / 8) < 0) {
        strace_addr(c->out, addr);
        return;
    }
    strbuf_addc(c->out, '[');
    for (size_t i = 0; i < bits; i++) {
        if (words[i / 64] >> (i % 64) & 1) {
            strbuf_printf(c->out, "%s%zu", separator, i);
            separator = " ";
        }
    }
    strbuf_addc(c->out, ']');
}

static void print_cpu_set(struct strace_call *c, uaddr_t addr, size_t size)
{
    size_t bytes = c->exiting ? (size_t)c->result : size;
    strace_fd_set(c, addr, (int)(MIN(bytes, (size_t)128) * 8));
}

static void print_array(struct strace_call *c, enum arg_layout layout, uaddr_t addr, uint64_t count)
{
    if (addr == 0) {
        strace_addr(c->out, addr);
        return;
    }
    strbuf_addc(c->out, '[');
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(c->out, i ? ", " : "");
        if (i >= c->string_max) {
            strbuf_adds(c->out, "...");
            break;
        }
        if (layout == LAYOUT_gid) { /* a list of numbers, without brackets of their own */
            unsigned v = 0;
            if (copy_in(c->mm, &v, addr + i * sizeof(v), sizeof(v)) < 0) {
                strbuf_adds(c->out, "...");
                break;
            }
            strbuf_printf(c->out, "%u", v);
        } else {
            strace_struct(c, layout, addr + i * layout_size(layout), SIZE_MAX);
        }
    }
    strbuf_addc(c->out, ']');
}

static void print_dirents(struct strace_call *c, uaddr_t addr)
{
    char data[8192];
    size_t at = 0, entries = 0, size = MIN((size_t)c->result, sizeof(data));
    strace_addr(c->out, addr);
    if ((size_t)c->result > sizeof(data) || copy_in(c->mm, data, addr, size) < 0) {
        return;
    }
    while (at + 19 <= size) {
        unsigned short reclen;
        memcpy(&reclen, data + at + 16, sizeof(reclen));
        if (reclen < 19) {
            return;
        }
        at += reclen;
        entries++;
    }
    strbuf_printf(c->out, " /* %zu entries */", entries);
}

/* Numbers; false when the kind is a pointer. */
static bool print_number(struct strace_call *c, size_t i)
{
    const struct arg_info *a = &c->info->args[i];
    uint64_t v = number(c, i);
    struct strbuf *out = c->out;

    switch (a->kind) {
    case KIND_FD:
    case KIND_INT:
    case KIND_PID:
    case KIND_LONG:
    case KIND_OFF:
        strbuf_printf(out, "%" PRId64, v);
        return true;
    case KIND_DIRFD:
        strace_dirfd(out, (int)v);
        return true;
    case KIND_SIG:
        strace_signal_name(out, (int)v);
        return true;
    case KIND_CLOCK:
        strace_value(out, DECODE_clock, v);
        return true;
    case KIND_MODE:
        strbuf_printf(out, "%#03o", (unsigned)v);
        return true;
    case KIND_UID:
    case KIND_GID:
        strbuf_printf(out, (unsigned)v == ~0u ? "-1" : "%u", (unsigned)v);
        return true;
    case KIND_DEV32:
    case KIND_DEV:
        strbuf_printf(out, "makedev(%#x, %#x)", major(v), minor(v));
        return true;
    case KIND_FLAGS:
        strbuf_printf(out, "%#" PRIx64, v);
        return true;
    case KIND_UINT:
    case KIND_SIZE:
    case KIND_ULONG:
        strbuf_printf(out, "%" PRIu64, v);
        return true;
    default:
        return false;
    }
}

/* Arguments that the detail says how to read, whatever their kind. */
static bool print_by_detail(struct strace_call *c, size_t i)
{
    const struct arg_info *a = &c->info->args[i];
    uint64_t v = number(c, i);

    switch (a->detail.form) {
    case FORM_SET:
        strace_flags(c->out, a->detail.what, a->kind == KIND_INT ? (unsigned)v : v);
        return true;
    case FORM_ENUM:
        if (a->detail.what == DECODE_ioctl) {
            strace_ioctl_request(c->out, (unsigned)v);
        } else if (a->detail.what == DECODE_sock_type || a->detail.what == DECODE_sched) {
            strace_flags(c->out, a->detail.what, (unsigned)v);
        } else if (a->detail.what == DECODE_so && (int)c->args[1] != SOL_SOCKET) {
            strbuf_printf(c->out, "%d", (int)v);
        } else {
            strace_value(c->out, a->detail.what, v);
        }
        return true;
    case FORM_HEX:
        strbuf_printf(c->out, "%#" PRIx64, a->kind == KIND_INT ? (unsigned)v : v);
        return true;
    case FORM_OCTAL:
        strbuf_printf(c->out, "%#03o", (unsigned)v);
        return true;
    case FORM_FILE_TYPE:
        strace_mode(c->out, (unsigned)v);
        return true;
    case FORM_IOCTL:
        strace_ioctl_arg(c, v);
        return true;
    case FORM_FCNTL:
        strace_fcntl_arg(c, v);
        return true;
    case FORM_ARGV:
        print_argv(c, v);
        return true;
    case FORM_ENVP:
        print_envp(c, v);
        return true;
    default:
        return false;
    }
}

static int int_at(const struct strace_call *c, uaddr_t addr)
{
    int v = 0;
    return addr && get_user(c->mm, &v, addr) == 0 ? v : 0;
}

static void print_in_buffer(struct strace_call *c, size_t i)
{
    const struct arg_detail *d = &c->info->args[i].detail;
    uint64_t size = number(c, d->n);
    if (d->form == FORM_CPUSET) {
        struct strace_call entering = *c;
        entering.exiting = false;
        print_cpu_set(&entering, c->args[i], size);
    } else if (c->info->nr == SYS_setsockopt && size == sizeof(int)) {
        strace_struct(c, LAYOUT_int, c->args[i], sizeof(int));
    } else {
        strace_buffer(c, c->args[i], size);
    }
}

static void print_out_buffer(struct strace_call *c, size_t i)
{
    const struct arg_detail *d = &c->info->args[i].detail;
    uaddr_t addr = c->args[i];
    char random[64];

    if (!strace_wrote(c)) {
        strace_addr(c->out, addr);
    } else if (d->form == FORM_DIRENTS) {
        print_dirents(c, addr);
    } else if (d->form == FORM_CPUSET) {
        print_cpu_set(c, addr, 0);
    } else if (d->form == FORM_LEN_AT) {
        int size = int_at(c, c->args[d->n]);
        if (size == sizeof(int)) {
            strace_struct(c, LAYOUT_int, addr, sizeof(int));
        } else {
            strace_buffer(c, addr, size < 0 ? 0 : (size_t)size);
        }
    } else if (c->info->nr == SYS_getrandom) {
        size_t shown = MIN(MIN((size_t)c->result, c->string_max), sizeof(random));
        if (copy_in(c->mm, random, addr, shown) < 0) {
            strace_addr(c->out, addr);
        } else {
            strace_quote_hex(c->out, random, (size_t)c->result, shown);
        }
    } else {
        strace_buffer(c, addr, MIN((uint64_t)c->result, number(c, d->n)));
    }
}

static void print_struct(struct strace_call *c, size_t i)
{
    const struct arg_detail *d = &c->info->args[i].detail;
    uaddr_t addr = c->args[i];

    switch (d->form) {
    case FORM_FDSET:
        strace_fd_set(c, addr, (int)c->args[d->n]);
        break;
    case FORM_ARRAY:
        print_array(c, d->what, addr, number(c, d->n));
        break;
    case FORM_RET_ARRAY:
        if (number(c, d->n) == 0) { /* getgroups(0, list) asks for the number only */
            strace_addr(c->out, addr);
        } else {
            print_array(c, d->what, addr, (uint64_t)c->result);
        }
        break;
    case FORM_SIZED:
        strace_struct(c, d->what, addr, number(c, d->n));
        break;
    case FORM_SIZED_AT:
        strace_struct(c, d->what, addr, (size_t)int_at(c, c->args[d->n]));
        break;
    default:
        strace_struct(c, d->what, addr, SIZE_MAX);
    }
}

/* Has an OUT_STRUCT been written? Most are by a success; the rest of a sleep is by an interruption. */
static bool writes_struct(const struct strace_call *c)
{
    switch (c->info->nr) {
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
        return c->result == -EINTR || c->result == -ERESTART_RESTARTBLOCK;
    case SYS_wait4:
        return c->result > 0;
    default:
        return strace_wrote(c);
    }
}

static void print_arg(struct strace_call *c, size_t i)
{
    const struct arg_info *a = &c->info->args[i];
    uaddr_t addr = c->args[i];

    if (c->info->nr == SYS_prctl && i == 1 && (int)c->args[0] == PR_SET_NAME) {
        strace_string(c, addr, 15);
        return;
    }
    if (print_by_detail(c, i) || print_number(c, i)) {
        return;
    }
    switch (a->kind) {
    case KIND_IN_STR:
        strace_string(c, addr, a->detail.form == FORM_PATH ? PATH_TEXT_MAX : c->string_max);
        break;
    case KIND_OUT_STR:
        if (strace_wrote(c)) {
            strace_string(c, addr, PATH_TEXT_MAX);
        } else {
            strace_addr(c->out, addr);
        }
        break;
    case KIND_IN_BUF:
        print_in_buffer(c, i);
        break;
    case KIND_OUT_BUF:
        print_out_buffer(c, i);
        break;
    case KIND_IN_IOVEC:
        strace_iovec(c, addr, c->args[a->detail.n], SIZE_MAX, true);
        break;
    case KIND_OUT_IOVEC:
        strace_iovec(c, addr, c->args[a->detail.n], c->result < 0 ? 0 : (size_t)c->result,
                     strace_wrote(c));
        break;
    case KIND_OUT_STRUCT:
        if (writes_struct(c)) {
            print_struct(c, i);
        } else {
            strace_addr(c->out, addr);
        }
        break;
    case KIND_IN_STRUCT:
    case KIND_INOUT_STRUCT:
        print_struct(c, i);
        break;
    default:
        strace_addr(c->out, addr);
    }
}

void strace_args(struct strace_call *c)
{
    size_t count = visible_args(c), split = 0;

    if (c->info->nr == SYS_futex || c->info->nr == SYS_clone) {
        if (!c->exiting) {
            (c->info->nr == SYS_futex ? strace_futex : strace_clone)(c);
        }
        return;
    }
    while (split < count && known_at_entry(c, split)) {
        split++;
    }
    for (size_t i = c->exiting ? split : 0; i < (c->exiting ? count : split); i++) {
        if (i > 0 && !(c->exiting && i == split)) {
            strbuf_adds(c->out, ", ");
        }
        print_arg(c, i);
    }
    if (!c->exiting && split > 0 && split < count) {
        strbuf_adds(c->out, ", "); /* the rest follows when the call returns */
    }
}
