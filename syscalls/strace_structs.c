/*
 * The structures that system calls read and write, in --strace lines. Each printer gets a private
 * copy of the bytes; what can't be read is shown as its address.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include "sentry/mm/usercopy.h"
#include "sentry/task/signal.h"
#include "syscalls/strace_text.h"

/* Enough for the largest of SYSCALL_LAYOUTS. */
union bytes {
    char raw[512];
    int i;
    int pair[2];
    unsigned u;
    long l;
    uint64_t u64[16];
    struct stat stat;
    struct statx statx;
    struct statfs statfs;
    struct timespec ts[2];
    struct timeval tv[2];
    struct timex timex;
    struct tms tms;
    struct rlimit rlimit;
    struct rusage rusage;
    struct ksigaction sa;
    stack_t stack;
    struct sigevent sigevent;
    struct pollfd pollfd;
    struct epoll_event epoll;
    struct utsname uts;
    struct sysinfo sysinfo;
};

static void timespec(struct strbuf *out, const struct timespec *ts)
{
    if (ts->tv_nsec == UTIME_NOW || ts->tv_nsec == UTIME_OMIT) {
        strbuf_adds(out, ts->tv_nsec == UTIME_NOW ? "UTIME_NOW" : "UTIME_OMIT");
    } else {
        strbuf_printf(out, "{tv_sec=%ld, tv_nsec=%ld}", ts->tv_sec, ts->tv_nsec);
    }
}

static void timeval(struct strbuf *out, const struct timeval *tv)
{
    strbuf_printf(out, "{tv_sec=%ld, tv_usec=%ld}", tv->tv_sec, tv->tv_usec);
}

static void stat_short(struct strbuf *out, const struct stat *st)
{
    strbuf_adds(out, "{st_mode=");
    strace_mode(out, st->st_mode);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
        strbuf_printf(out, ", st_rdev=makedev(%#x, %#x), ...}", major(st->st_rdev),
                      minor(st->st_rdev));
    } else {
        strbuf_printf(out, ", st_size=%ld, ...}", st->st_size);
    }
}

static void statx_short(struct strbuf *out, const struct statx *st)
{
    strbuf_adds(out, "{stx_mask=");
    strace_flags(out, DECODE_statx, st->stx_mask);
    strbuf_printf(out, ", stx_attributes=%#llx, stx_mode=", (unsigned long long)st->stx_attributes);
    strace_mode(out, st->stx_mode);
    strbuf_printf(out, ", stx_size=%llu, ...}", (unsigned long long)st->stx_size);
}

static void limit_value(struct strbuf *out, const char *name, uint64_t v)
{
    strbuf_adds(out, name);
    if (v == RLIM_INFINITY) {
        strbuf_adds(out, "RLIM64_INFINITY");
    } else if (v > 1024 && v % 1024 == 0) {
        strbuf_printf(out, "%" PRIu64 "*1024", v / 1024);
    } else {
        strbuf_printf(out, "%" PRIu64, v);
    }
}

static void sigaction_full(struct strbuf *out, const struct ksigaction *sa)
{
    strbuf_adds(out, "{sa_handler=");
    if (sa->handler <= 1) {
        strbuf_adds(out, sa->handler ? "SIG_IGN" : "SIG_DFL");
    } else {
        strace_addr(out, sa->handler);
    }
    strbuf_adds(out, ", sa_mask=");
    strace_sigset(out, sa->mask);
    strbuf_adds(out, ", sa_flags=");
    strace_flags(out, DECODE_sa_flags, sa->flags);
    if (sa->flags & 0x04000000) { /* SA_RESTORER */
        strbuf_adds(out, ", sa_restorer=");
        strace_addr(out, sa->restorer);
    }
    strbuf_addc(out, '}');
}

static void statfs_full(struct strbuf *out, const struct statfs *s)
{
    const int *fsid = (const int *)&s->f_fsid;
    strbuf_printf(out,
                  "{f_type=%#lx, f_bsize=%ld, f_blocks=%lu, f_bfree=%lu, f_bavail=%lu, "
                  "f_files=%lu, f_ffree=%lu, "
                  "f_fsid={val=[%#x, %#x]}, f_namelen=%ld, f_frsize=%ld, f_flags=%#lx}",
                  s->f_type, s->f_bsize, s->f_blocks, s->f_bfree, s->f_bavail, s->f_files,
                  s->f_ffree, (unsigned)fsid[0], (unsigned)fsid[1], s->f_namelen, s->f_frsize,
                  s->f_flags);
}

