#include "lib/hostfilter.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/bug.h"
#include "lib/host.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOST_SYSCALLS_SANITIZER 1
#endif

/* Numbers that the C library of our oldest host does not have names for. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif
#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif

/* Exactly what pthread_create of glibc passes to clone(2). */
#define HOST_THREAD_FLAGS                                                                          \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
/* A read-only open: neither writing, nor creating, nor a mere name. */
#define HOST_OPEN_CHANGES (O_ACCMODE | O_CREAT | O_TRUNC | O_PATH | __O_TMPFILE)

enum condition_kind { END, IS_VALUE, MASKED, PROC_FD };
struct condition {
    enum condition_kind kind;
    unsigned arg;
    uint64_t mask, value;
};
enum row_process { ROW_SENTRY, ROW_GOFER, ROW_BOTH, ROW_PTRACE };
struct row {
    enum row_process process;
    const char *name;
    int nr;
    int error; /* 0: allow */
    struct condition when[4];
    const char *conditions, *why;
};

#define IS(a, v)                                                                                   \
    {                                                                                              \
        IS_VALUE, a, 0, (uint64_t)(v)                                                              \
    }
#define NO_BITS(a, m)                                                                              \
    {                                                                                              \
        MASKED, a, (uint64_t)(m), 0                                                                \
    }
#define IN_PROC(a)                                                                                 \
    {                                                                                              \
        PROC_FD, a, 0, 0                                                                           \
    }
#define WHEN(...)                {__VA_ARGS__}, #__VA_ARGS__
#define HOST_CALL(p, n, when, w) {ROW_##p, #n, SYS_##n, 0, when, w},
#define HOST_ERRNO(p, n, e, w)   {ROW_##p, #n, SYS_##n, e, {}, "", w},

static const struct row rows[] = {
#include "lib/host_syscalls.def"
};

static bool applies(const struct row *r, enum host_process process, bool ptrace)
{
    switch (r->process) {
    case ROW_SENTRY:
        return process == HOST_SENTRY;
    case ROW_GOFER:
        return process == HOST_GOFER;
    case ROW_PTRACE:
        return process == HOST_SENTRY && ptrace;
    case ROW_BOTH:
        return true;
    }
    return false;
}

/* Return: 0, -EEXIST (two rows say the same), or another error of libseccomp. */
static int add_row(scmp_filter_ctx ctx, const struct row *r, const struct hostfilter_params *params)
{
    struct scmp_arg_cmp cmp[ARRAY_COUNT(r->when)];
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(r->when) && r->when[i].kind != END; i++) {
        const struct condition *w = &r->when[i];
        struct scmp_arg_cmp *c = &cmp[count++];
        switch (w->kind) {
        case IS_VALUE:
            /* ints: the host kernel ignores the upper half, so must we */
            *c = (struct scmp_arg_cmp){w->arg, SCMP_CMP_MASKED_EQ, UINT32_MAX,
                                       w->value & UINT32_MAX};
            break;
        case MASKED:
            *c = (struct scmp_arg_cmp){w->arg, SCMP_CMP_MASKED_EQ, w->mask, w->value};
            break;
        case PROC_FD:
            if (params->proc_fd < 0) {
                return 0;
            }
            *c = (struct scmp_arg_cmp){w->arg, SCMP_CMP_MASKED_EQ, UINT32_MAX,
                                       (uint64_t)params->proc_fd};
            break;
        case END:
            break;
        }
    }
    uint32_t action = r->error ? SCMP_ACT_ERRNO((uint32_t)r->error) : SCMP_ACT_ALLOW;
    return seccomp_rule_add_array(ctx, action, r->nr, count, cmp);
}

#ifdef DEBUG
/* Debug builds say what was missing in the table, then die as release builds do. */
static void on_sigsys(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    char line[] = "sandbox: host filter: system call number     \n";
    int nr = info->si_syscall;
    for (char *p = line + sizeof(line) - 3; nr > 0; nr /= 10) {
        *p-- = (char)('0' + nr % 10);
    }
    if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0) {
        _exit(125);
    }
    _exit(125);
}
#endif

static uint32_t default_action(void)
{
#ifdef DEBUG
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    return SCMP_ACT_TRAP;
#else
    return SCMP_ACT_KILL_PROCESS;
#endif
}

