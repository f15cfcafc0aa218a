/*
 * The lines of --strace: who may be printed, prefixes, and what happens when a line is interrupted
 * by another task's.
 *
 * A call is printed in two halves, so that the last line shows what a stuck guest waits for. Between
 * the halves the line is "open", and belongs to one task. Whoever prints next closes it:
 *
 *      [pid     3] read(0,  <unfinished ...>
 *      [pid     4] getppid()                   = 2
 *      [pid     3] <... read resumed>"x", 1)   = 1
 *
 * The task that finds its line no longer open knows that it was closed this way, so there is no
 * state per task. Lines are written under the baton, one write for each half; a full pipe or a slow
 * disk delays the guest, as strace does.
 */
#include "syscalls/strace.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/host.h"
#include "lib/strbuf.h"
#include "sentry/task/task.h"
#include "syscalls/strace_text.h"

#define RESULT_COLUMN 40
#define NR_LIMIT      512

bool g_strace_on;
static struct {
    int fd;
    bool filtered;
    size_t string_max;
    unsigned char shown[NR_LIMIT / 8]; /* by number, when filtered */
    int open_tid;                      /* whose line is open; 0: none */
    size_t column;                     /* of the open line */
} g_trace = {.fd = -1, .string_max = 32};

/* --- what is shown --- */

static bool takes_path(const struct syscall_info *info)
{
    for (size_t i = 0; i < info->arg_count; i++) {
        if (info->args[i].detail.form == FORM_PATH) {
            return true;
        }
    }
    return info->class == CLASS_FILE;
}

static bool takes_fd(const struct syscall_info *info)
{
    for (size_t i = 0; i < info->arg_count; i++) {
        if (info->args[i].kind == KIND_FD || info->args[i].kind == KIND_DIRFD) {
            return true;
        }
    }
    return info->class == CLASS_DESC || info->result == RESULT_FD;
}

static bool in_class(const struct syscall_info *info, enum syscall_class class)
{
    switch (class) {
    case CLASS_FILE:
        return takes_path(info);
    case CLASS_DESC:
        return takes_fd(info);
    default:
        return info->class == class;
    }
}

/* Marks every row that word means; false when there is none. */
static bool add_word(const char *word, size_t size)
{
    bool found = false;
    bool only_class = size > 0 && word[0] == '%';
    const char *name = word + only_class;
    size_t name_size = size - only_class;

    for (size_t i = 0; i < g_syscall_count; i++) {
        const struct syscall_info *info = &g_syscalls[i];
        bool match = !only_class && strlen(info->name) == name_size &&
                     memcmp(info->name, name, name_size) == 0;
        for (int class = 0; class < CLASS_COUNT && !match; class ++) {
            const char *text = syscall_class_name(class);
            match = strlen(text) == name_size && memcmp(text, name, name_size) == 0 &&
                    in_class(info, class);
        }
        if (match) {
            g_trace.shown[info->nr / 8] |= (unsigned char)(1u << info->nr % 8);
            found = true;
        }
    }
    return found;
}

int strace_config(const char *filter, int fd, const char **bad)
{
    bool negate = filter && filter[0] == '!';
    const char *word = negate ? filter + 1 : filter;

    g_trace.fd = fd;
    g_trace.filtered = word && *word;
    memset(g_trace.shown, 0, sizeof(g_trace.shown));
    while (word && *word) {
        size_t size = strcspn(word, ",");
        bool all = size == 3 && memcmp(word, "all", 3) == 0;
        if (all) {
            memset(g_trace.shown, 0xff, sizeof(g_trace.shown));
        } else if (size > 0 && !add_word(word, size)) {
            if (bad) {
                *bad = word;
            }
            return -EINVAL;
        }
        word += size + (word[size] == ',');
    }
    for (size_t i = 0; negate && i < sizeof(g_trace.shown); i++) {
        g_trace.shown[i] = (unsigned char)~g_trace.shown[i];
    }
    g_trace.open_tid = 0;
    g_signal_trace = strace_signal;
    g_strace_on = true;
    return 0;
}

void strace_set_string_max(size_t max)
{
    g_trace.string_max = max;
}

static bool shown(uint64_t nr)
{
    return !g_trace.filtered || (nr < NR_LIMIT && g_trace.shown[nr / 8] >> nr % 8 & 1);
}

/* --- lines --- */

static void flush(const struct strbuf *s)
{
    for (size_t done = 0; done < s->size;) {
        ssize_t n = host_write(g_trace.fd, s->text + done, s->size - done);
        if (n <= 0) {
            return; /* nobody listens: the guest goes on */
        }
        done += (size_t)n;
    }
}

/* More than one guest thread alive? Then each line says whose it is. */
static bool many_tasks(void)
{
    int count = 0;
    struct task *t;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (t->mm && ++count > 1) {
            return true;
        }
    }
    return false;
}