static void sysinfo_full(struct strbuf *out, const struct sysinfo *s)
{
    strbuf_printf(
        out,
        "{uptime=%ld, loads=[%lu, %lu, %lu], totalram=%lu, freeram=%lu, sharedram=%lu, "
        "bufferram=%lu, "
        "totalswap=%lu, freeswap=%lu, procs=%u, totalhigh=%lu, freehigh=%lu, mem_unit=%u}",
        s->uptime, s->loads[0], s->loads[1], s->loads[2], s->totalram, s->freeram, s->sharedram,
        s->bufferram, s->totalswap, s->freeswap, s->procs, s->totalhigh, s->freehigh, s->mem_unit);
}

static void stack_full(struct strbuf *out, const stack_t *ss)
{
    strbuf_adds(out, "{ss_sp=");
    strace_addr(out, (uint64_t)ss->ss_sp);
    strbuf_adds(out, ", ss_flags=");
    strace_flags(out, DECODE_ss_flags, (unsigned)ss->ss_flags);
    strbuf_printf(out, ", ss_size=%zu}", ss->ss_size);
}

static void pollfd_one(struct strace_call *c, const struct pollfd *p)
{
    if (p->fd < 0) {
        strbuf_printf(c->out, "{fd=%d}", p->fd);
        return;
    }
    strbuf_printf(c->out, "{fd=%d, events=", p->fd);
    strace_flags(c->out, DECODE_poll, (unsigned short)p->events);
    strbuf_addc(c->out, '}');
}

static void epoll_one(struct strbuf *out, const struct epoll_event *e)
{
    uint64_t data = e->data.u64; /* packed: no reference to it */
    strbuf_adds(out, "{events=");
    strace_flags(out, DECODE_epoll, e->events);
    strbuf_printf(out, ", data={u32=%u, u64=%" PRIu64 "}}", (unsigned)data, data);
}

static void clone_args(struct strbuf *out, const uint64_t *a)
{
    enum { FLAGS, PIDFD, CHILD_TID, PARENT_TID, EXIT_SIGNAL, STACK, STACK_SIZE, TLS };
    strbuf_adds(out, "{flags=");
    strace_flags(out, DECODE_clone, a[FLAGS]);
    if (a[FLAGS] & 0x1000) { /* CLONE_PIDFD */
        strbuf_printf(out, ", pidfd=%#" PRIx64, a[PIDFD]);
    }
    if (a[FLAGS] & 0x01200000) { /* CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID */
        strbuf_printf(out, ", child_tid=%#" PRIx64, a[CHILD_TID]);
    }
    if (a[FLAGS] & 0x00100000) { /* CLONE_PARENT_SETTID */
        strbuf_printf(out, ", parent_tid=%#" PRIx64, a[PARENT_TID]);
    }
    strbuf_adds(out, ", exit_signal=");
    strace_signal_name(out, (int)a[EXIT_SIGNAL]);
    strbuf_adds(out, ", stack=");
    strace_addr(out, a[STACK]);
    strbuf_adds(out, ", stack_size=");
    strbuf_printf(out, a[STACK_SIZE] ? "%#" PRIx64 : "%" PRIu64, a[STACK_SIZE]);
    if (a[FLAGS] & 0x00080000) { /* CLONE_SETTLS */
        strbuf_printf(out, ", tls=%#" PRIx64, a[TLS]);
    }
    strbuf_addc(out, '}');
}

static void open_how(struct strbuf *out, const uint64_t *how)
{
    strbuf_adds(out, "{flags=");
    strace_flags(out, DECODE_open, how[0]);
    if (how[0] & (O_CREAT | O_TMPFILE)) {
        strbuf_printf(out, ", mode=%#03" PRIo64, how[1]);
    }
    strbuf_adds(out, ", resolve=");
    strace_flags(out, DECODE_resolve, how[2]);
    strbuf_addc(out, '}');
}

