/* How single values look in --strace lines; see strace(1) for the look itself. */
#include "syscalls/strace_text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sentry/task/signal.h"

void strace_addr(struct strbuf *out, uint64_t addr)
{
    if (addr == 0) {
        strbuf_adds(out, "NULL");
    } else {
        strbuf_printf(out, "%#" PRIx64, addr);
    }
}

/* One byte of a quoted string; next decides whether an octal escape needs all three digits. */
static void quote_byte(struct strbuf *out, unsigned char c, bool digit_follows)
{
    static const char named[] = "\t\n\v\f\r\"\\";
    static const char letters[] = "tnvfr\"\\";
    const char *at = c ? strchr(named, c) : NULL;

    if (at) {
        strbuf_addc(out, '\\');
        strbuf_addc(out, letters[at - named]);
    } else if (c >= ' ' && c < 0x7f) {
        strbuf_addc(out, (char)c);
    } else {
        strbuf_printf(out, digit_follows ? "\\%03o" : "\\%o", c);
    }
}

void strace_quote(struct strbuf *out, const char *data, size_t size, size_t max, bool more)
{
    size_t shown = MIN(size, max);
    strbuf_addc(out, '"');
    for (size_t i = 0; i < shown; i++) {
        bool digit_follows = i + 1 < shown && data[i + 1] >= '0' && data[i + 1] <= '9';
        quote_byte(out, (unsigned char)data[i], digit_follows);
    }
    strbuf_adds(out, shown < size || more ? "\"..." : "\"");
}

void strace_quote_hex(struct strbuf *out, const char *data, size_t size, size_t max)
{
    size_t shown = MIN(size, max);
    strbuf_addc(out, '"');
    for (size_t i = 0; i < shown; i++) {
        strbuf_printf(out, "\\x%02x", (unsigned char)data[i]);
    }
    strbuf_adds(out, shown < size ? "\"..." : "\"");
}

void strace_value(struct strbuf *out, enum decode_set_id id, uint64_t value)
{
    const char *name = decode_value(id, value);
    if (name) {
        strbuf_adds(out, name);
    } else {
        strbuf_printf(out, "%#" PRIx64 " /* %s */", value, decode_set(id)->unknown);
    }
}

/* The name that the bits under the set's field_mask have, or NULL. */
static const struct decode_name *field_name(const struct decode_set *s, uint64_t field)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->names[i].value == field && !(s->names[i].value & ~s->field_mask)) {
            return &s->names[i];
        }
    }
    return NULL;
}

void strace_flags(struct strbuf *out, enum decode_set_id id, uint64_t value)
{
    const struct decode_set *s = decode_set(id);
    const char *separator = "";
    uint64_t left = value;

    if (s->field_mask || value == 0) {
        const struct decode_name *field = field_name(s, value & s->field_mask);
        if (field) {
            strbuf_adds(out, field->name);
            left &= ~s->field_mask;
            separator = "|";
        } else if (value == 0) {
            strbuf_addc(out, '0');
        }
    }
    for (size_t i = 0; i < s->count && left; i++) {
        const struct decode_name *n = &s->names[i];
        if (n->value & ~s->field_mask && (left & n->value) == n->value) {
            strbuf_printf(out, "%s%s", separator, n->name);
            left &= ~n->value;
            separator = "|";
        }
    }
    if (left) {
        strbuf_printf(out, "%s%#" PRIx64, separator, left);
        if (!*separator) {
            strbuf_printf(out, " /* %s */", s->unknown);
        }
    }
}

/* "INT", "RT_3": without SIG. */
static void signal_short_name(struct strbuf *out, int sig)
{
    if (sig == 32) {
        strbuf_adds(out, "RTMIN");
    } else if (sig > 32 && sig <= KSIG_MAX) {
        strbuf_printf(out, "RT_%d", sig - 32);
    } else {
        strbuf_adds(out, sig == SIGIO ? "IO" : sigabbrev_np(sig));
    }
}

void strace_signal_name(struct strbuf *out, int sig)
{
    if (sig < 1 || sig > KSIG_MAX) {
        strbuf_printf(out, "%d", sig);
        return;
    }
    strbuf_adds(out, "SIG");
    signal_short_name(out, sig);
}