/* Begins a line: closes an open one, and adds the prefix. The column counts from here. */
static void begin_line(struct strbuf *s, const struct task *t)
{
    if (g_trace.open_tid) {
        strbuf_adds(s, " <unfinished ...>\n");
        g_trace.open_tid = 0;
    }
    g_trace.column = 0;
    if (many_tasks()) {
        size_t before = s->size;
        strbuf_printf(s, "[pid %5d] ", task_tid(t));
        g_trace.column = s->size - before;
    }
}

/* A name for every number: also for those that don't exist. */
static const char *call_name(uint64_t nr, char buf[40])
{
    const struct syscall_info *info = syscall_info(nr);
    if (info) {
        return info->name;
    }
    snprintf(buf, 40, "syscall_%#llx", (unsigned long long)nr);
    return buf;
}

static void print_args(struct strbuf *s, struct task *t, uint64_t nr, const uint64_t args[6],
                       bool exiting, long result)
{
    struct strace_call c = {.out = s,
                            .mm = t->mm,
                            .info = syscall_info(nr),
                            .args = args,
                            .exiting = exiting,
                            .result = result,
                            .string_max = g_trace.string_max};
    if (c.info) {
        strace_args(&c);
    } else if (!exiting) {
        for (size_t i = 0; i < 6; i++) {
            strbuf_printf(s, i ? ", %#llx" : "%#llx", (unsigned long long)args[i]);
        }
    }
}

static void pad_to_result(struct strbuf *s, size_t column)
{
    strbuf_adds(s, ") ");
    for (column += 2; column < RESULT_COLUMN; column++) {
        strbuf_addc(s, ' ');
    }
    strbuf_adds(s, "= ");
}

void strace_enter(struct task *t, uint64_t nr, const uint64_t args[6])
{
    AUTO_STRBUF s = {0};
    char buf[40];
    nr = (uint32_t)nr; /* as dispatch */
    if (!shown(nr)) {
        return;
    }
    begin_line(&s, t);
    size_t start = s.size - g_trace.column;
    strbuf_printf(&s, "%s(", call_name(nr, buf));
    print_args(&s, t, nr, args, false, 0);
    const struct syscall_info *info = syscall_info(nr);
    if (info && info->result == RESULT_NORETURN) {
        pad_to_result(&s, s.size - start);
        strbuf_adds(&s, "?\n");
    } else {
        g_trace.open_tid = task_tid(t);
    }
    g_trace.column = s.size - start;
    flush(&s);
}

void strace_exit(struct task *t, uint64_t nr, const uint64_t args[6], long result)
{
    AUTO_STRBUF s = {0};
    char buf[40];
    size_t before = g_trace.column, start = 0;
    nr = (uint32_t)nr;
    if (!shown(nr)) {
        return;
    }
    if (g_trace.open_tid != task_tid(t)) {
        begin_line(&s, t);
        before = 0;
        start = s.size - g_trace.column;
        strbuf_printf(&s, "<... %s resumed>", call_name(nr, buf));
    }
    print_args(&s, t, nr, args, true, result);
    pad_to_result(&s, before + s.size - start);
    struct strace_call c = {.out = &s,
                            .mm = t->mm,
                            .info = syscall_info(nr),
                            .args = args,
                            .exiting = true,
                            .result = result,
                            .string_max = g_trace.string_max};
    if (c.info) {
        strace_result(&c);
    } else {
        strbuf_printf(&s, "-1 ENOSYS (%s)", strerror(ENOSYS));
    }
    strbuf_addc(&s, '\n');
    g_trace.open_tid = 0;
    flush(&s);
}

void strace_signal(struct task *t, const siginfo_t *info)
{
    AUTO_STRBUF s = {0};
    begin_line(&s, t);
    strbuf_adds(&s, "--- ");
    strace_signal_name(&s, info->si_signo);
    strbuf_addc(&s, ' ');
    strace_siginfo(&s, info);
    strbuf_adds(&s, " ---\n");
    flush(&s);
}

void strace_exit_task(struct task *t, int status)
{
    AUTO_STRBUF s = {0};
    if (g_trace.open_tid == task_tid(t)) { /* killed in the middle of a call */
        pad_to_result(&s, g_trace.column);
        strbuf_adds(&s, "?\n");
        g_trace.open_tid = 0;
    }
    begin_line(&s, t);
    if (WIFSIGNALED(status)) {
        strbuf_adds(&s, "+++ killed by ");
        strace_signal_name(&s, WTERMSIG(status));
        strbuf_adds(&s, WCOREDUMP(status) ? " (core dumped) +++\n" : " +++\n");
    } else {
        strbuf_printf(&s, "+++ exited with %d +++\n", WEXITSTATUS(status));
    }
    flush(&s);
}
