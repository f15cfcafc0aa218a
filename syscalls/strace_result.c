/* What stands behind the "=" of a --strace line. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "syscalls/strace_text.h"

static void poll_result(struct strace_call *c)
{
    const char *separator = "";
    struct pollfd p;
    size_t nfds = MIN((unsigned)c->args[1], 1024u);

    if (c->result == 0) {
        strbuf_adds(c->out, " (Timeout)");
        return;
    }
    strbuf_adds(c->out, " ([");
    for (size_t i = 0; i < nfds; i++) {
        if (copy_in(c->mm, &p, c->args[0] + i * sizeof(p), sizeof(p)) == 0 && p.revents) {
            strbuf_printf(c->out, "%s{fd=%d, revents=", separator, p.fd);
            strace_flags(c->out, DECODE_poll, (unsigned short)p.revents);
            strbuf_addc(c->out, '}');
            separator = ", ";
        }
    }
    strbuf_adds(c->out, "])");
}

static void select_result(struct strace_call *c)
{
    static const char *const names[] = {"in ", "out ", "except "};
    const char *separator = "";

    if (c->result == 0) {
        strbuf_adds(c->out, " (Timeout)");
        return;
    }
    strbuf_adds(c->out, " (");
    for (size_t i = 0; i < 3; i++) {
        if (c->args[i + 1]) {
            strbuf_printf(c->out, "%s%s", separator, names[i]);
            strace_fd_set(c, c->args[i + 1], (int)c->args[0]);
            separator = ", ";
        }
    }
    if (c->args[4]) {
        strbuf_printf(c->out, "%sleft ", separator);
        strace_struct(c, c->info->args[4].detail.what, c->args[4], SIZE_MAX);
    }
    strbuf_addc(c->out, ')');
}

static void success(struct strace_call *c)
{
    unsigned nr = c->info->nr;
    struct strbuf *out = c->out;

    if (nr == SYS_fcntl && (unsigned)c->args[1] == F_GETFL) {
        strbuf_printf(out, "%#lx (flags ", c->result);
        strace_flags(out, DECODE_open, (uint64_t)c->result);
        strbuf_addc(out, ')');
    } else if (nr == SYS_fcntl && (unsigned)c->args[1] == F_GETFD) {
        strbuf_printf(out, c->result ? "%#lx (flags FD_CLOEXEC)" : "%ld", c->result);
    } else if (c->info->result == RESULT_ADDR || c->info->result == RESULT_HEX) {
        strbuf_printf(out, "%#lx", c->result);
    } else if (c->info->result == RESULT_MODE) {
        strbuf_printf(out, "%#03lo", c->result);
    } else {
        strbuf_printf(out, "%ld", c->result);
    }
    if (nr == SYS_poll || nr == SYS_ppoll) {
        poll_result(c);
    } else if (nr == SYS_select || nr == SYS_pselect6) {
        select_result(c);
    } else if (nr == SYS_rt_sigtimedwait) {
        strbuf_adds(out, " (");
        strace_signal_name(out, (int)c->result);
        strbuf_addc(out, ')');
    }
}

void strace_result(struct strace_call *c)
{
    static const struct {
        int error;
        const char *text;
    } restarts[] = {
        {ERESTARTSYS, "? ERESTARTSYS (To be restarted if SA_RESTART is set)"},
        {ERESTARTNOINTR, "? ERESTARTNOINTR (To be restarted)"},
        {ERESTARTNOHAND, "? ERESTARTNOHAND (To be restarted if no handler)"},
        {ERESTART_RESTARTBLOCK, "? ERESTART_RESTARTBLOCK (Interrupted by signal)"},
    };
    if (c->result >= 0 || c->result < -4095) { /* mmap may give addresses above; errors are small */
        success(c);
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(restarts); i++) {
        if (c->result == -restarts[i].error) {
            strbuf_adds(c->out, restarts[i].text);
            return;
        }
    }
    int error = (int)-c->result;
    const char *name = error_name(error);
    if (name) {
        strbuf_printf(c->out, "-1 %s (%s)", name, strerror(error));
    } else {
        strbuf_printf(c->out, "-1 (errno %d)", error);
    }
}