void strace_sigset(struct strbuf *out, uint64_t set)
{
    const char *separator = "";
    if (__builtin_popcountll(set) >= KSIG_MAX * 2 / 3) { /* shorter to name the missing */
        strbuf_addc(out, '~');
        set = ~set;
    }
    strbuf_addc(out, '[');
    for (int sig = 1; sig <= KSIG_MAX; sig++) {
        if (set & KSIG_BIT(sig)) {
            strbuf_adds(out, separator);
            signal_short_name(out, sig);
            separator = " ";
        }
    }
    strbuf_addc(out, ']');
}

void strace_dirfd(struct strbuf *out, int fd)
{
    if (fd == AT_FDCWD) {
        strbuf_adds(out, "AT_FDCWD");
    } else {
        strbuf_printf(out, "%d", fd);
    }
}

void strace_mode(struct strbuf *out, unsigned mode)
{
    static const struct {
        unsigned bit;
        const char *name;
    } high[] = {{S_ISUID, "S_ISUID|"}, {S_ISGID, "S_ISGID|"}, {S_ISVTX, "S_ISVTX|"}};

    if (mode & S_IFMT) {
        strace_value(out, DECODE_file_type, mode & S_IFMT);
        strbuf_addc(out, '|');
    }
    for (size_t i = 0; i < ARRAY_COUNT(high); i++) {
        if (mode & high[i].bit) {
            strbuf_adds(out, high[i].name);
        }
    }
    strbuf_printf(out, "%#03o", mode & ~(unsigned)(S_IFMT | S_ISUID | S_ISGID | S_ISVTX));
}

void strace_wait_status(struct strbuf *out, int status)
{
    if (WIFCONTINUED(status)) {
        strbuf_adds(out, "{WIFCONTINUED(s)}");
    } else if (WIFEXITED(status)) {
        strbuf_printf(out, "{WIFEXITED(s) && WEXITSTATUS(s) == %d}", WEXITSTATUS(status));
    } else if (WIFSTOPPED(status)) {
        strbuf_adds(out, "{WIFSTOPPED(s) && WSTOPSIG(s) == ");
        strace_signal_name(out, WSTOPSIG(status));
        strbuf_addc(out, '}');
    } else {
        strbuf_adds(out, "{WIFSIGNALED(s) && WTERMSIG(s) == ");
        strace_signal_name(out, WTERMSIG(status));
        strbuf_adds(out, WCOREDUMP(status) ? " && WCOREDUMP(s)}" : "}");
    }
}

static const char *const g_chld_codes[] = {
    [CLD_EXITED] = "CLD_EXITED",   [CLD_KILLED] = "CLD_KILLED",
    [CLD_DUMPED] = "CLD_DUMPED",   [CLD_TRAPPED] = "CLD_TRAPPED",
    [CLD_STOPPED] = "CLD_STOPPED", [CLD_CONTINUED] = "CLD_CONTINUED"};
static const char *const g_segv_codes[] = {[SEGV_MAPERR] = "SEGV_MAPERR",
                                           [SEGV_ACCERR] = "SEGV_ACCERR",
                                           [SEGV_BNDERR] = "SEGV_BNDERR",
                                           [SEGV_PKUERR] = "SEGV_PKUERR"};
static const char *const g_bus_codes[] = {
    [BUS_ADRALN] = "BUS_ADRALN", [BUS_ADRERR] = "BUS_ADRERR", [BUS_OBJERR] = "BUS_OBJERR"};
static const char *const g_fpe_codes[] = {
    [FPE_INTDIV] = "FPE_INTDIV", [FPE_INTOVF] = "FPE_INTOVF", [FPE_FLTDIV] = "FPE_FLTDIV",
    [FPE_FLTOVF] = "FPE_FLTOVF", [FPE_FLTUND] = "FPE_FLTUND", [FPE_FLTRES] = "FPE_FLTRES",
    [FPE_FLTINV] = "FPE_FLTINV", [FPE_FLTSUB] = "FPE_FLTSUB"};
