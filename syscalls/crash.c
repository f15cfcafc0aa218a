#include "syscalls/crash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/backtrace.h"
#include "lib/host.h"
#include "platform/insn.h"
#include "platform/platform.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/crash_modules.h"
#include "syscalls/info.h"
#include "syscalls/strace_text.h"

#define MAX_FRAMES 64
/* A guest may crash for ever; whoever reads the reports has seen enough then. */
#define MAX_REPORTS 100

struct report {
    struct task *t;
    const struct guest_regs *regs;
    struct crash_modules modules;
    struct strbuf out;
};

static unsigned g_reports;

/* Names come from the guest, and the report may go to a terminal. */
static void add_name(struct strbuf *out, const char *name)
{
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        strbuf_addc(out, *p < ' ' || *p == 0x7f ? '?' : (char)*p);
    }
}

static void add_title(struct report *r, const siginfo_t *info)
{
    struct task *t = r->t;
    AUTO_STRBUF exe = {0};
    bool known = t->tg->exe.dentry && path_name(&t->tg->exe, &t->fs->root, &exe) == 0 && exe.text;
    strbuf_adds(&r->out, "sandbox: crash: ");
    add_name(&r->out, known ? exe.text : t->comm);
    strbuf_printf(&r->out, " (pid %d, tid %d) is killed by ", task_tgid(t), task_tid(t));
    strace_signal_name(&r->out, info->si_signo);
    strbuf_addc(&r->out, ' ');
    strace_siginfo(&r->out, info);
    strbuf_addc(&r->out, '\n');
}

static void add_registers(struct report *r)
{
    const struct guest_regs *g = r->regs;
    const struct {
        const char *name;
        uint64_t value;
    } regs[] = {
        {"rax", g->rax}, {"rbx", g->rbx}, {"rcx", g->rcx},    {"rdx", g->rdx}, {"rsi", g->rsi},
        {"rdi", g->rdi}, {"rbp", g->rbp}, {"rsp", g->rsp},    {"r8", g->r8},   {"r9", g->r9},
        {"r10", g->r10}, {"r11", g->r11}, {"r12", g->r12},    {"r13", g->r13}, {"r14", g->r14},
        {"r15", g->r15}, {"rip", g->rip}, {"efl", g->eflags}, {"cs", g->cs},   {"ss", g->ss},
    };
    for (size_t i = 0; i < ARRAY_COUNT(regs); i++) {
        strbuf_printf(&r->out, "  %-3s %016lx", regs[i].name, regs[i].value);
        if (i % 4 == 3) {
            strbuf_addc(&r->out, '\n');
        }
    }
}

static void add_call(struct report *r)
{
    const struct task *t = r->t;
    if (t->syscall_nr < 0) {
        return;
    }
    const struct syscall_info *info = syscall_info((uint64_t)t->syscall_nr);
    strbuf_printf(&r->out, "  in system call %s(", info ? info->name : "?");
    for (unsigned i = 0; i < (info ? info->arg_count : 6); i++) {
        strbuf_printf(&r->out, "%s0x%lx", i ? ", " : "", t->syscall_args[i]);
    }
    strbuf_adds(&r->out, ")\n");
}

static void add_instruction(struct report *r)
{
    uint8_t code[INSN_MAX_BYTES];
    char text[192];
    size_t size = copy_in_partial(r->t->mm, code, r->regs->rip, sizeof(code));
    strbuf_printf(&r->out,
                  "  %s at 0x%lx: ", r->t->syscall_nr >= 0 ? "next instruction" : "instruction",
                  r->regs->rip);
    if (size == 0) {
        strbuf_adds(&r->out, "no memory there\n");
        return;
    }
    int length = insn_describe(code, size, r->regs->rip, text, sizeof(text));
    if (length > 0) {
        strbuf_printf(&r->out, "%s (%s syntax; bytes", text, INSN_SYNTAX);
        size = (size_t)length;
    } else {
        strbuf_printf(&r->out, "%s (bytes",
                      length == -ENOSYS ? "capstone is not installed" : "not an instruction");
    }
    for (size_t i = 0; i < size; i++) {
        strbuf_printf(&r->out, " %02x", code[i]);
    }
    strbuf_adds(&r->out, ")\n");
}

/* --- the stack --- */