/* libseccomp compiles, we load: in one call, without its probing of the host. */
static int load(scmp_filter_ctx ctx)
{
    static struct sock_filter code[4096];
    AUTO_FD fd = host_memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0) {
        return fd;
    }
    int r = seccomp_export_bpf(ctx, fd);
    ssize_t size = r < 0 ? r : host_pread(fd, code, sizeof(code), 0);
    if (size < 0) {
        return (int)size;
    }
    BUG_ON((size_t)size == sizeof(code)); /* cut off */
    struct sock_fprog program = {.len = (unsigned short)((size_t)size / sizeof(code[0])),
                                 .filter = code};
    return (int)host_result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

int hostfilter_install(enum host_process process, const struct hostfilter_params *params)
{
    scmp_filter_ctx ctx = seccomp_init(default_action());
    if (!ctx) {
        return -ENOMEM;
    }
    int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0); /* the caller has done so */
    if (r == 0) {
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree by number */
    }
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(rows); i++) {
        if (applies(&rows[i], process, params->ptrace)) {
            r = add_row(ctx, &rows[i], params);
            r = r == -EEXIST ? 0 : r;
        }
    }
    if (r == 0) {
        r = load(ctx);
    }
    seccomp_release(ctx);
    return r;
}

/* What platform/seccomp/filter.c lets guests' processes do without the sentry: a summary for who weighs the host's exposure. */
static void print_stubs(FILE *out)
{
    fputs("\n## Guests' own processes\n\n"
          "Their filter (`platform/seccomp/filter.c`) traps every call but those at the stub's "
          "gate,\n"
          "and asks the sentry about each call there that is not listed here.\n\n"
          "| call | when | why |\n|---|---|---|\n"
          "| futex | WAIT, WAKE, WAKE_OP, BITSET; REQUEUE only private | its own memory, and what "
          "it shares |\n"
          "| mmap | outside the slice: private anonymous, or of an fd that it may map | its own "
          "memory |\n"
          "| munmap, mprotect, madvise, msync, mincore | outside the slice; advice that touches "
          "its own pages | "
          "its own memory |\n"
          "| pread64 | fds that it keeps | programs and libraries that it may map as well: "
          "read-only, regular, and "
          "readable by everybody. Exposes the host file system's read path at any offset, to any "
          "address |\n"
          "| pwrite64 | one fd | the memory file that it was given to write, up to its "
          "RLIMIT_FSIZE |\n"
          "| arch_prctl | IS(0, ARCH_SET_CPUID) | does cpuid fault in this thread? The host writes "
          "a model-specific register when it "
          "switches from or to such a thread; that costs time, and no one else sees it |\n"
          "| clock_gettime | clocks with a name of their own | no other process's |\n"
          "| membarrier | private commands | its own threads |\n"
          "| rt_sigaction, rt_sigreturn, sigaltstack, gettid, set_tid_address, sched_yield, "
          "getrusage | | its own thread |\n"
          "| close, exit, exit_group, getrandom | | its own loss; no authority |\n",
          out);
}

void hostfilter_print(FILE *out)
{
    static const char *const titles[] = {[ROW_BOTH] = "Sentry and gofer",
                                         [ROW_SENTRY] = "Sentry",
                                         [ROW_GOFER] = "Gofer",
                                         [ROW_PTRACE] = "Sentry, with `--platform=ptrace` only"};
    static const enum row_process order[] = {ROW_BOTH, ROW_SENTRY, ROW_PTRACE, ROW_GOFER};
    fputs(
        "# Host system calls of the sandbox's own processes\n\n"
        "What each process may ask of the host kernel once it has locked itself in. Any other\n"
        "system call kills the process, and with it the sandbox. Made from\n"
        "`lib/host_syscalls.def` by `sandbox syscalls --host`. The guests' own processes (stubs)\n"
        "have a filter of another kind, at the end.\n\n"
        "`IS(n, V)`: argument n is V. `NO_BITS(n, M)`: none of the bits M is set in argument n.\n"
        "`IN_PROC(n)`: argument n is the sentry's own procfs directory.\n",
        out);
    for (size_t p = 0; p < ARRAY_COUNT(order); p++) {
        fprintf(out, "\n## %s\n\n| call | when | why |\n|---|---|---|\n", titles[order[p]]);
        for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
            const struct row *r = &rows[i];
            if (r->process != order[p]) {
                continue;
            }
            if (r->error) {
                fprintf(out, "| %s | never: gets an errno | %s |\n", r->name, r->why);
            } else {
                fprintf(out, "| %s | %s | %s |\n", r->name, r->conditions, r->why);
            }
        }
    }
    print_stubs(out);
}