static void sigevent_full(struct strbuf *out, const struct sigevent *e)
{
    strbuf_printf(out, "{sigev_value={sival_int=%d, sival_ptr=", e->sigev_value.sival_int);
    strace_addr(out, (uint64_t)e->sigev_value.sival_ptr);
    strbuf_adds(out, "}, sigev_signo=");
    strace_signal_name(out, e->sigev_signo);
    strbuf_adds(out, ", sigev_notify=");
    strace_value(out, DECODE_sigev_notify, (unsigned)e->sigev_notify);
    strbuf_addc(out, '}');
}

/* 2 capability sets of 3 words as struct __user_cap_data_struct[2]. */
static void cap_data(struct strbuf *out, const unsigned *d)
{
    static const char *const names[] = {"effective", "permitted", "inheritable"};
    for (int i = 0; i < 3; i++) {
        strbuf_printf(out, "%s%s=%#" PRIx64, i ? ", " : "{", names[i],
                      (uint64_t)d[i + 3] << 32 | d[i]);
    }
    strbuf_addc(out, '}');
}

/* msg_name, msg_namelen, msg_iov, msg_iovlen, msg_control, msg_controllen, msg_flags */
static void msghdr(struct strace_call *c, const uint64_t *m, size_t data_size)
{
    bool received = c->info->args[1].kind == KIND_INOUT_STRUCT && c->exiting;
    strbuf_adds(c->out, "{msg_name=");
    strace_sockaddr(c, m[0], (unsigned)m[1]);
    strbuf_printf(c->out, ", msg_namelen=%d, msg_iov=", (int)m[1]);
    strace_iovec(c, m[2], m[3], data_size, true);
    strbuf_printf(c->out, ", msg_iovlen=%" PRIu64, m[3]);
    if (m[5]) {
        strbuf_adds(c->out, ", msg_control=");
        strace_addr(c->out, m[4]);
    }
    strbuf_printf(c->out, ", msg_controllen=%" PRIu64 ", msg_flags=", m[5]);
    strace_flags(c->out, DECODE_msg, received ? (unsigned)m[6] : 0);
    strbuf_addc(c->out, '}');
}

static size_t data_size_of(const struct strace_call *c)
{
    return c->exiting && c->result >= 0 ? (size_t)c->result : SIZE_MAX;
}

/* The layouts about time; false: not one of them. */
static bool time_struct(struct strbuf *out, enum arg_layout layout, const union bytes *b)
{
    switch (layout) {
    case LAYOUT_timespec:
        timespec(out, &b->ts[0]);
        return true;
    case LAYOUT_timespec_pair:
        strbuf_addc(out, '[');
        timespec(out, &b->ts[0]);
        strbuf_adds(out, ", ");
        timespec(out, &b->ts[1]);
        strbuf_addc(out, ']');
        return true;
    case LAYOUT_timeval:
        timeval(out, &b->tv[0]);
        return true;
    case LAYOUT_timeval_pair:
        strbuf_addc(out, '[');
        timeval(out, &b->tv[0]);
        strbuf_adds(out, ", ");
        timeval(out, &b->tv[1]);
        strbuf_addc(out, ']');
        return true;
    case LAYOUT_itimerval:
        strbuf_adds(out, "{it_interval=");
        timeval(out, &b->tv[0]);
        strbuf_adds(out, ", it_value=");
        timeval(out, &b->tv[1]);
        strbuf_addc(out, '}');
        return true;
    case LAYOUT_itimerspec:
        strbuf_adds(out, "{it_interval=");
        timespec(out, &b->ts[0]);
        strbuf_adds(out, ", it_value=");
        timespec(out, &b->ts[1]);
        strbuf_addc(out, '}');
        return true;
    case LAYOUT_timezone:
        strbuf_printf(out, "{tz_minuteswest=%d, tz_dsttime=%d}", b->pair[0], b->pair[1]);
        return true;
    case LAYOUT_utimbuf:
        strbuf_printf(out, "{actime=%ld, modtime=%ld}", (long)b->u64[0], (long)b->u64[1]);
        return true;
    case LAYOUT_tms:
        strbuf_printf(out, "{tms_utime=%ld, tms_stime=%ld, tms_cutime=%ld, tms_cstime=%ld}",
                      b->tms.tms_utime, b->tms.tms_stime, b->tms.tms_cutime, b->tms.tms_cstime);
        return true;
    case LAYOUT_timex:
        strbuf_printf(
            out, "{modes=%#x, offset=%ld, freq=%ld, maxerror=%ld, esterror=%ld, status=%#x, ...}",
            b->timex.modes, b->timex.offset, b->timex.freq, b->timex.maxerror, b->timex.esterror,
            (unsigned)b->timex.status);
        return true;
    case LAYOUT_rusage:
        strbuf_adds(out, "{ru_utime=");
        timeval(out, &b->rusage.ru_utime);
        strbuf_adds(out, ", ru_stime=");
        timeval(out, &b->rusage.ru_stime);
        strbuf_adds(out, ", ...}");
        return true;
    default:
        return false;
    }
}

