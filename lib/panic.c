#include "lib/panic.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "lib/bug.h"
#include "lib/elf_symbols.h"
#include "lib/host.h"

#define MAX_FRAMES    48
#define HANDLER_STACK (64UL * 1024)
#define STATUS_PANIC  125
#define MAX_LINKS     16384

extern const char __executable_start[], etext[];

static struct {
    void (*report)(void);
    const char *image; /* owned for ever: the executable's file; NULL: no names */
    size_t image_size;
    atomic_flag busy;
} g_panic;

static void say(const char *text, int size)
{
    if (size > 0 && host_write(STDERR_FILENO, text, (size_t)size) < 0) {
        /* nowhere left to say it */
    }
}

static size_t read_image(void *arg, void *dst, size_t size, uint64_t offset)
{
    (void)arg;
    if (offset >= g_panic.image_size) {
        return 0;
    }
    size = MIN(size, g_panic.image_size - (size_t)offset);
    memcpy(dst, g_panic.image + offset, size);
    return size;
}

static bool is_own_code(uintptr_t ip)
{
    return ip >= (uintptr_t)__executable_start && ip < (uintptr_t)etext;
}

/* caller: ip is a return address, so the call is before it. */
static void print_frame(int number, uintptr_t ip, bool caller)
{
    char line[256];
    if (!is_own_code(ip)) {
        Dl_info info = {0};
        if (!dladdr((void *)ip, &info)) { /* what the dynamic linker knows: exported names */
            info.dli_fname = "no file";
        }
        const char *name = info.dli_sname ? info.dli_sname : "?";
        say(line, snprintf(line, sizeof(line), "  #%-2d 0x%016lx %.100s (%.80s)\n", number, ip,
                           name, info.dli_fname));
        return;
    }
    uintptr_t offset = ip - (uintptr_t)__executable_start;
    struct elf_query q = {.value = offset - caller};
    if (g_panic.image) {
        const struct elf_reader reader = {.read = read_image};
        elf_symbols_find(&reader, &q, 1);
    }
    say(line, q.name[0]
                  ? snprintf(line, sizeof(line), "  #%-2d 0x%016lx %s+0x%lx (sandbox+0x%lx)\n",
                             number, ip, q.name, offset - q.start, offset)
                  : snprintf(line, sizeof(line), "  #%-2d 0x%016lx (sandbox+0x%lx)\n", number, ip,
                             offset));
}

/* The stack may be what is broken, so the host kernel reads it for us: a bad address is an error only. */
static bool peek(uintptr_t addr, void *dst, size_t size)
{
    return host_process_vm_read(getpid(), dst, addr, size) == (ssize_t)size;
}

/* --- a fault in a library, which keeps no frame pointers: the compiler's unwinder --- */

struct unwinding {
    uintptr_t from; /* frames before this one are the handler's */
    bool begun, exact;
    int number;
};

static _Unwind_Reason_Code unwound(struct _Unwind_Context *context, void *arg)
{
    struct unwinding *u = arg;
    int exact = 0;
    uintptr_t ip = _Unwind_GetIPInfo(context, &exact);
    u->begun = u->begun || ip == u->from;
    if (u->begun && ip) {
        print_frame(u->number++, ip, !exact);
    }
    return ip && u->number < MAX_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* Trusts the stack: a broken one ends the process here, by the signal itself. */
static void print_library_stack(uintptr_t ip)
{
    struct unwinding u = {.from = ip};
    _Unwind_Backtrace(unwound, &u);
}

/* --- our own code has frame pointers --- */

/* As a function of ours begins its frame: the caller's frame pointer, the return address. */
struct frame {
    uintptr_t fp, ip;
};

static void print_repeats(unsigned repeats)
{
    char line[64];
    if (repeats) {
        say(line, snprintf(line, sizeof(line), "  ... %u more of it\n", repeats));
    }
}

static void print_stack(uintptr_t ip, uintptr_t fp)
{
    static const char title[] = "sandbox's own stack:\n";
    int number = 0;
    unsigned repeats = 0;
    say(title, sizeof(title) - 1);
    if (!is_own_code(ip) && ip) {
        print_library_stack(ip);
        return;
    }
    print_frame(number++, ip, false);
    for (size_t links = 0; links < MAX_LINKS && number < MAX_FRAMES; links++) {
        struct frame f;
        if (!fp || fp % sizeof(fp) || !peek(fp, &f, sizeof(f)) || !f.ip) {
            break;
        }
        if (f.ip == ip) { /* endless recursion: what is below it matters */
            repeats++;
        } else {
            print_repeats(repeats);
            repeats = 0;
            ip = f.ip;
            print_frame(number++, ip, true);
        }
        if (f.fp <= fp) {
            break; /* stacks grow down: the end, or nonsense */
        }
        fp = f.fp;
    }
    print_repeats(repeats);
}

/* Only one thread reports; the others wait for the end, which is near. */
static void begin(void)
{
    while (atomic_flag_test_and_set(&g_panic.busy)) {
        sched_yield();
    }
}

static void on_bug(void)
{
    begin();
    if (g_panic.report) {
        g_panic.report();
    }
    uintptr_t fp = (uintptr_t)__builtin_frame_address(0), frame[2];
    if (peek(fp, frame, sizeof(frame))) {
        print_stack(frame[1], frame[0]); /* bug() and its callers */
    }
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    const greg_t *regs = ((const ucontext_t *)context)->uc_mcontext.gregs;
    char line[160];
    begin();
    say(line, snprintf(line, sizeof(line),
                       "sandbox: BUG: its own SIG%s (code %d, address %p, instruction at %#llx)\n",
                       sigabbrev_np(sig), info->si_code, info->si_addr, regs[REG_RIP]));
    if (g_panic.report) {
        g_panic.report();
    }
    print_stack((uintptr_t)regs[REG_RIP], (uintptr_t)regs[REG_RBP]);
    _exit(STATUS_PANIC);
}

static void map_image(void)
{
    struct stat st;
    AUTO_FD fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || host_fstat(fd, &st) < 0 || st.st_size <= 0) {
        return; /* addresses without names, then */
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p != MAP_FAILED) {
        g_panic.image = p;
        g_panic.image_size = (size_t)st.st_size;
    }
}

void panic_thread_init(void)
{
    /* Kernel stacks are small, and running out of one is a fault, too. */
    stack_t stack = {.ss_sp = host_mmap_anon(HANDLER_STACK), .ss_size = HANDLER_STACK};
    if (stack.ss_sp) {
        sigaltstack(&stack, NULL);
    }
}

void panic_init(void (*report)(void))
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask); /* a fault in the handler ends the process at once */
    g_panic.report = report;
    map_image();
    panic_thread_init();
    bug_set_hook(on_bug);
    sigaction(SIGABRT, &action, NULL);
#if !defined(__SANITIZE_ADDRESS__) &&                                                              \
    !defined(__SANITIZE_THREAD__) /* they have their own reports */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    for (size_t i = 0; i < ARRAY_COUNT(faults); i++) {
        sigaction(faults[i], &action, NULL);
    }
#endif
}