static bool read_memory(void *arg, void *dst, uint64_t addr, size_t size)
{
    const struct report *r = arg;
    return copy_in(r->t->mm, dst, addr, size) == 0;
}

static bool find_table(void *arg, uint64_t ip, struct backtrace_table *out)
{
    const struct report *r = arg;
    const struct crash_module *m = crash_modules_find(&r->modules, ip);
    if (!m || !m->table) {
        return false;
    }
    *out = (struct backtrace_table){.start = m->start, .end = m->end, .header = m->table};
    return true;
}

static void set_target(struct backtrace_target *target, struct report *r)
{
    const struct guest_regs *g = r->regs;
    const uint64_t regs[BACKTRACE_REG_COUNT] = {
        g->rax, g->rdx, g->rcx, g->rbx, g->rsi, g->rdi, g->rbp, g->rsp, g->r8,
        g->r9,  g->r10, g->r11, g->r12, g->r13, g->r14, g->r15, g->rip,
    };
    *target = (struct backtrace_target){.read = read_memory, .find = find_table, .arg = r};
    memcpy(target->regs, regs, sizeof(regs));
}

static void add_frame(struct strbuf *out, size_t number, const struct backtrace_frame *f,
                      const struct crash_symbol *s)
{
    strbuf_printf(out, "  #%-2zu 0x%016lx ", number, f->ip);
    if (!s->module) {
        strbuf_adds(out, "in no file\n");
        return;
    }
    uint64_t offset = f->ip - s->module->bias;
    if (s->symbol.name[0]) {
        add_name(out, s->symbol.name);
        strbuf_printf(out, "+0x%lx (", offset - s->symbol.start);
    } else {
        strbuf_adds(out, "? (");
    }
    add_name(out, s->module->name);
    strbuf_printf(out, "+0x%lx)\n", offset);
}

/* What is too big for a kernel stack. */
struct stack {
    struct backtrace_target target;
    struct backtrace_frame frames[MAX_FRAMES];
    struct crash_symbol symbols[MAX_FRAMES];
};

static void add_stack(struct report *r)
{
    AUTO_FREE struct stack *s = calloc(1, sizeof(*s));
    if (!s) {
        return;
    }
    set_target(&s->target, r);
    size_t count = backtrace_unwind(&s->target, s->frames, MAX_FRAMES);
    for (size_t i = 0; i < count; i++) {
        /* A return address may be behind the end of its function: the call is what counts. */
        s->symbols[i].addr = s->frames[i].ip - !s->frames[i].exact;
    }
    crash_modules_name(&r->modules, r->t, s->symbols, count);
    strbuf_adds(&r->out, "  stack, innermost first:\n");
    for (size_t i = 0; i < count; i++) {
        add_frame(&r->out, i, &s->frames[i], &s->symbols[i]);
    }
    if (count == MAX_FRAMES) {
        strbuf_adds(&r->out, "  ... and so on\n");
    }
}

static void print(const struct strbuf *s)
{
    for (size_t done = 0; done < s->size;) {
        ssize_t n = host_write(STDERR_FILENO, s->text + done, s->size - done);
        if (n <= 0) {
            return; /* nobody listens */
        }
        done += (size_t)n;
    }
}

/* Context: t's own kthread, may block. One write a report, so that those of two threads don't mix. */
static void report_crash(struct task *t, const struct guest_context *ctx, const siginfo_t *info)
{
    struct report r = {.t = t, .regs = &ctx->regs};
    if (!t->mm || !t->fs || g_reports > MAX_REPORTS) {
        return;
    }
    if (g_reports++ == MAX_REPORTS) {
        strbuf_adds(&r.out, "sandbox: crash: further ones are not reported\n");
    } else {
        crash_modules_load(&r.modules, t);
        add_title(&r, info);
        add_registers(&r);
        add_call(&r);
        add_instruction(&r);
        add_stack(&r);
        crash_modules_free(&r.modules);
    }
    print(&r.out);
    strbuf_free(&r.out);
}

void crash_init(const char **out_missing)
{
    int insn = insn_init(), unwind = backtrace_init();
    *out_missing = unwind < 0
                       ? "libunwind (package libunwind8): the stack is found by frame pointers"
                   : insn < 0 ? "capstone (package libcapstone4): instructions are shown as bytes"
                              : NULL;
    g_signal_fatal = report_crash;
}