/* The layouts about signals; false: not one of them. */
static bool signal_struct(struct strace_call *c, enum arg_layout layout, const union bytes *b)
{
    struct strbuf *out = c->out;
    switch (layout) {
    case LAYOUT_sigaction:
        sigaction_full(out, &b->sa);
        return true;
    case LAYOUT_sigset:
        strace_sigset(out, b->u64[0]);
        return true;
    case LAYOUT_sigset_argpack:
        strbuf_adds(out, "{sigmask=");
        strace_struct(c, LAYOUT_sigset, b->u64[0], 8);
        strbuf_printf(out, ", sigsetsize=%" PRIu64 "}", b->u64[1]);
        return true;
    case LAYOUT_siginfo:
        strace_siginfo(out, b->raw);
        return true;
    case LAYOUT_sigevent:
        sigevent_full(out, &b->sigevent);
        return true;
    case LAYOUT_stack:
        stack_full(out, &b->stack);
        return true;
    case LAYOUT_wait_status:
        strbuf_addc(out, '[');
        strace_wait_status(out, b->i);
        strbuf_addc(out, ']');
        return true;
    default:
        return false;
    }
}

static void other_struct(struct strace_call *c, enum arg_layout layout, const union bytes *b)
{
    struct strbuf *out = c->out;
    switch (layout) {
    case LAYOUT_int:
        strbuf_printf(out, "[%d]", b->i);
        break;
    case LAYOUT_gid:
        strbuf_printf(out, "[%u]", b->u);
        break;
    case LAYOUT_long:
    case LAYOUT_off:
        strbuf_printf(out, "[%ld]", b->l);
        break;
    case LAYOUT_fd_pair:
        strbuf_printf(out, "[%d, %d]", b->pair[0], b->pair[1]);
        break;
    case LAYOUT_stat:
        stat_short(out, &b->stat);
        break;
    case LAYOUT_statx:
        statx_short(out, &b->statx);
        break;
    case LAYOUT_statfs:
        statfs_full(out, &b->statfs);
        break;
    case LAYOUT_rlimit:
        limit_value(out, "{rlim_cur=", b->rlimit.rlim_cur);
        limit_value(out, ", rlim_max=", b->rlimit.rlim_max);
        strbuf_addc(out, '}');
        break;
    case LAYOUT_pollfd:
        pollfd_one(c, &b->pollfd);
        break;
    case LAYOUT_epoll_event:
        epoll_one(out, &b->epoll);
        break;
    case LAYOUT_utsname:
        strbuf_printf(out, "{sysname=\"%.64s\", nodename=\"%.64s\", ...}", b->uts.sysname,
                      b->uts.nodename);
        break;
    case LAYOUT_sysinfo:
        sysinfo_full(out, &b->sysinfo);
        break;
    case LAYOUT_msghdr:
        msghdr(c, b->u64, data_size_of(c));
        break;
    case LAYOUT_mmsghdr:
        strbuf_adds(out, "{msg_hdr=");
        msghdr(c, b->u64, c->exiting ? (unsigned)b->u64[7] : SIZE_MAX);
        strbuf_adds(out, c->exiting ? ", msg_len=" : "");
        strbuf_printf(out, c->exiting ? "%u}" : "}", (unsigned)b->u64[7]);
        break;
    case LAYOUT_sched_param:
        strbuf_printf(out, "[%d]", b->i);
        break;
    case LAYOUT_clone_args:
        clone_args(out, b->u64);
        break;
    case LAYOUT_open_how:
        open_how(out, b->u64);
        break;
    case LAYOUT_cap_header:
        strbuf_printf(out, "{version=%#x, pid=%d}", (unsigned)b->pair[0], b->pair[1]);
        break;
    case LAYOUT_cap_data:
        cap_data(out, &b->u);
        break;
    default:
        strbuf_adds(out, "{...}");
    }
}