static const char *const g_ill_codes[] = {
    [ILL_ILLOPC] = "ILL_ILLOPC", [ILL_ILLOPN] = "ILL_ILLOPN", [ILL_ILLADR] = "ILL_ILLADR",
    [ILL_ILLTRP] = "ILL_ILLTRP", [ILL_PRVOPC] = "ILL_PRVOPC", [ILL_PRVREG] = "ILL_PRVREG"};
static const char *const g_trap_codes[] = {
    [TRAP_BRKPT] = "TRAP_BRKPT", [TRAP_TRACE] = "TRAP_TRACE"};
static const struct {
    int sig;
    const char *const *names;
    int count;
} g_code_sets[] = {
    {SIGCHLD, g_chld_codes, ARRAY_COUNT(g_chld_codes)},
    {SIGSEGV, g_segv_codes, ARRAY_COUNT(g_segv_codes)},
    {SIGBUS, g_bus_codes, ARRAY_COUNT(g_bus_codes)},
    {SIGFPE, g_fpe_codes, ARRAY_COUNT(g_fpe_codes)},
    {SIGILL, g_ill_codes, ARRAY_COUNT(g_ill_codes)},
    {SIGTRAP, g_trap_codes, ARRAY_COUNT(g_trap_codes)},
};

static void si_code(struct strbuf *out, int sig, int code)
{
    for (size_t i = 0; i < ARRAY_COUNT(g_code_sets); i++) {
        if (g_code_sets[i].sig == sig && code > 0 && code < g_code_sets[i].count &&
            g_code_sets[i].names[code]) {
            strbuf_adds(out, g_code_sets[i].names[code]);
            return;
        }
    }
    strace_value(out, DECODE_si_code, (uint64_t)(int64_t)code);
}

void strace_siginfo(struct strbuf *out, const void *siginfo)
{
    siginfo_t si;
    memcpy(&si, siginfo, sizeof(si));
    strbuf_adds(out, "{si_signo=");
    strace_signal_name(out, si.si_signo);
    strbuf_adds(out, ", si_code=");
    si_code(out, si.si_signo, si.si_code);
    if (si.si_errno) {
        strbuf_printf(out, ", si_errno=%d", si.si_errno);
    }
    if (si.si_code == SI_USER || si.si_code == SI_TKILL) {
        strbuf_printf(out, ", si_pid=%d, si_uid=%u", si.si_pid, si.si_uid);
    } else if (si.si_code == SI_TIMER) {
        strbuf_printf(out, ", si_timerid=%#x, si_overrun=%d, si_int=%d, si_ptr=",
                      (unsigned)si.si_timerid, si.si_overrun, si.si_int);
        strace_addr(out, (uint64_t)si.si_ptr);
    } else if (si.si_code < 0) {
        strbuf_printf(out, ", si_pid=%d, si_uid=%u, si_int=%d, si_ptr=", si.si_pid, si.si_uid,
                      si.si_int);
        strace_addr(out, (uint64_t)si.si_ptr);
    } else if (si.si_signo == SIGCHLD && si.si_code != SI_KERNEL) {
        strbuf_printf(out, ", si_pid=%d, si_uid=%u, si_status=", si.si_pid, si.si_uid);
        if (si.si_code == CLD_EXITED) {
            strbuf_printf(out, "%d", si.si_status);
        } else {
            strace_signal_name(out, si.si_status);
        }
        strbuf_printf(out, ", si_utime=%ld, si_stime=%ld", (long)si.si_utime, (long)si.si_stime);
    } else if (si.si_signo == SIGSEGV || si.si_signo == SIGBUS || si.si_signo == SIGFPE ||
               si.si_signo == SIGILL || si.si_signo == SIGTRAP) {
        strbuf_adds(out, ", si_addr=");
        strace_addr(out, (uint64_t)si.si_addr);
    } else if (si.si_signo == SIGSYS) {
        strbuf_adds(out, ", si_call_addr=");
        strace_addr(out, (uint64_t)si.si_call_addr);
        strbuf_printf(out, ", si_syscall=%d, si_arch=%#x", si.si_syscall, si.si_arch);
    }
    strbuf_addc(out, '}');
}
