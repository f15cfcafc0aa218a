/*
 * From the table's argument kinds to the platform's copy plan (platform/platform.h). Inputs are sent ahead for every
 * call. Outputs are deferred to the reply only for calls whose failing with EFAULT afterwards would undo
 * nothing: they fill a buffer, and have no other effect than perhaps a file position's.
 */
#include "syscalls/copy_plan.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "lib/bug.h"
#include "lib/macros.h"
#include "platform/platform.h"
#include "syscalls/info.h"

#define STRING_AHEAD 256  /* most path names; longer ones are fetched */
#define VECTOR_AHEAD 8192 /* most environments */
#define MAYBE_AHEAD  64   /* struct flock, termios */
#define FD_SET_AHEAD 128  /* all that most programs have */

static bool is_one_of(const unsigned *calls, size_t count, unsigned nr)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i] == nr) {
            return true;
        }
    }
    return false;
}

static bool output_may_wait(unsigned nr)
{
    static const unsigned calls[] = {
        SYS_read,          SYS_pread64,      SYS_stat,         SYS_fstat,    SYS_lstat,
        SYS_newfstatat,    SYS_statx,        SYS_getdents64,   SYS_readlink, SYS_readlinkat,
        SYS_getcwd,        SYS_uname,        SYS_rt_sigaction, SYS_statfs,   SYS_rt_sigprocmask,
        SYS_clock_gettime, SYS_getrusage,    SYS_prlimit64,    SYS_sysinfo,  SYS_gettimeofday,
        SYS_wait4, /* Linux, too, has reaped the child by then */
        SYS_getitimer,     SYS_getresuid,    SYS_getresgid,    SYS_times,    SYS_fstatfs,
        SYS_getrlimit,     SYS_clock_getres, SYS_recvfrom,
    };
    return is_one_of(calls, ARRAY_COUNT(calls), nr);
}

/* Calls that write a little, and might fail with EFAULT afterwards, in Linux too or without harm. */
#define POKES_ROOM 256
static bool output_is_small(unsigned nr)
{
    static const unsigned calls[] = {
        SYS_poll,          SYS_ppoll,           SYS_select,          SYS_sched_getaffinity,
        SYS_rt_sigpending, SYS_prctl,           SYS_ioctl,           SYS_fcntl,
        SYS_capget,        SYS_getsockopt,      SYS_sendfile,        SYS_mincore,
        SYS_setitimer,     SYS_timerfd_gettime, SYS_timerfd_settime, SYS_getsockname,
        SYS_getpeername,   SYS_sched_getparam,  SYS_sigaltstack,     SYS_sched_rr_get_interval,
        SYS_timer_gettime, SYS_timer_settime,   SYS_get_robust_list, SYS_recvfrom,
    };
    return is_one_of(calls, ARRAY_COUNT(calls), nr);
}

static uint16_t plan_of(const struct syscall_info *info, const struct arg_info *arg)
{
    const struct arg_detail *d = &arg->detail;
    bool out =
        arg->kind == KIND_OUT_BUF || arg->kind == KIND_OUT_STR || arg->kind == KIND_OUT_STRUCT;
    if (d->form == FORM_FCNTL || d->form == FORM_IOCTL) {
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_IN_MAYBE, MAYBE_AHEAD);
    }
    if (arg->kind == KIND_INOUT_STRUCT && d->form == FORM_ARRAY) {
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_IN_ARRAY,
                                  PLATFORM_COPY_ARRAY(layout_size((enum arg_layout)d->what), d->n));
    }
    if (d->form == FORM_FDSET) {
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_IN_FIXED, FD_SET_AHEAD);
    }
    if (d->form == FORM_RET_ARRAY && (info->nr == SYS_epoll_wait || info->nr == SYS_getgroups)) {
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_OUT_ARRAY,
                                  PLATFORM_COPY_ARRAY(layout_size((enum arg_layout)d->what), d->n));
    }
    if (arg->kind == KIND_INOUT_STRUCT && d->form == FORM_OF) {
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_IN_FIXED,
                                  (unsigned)layout_size((enum arg_layout)d->what));
    }
    if (arg->kind == KIND_IN_STR) {
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_IN_STR, STRING_AHEAD);
    }
    if (d->form == FORM_ARGV || d->form == FORM_ENVP) {
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_IN_VECTOR, VECTOR_AHEAD / 8);
    }
    if (out ? !output_may_wait(info->nr)
            : arg->kind != KIND_IN_BUF && arg->kind != KIND_IN_STRUCT) {
        return 0;
    }
    switch (d->form) {
    case FORM_LEN:
    case FORM_RET:
        return PLATFORM_COPY_PLAN(out ? PLATFORM_COPY_OUT_LEN : PLATFORM_COPY_IN_LEN, d->n);
    case FORM_SIZED:
        return out ? 0 : PLATFORM_COPY_PLAN(PLATFORM_COPY_IN_LEN, d->n);
    case FORM_DIRENTS:
        return PLATFORM_COPY_PLAN(PLATFORM_COPY_OUT_LEN, 2);
    case FORM_OF:
        return PLATFORM_COPY_PLAN(out ? PLATFORM_COPY_OUT_FIXED : PLATFORM_COPY_IN_FIXED,
                                  (unsigned)layout_size((enum arg_layout)d->what));
    default:
        return 0;
    }
}

static unsigned last_without_plan(const uint16_t plan[6])
{
    unsigned a = 5;
    while (plan[a]) {
        BUG_ON(a == 0);
        a--;
    }
    return a;
}

const uint16_t (*syscall_copy_plan(void))[6]
{
    static uint16_t plan[PLATFORM_COPY_NR_COUNT][6];
    for (size_t i = 0; i < g_syscall_count; i++) {
        const struct syscall_info *info = &g_syscalls[i];
        if (info->nr >= PLATFORM_COPY_NR_COUNT || info->support.level == LEVEL_UNSUPPORTED) {
            continue;
        }
        for (unsigned a = 0; a < info->arg_count; a++) {
            plan[info->nr][a] = plan_of(info, &info->args[a]);
        }
        if (output_is_small(info->nr)) {
            unsigned a = last_without_plan(plan[info->nr]);
            plan[info->nr][a] = PLATFORM_COPY_PLAN(PLATFORM_COPY_POKES, POKES_ROOM);
        }
    }
    return (const uint16_t(*)[6])plan;
}

const uint8_t *syscall_kept_answers(void)
{
    static uint8_t kept[PLATFORM_COPY_NR_COUNT];
    unsigned slots = 0;
    for (size_t i = 0; i < g_syscalls_in_stub_count && !kept[g_syscalls_in_stub[i].nr]; i++) {
        const struct syscall_in_stub *s = &g_syscalls_in_stub[i];
        if (s->how == IN_STUB_KEPT || s->how == IN_STUB_SELF) {
            BUG_ON(slots == PLATFORM_ANSWER_CALLS || s->nr >= PLATFORM_COPY_NR_COUNT);
            kept[s->nr] =
                (uint8_t)(++slots | (s->how == IN_STUB_SELF ? PLATFORM_ANSWER_OF_SELF : 0u));
        }
    }
    return kept;
}