void strace_struct(struct strace_call *c, enum arg_layout layout, uaddr_t addr, size_t size)
{
    union bytes b;
    memset(&b, 0, sizeof(b));
    if (layout == LAYOUT_sockaddr) {
        strace_sockaddr(c, addr, size);
        return;
    }
    size = MIN(size, layout_size(layout));
    if (addr == 0 || size == 0 || copy_in(c->mm, &b, addr, size) < 0) {
        strace_addr(c->out, addr);
    } else if (!time_struct(c->out, layout, &b) && !signal_struct(c, layout, &b)) {
        other_struct(c, layout, &b);
    }
}

void strace_string(struct strace_call *c, uaddr_t addr, size_t max)
{
    char text[4096];
    size_t size = addr ? copy_in_partial(c->mm, text, addr, MIN(max, sizeof(text) - 1) + 1) : 0;
    if (size == 0) {
        strace_addr(c->out, addr);
        return;
    }
    size_t length = strnlen(text, size);
    if (length == size && size <= MIN(max, sizeof(text) - 1)) {
        strace_addr(c->out, addr); /* it runs into a page that isn't there */
        return;
    }
    strace_quote(c->out, text, MIN(length, max), max, length > max);
}

void strace_buffer(struct strace_call *c, uaddr_t addr, size_t size)
{
    char data[1024];
    size_t shown = MIN(MIN(size, c->string_max), sizeof(data));
    if (addr == 0 || copy_in(c->mm, data, addr, shown) < 0) {
        strace_addr(c->out, addr);
    } else {
        strace_quote(c->out, data, shown, shown, shown < size);
    }
}

void strace_iovec(struct strace_call *c, uaddr_t addr, size_t count, size_t data_size,
                  bool show_data)
{
    struct iovec iov;
    if (addr == 0 || count > 1024) {
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
        if (copy_in(c->mm, &iov, addr + i * sizeof(iov), sizeof(iov)) < 0) {
            strbuf_printf(c->out, "... /* %#" PRIx64 " */", addr + i * sizeof(iov));
            break;
        }
        size_t used = MIN(iov.iov_len, data_size);
        strbuf_adds(c->out, "{iov_base=");
        if (show_data) {
            strace_buffer(c, (uaddr_t)iov.iov_base, used);
        } else {
            strace_addr(c->out, (uaddr_t)iov.iov_base);
        }
        strbuf_printf(c->out, ", iov_len=%zu}", iov.iov_len);
        data_size -= used;
    }
    strbuf_addc(c->out, ']');
}

void strace_flock(struct strace_call *c, uaddr_t addr)
{
    struct flock l;
    if (addr == 0 || copy_in(c->mm, &l, addr, sizeof(l)) < 0) {
        strace_addr(c->out, addr);
        return;
    }
    strbuf_adds(c->out, "{l_type=");
    strace_value(c->out, DECODE_lock_type, (unsigned)l.l_type);
    strbuf_adds(c->out, ", l_whence=");
    strace_value(c->out, DECODE_whence, (unsigned)l.l_whence);
    strbuf_printf(c->out, ", l_start=%ld, l_len=%ld", l.l_start, l.l_len);
    if (c->exiting && l.l_type != F_UNLCK) {
        strbuf_printf(c->out, ", l_pid=%d", l.l_pid);
    }
    strbuf_addc(c->out, '}');
}
