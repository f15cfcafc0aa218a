#include "lib/panic.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/bug.h"
#include "lib/elf_symbols.h"
#include "lib/host.h"

#define MAX_FRAMES      48
#define HANDLER_STACK   (64UL * 1024)
#define STATUS_PANIC    125
#define MAX_LINKS       16384
#define MAX_STACK_WORDS 1024 /* searched for our own frame when a library faulted */
#define MAX_FRAME_SIZE  (64UL * 1024)

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
    char line[ELF_SYMBOL_NAME_MAX + 96];
    if (!is_own_code(ip)) {
        say(line, snprintf(line, sizeof(line), "  #%-2d 0x%016lx in a library\n", number, ip));
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

static bool is_return_address(uintptr_t ip)
{
    /* behind a direct call: e8 and a 32-bit distance */
    return is_own_code(ip - 5) && is_own_code(ip) && *(const uint8_t *)(ip - 5) == 0xe8;
}

/* A frame as a function of ours begins it: the caller's frame pointer, the return address. */
struct frame {
    uintptr_t fp, ip;
};

static bool read_frame(uintptr_t fp, struct frame *out)
{
    return fp % sizeof(fp) == 0 && peek(fp, out, sizeof(*out)) && is_return_address(out->ip);
}

/*
 * Libraries use rbp as they like. Above sp there is the frame of the function of ours that called them: a pair
 * that leads to another such pair. Return: its address, or 0; *out_ip: where in it the call was.
 */
static uintptr_t find_own_frame(uintptr_t sp, uintptr_t *out_ip)
{
    *out_ip = 0;
    for (size_t i = 0; i < MAX_STACK_WORDS; i++, sp += sizeof(sp)) {
        struct frame f, next;
        uintptr_t word;
        if (!peek(sp, &word, sizeof(word))) {
            break;
        }
        if (read_frame(sp, &f) && f.fp > sp && f.fp - sp < MAX_FRAME_SIZE &&
            read_frame(f.fp, &next)) {
            return sp;
        }
        if (is_return_address(word)) {
            *out_ip = word;
        }
    }
    return 0;
}

static void print_repeats(unsigned repeats)
{
    char line[64];
    if (repeats) {
        say(line, snprintf(line, sizeof(line), "  ... %u more of it\n", repeats));
    }
}

static void print_stack(uintptr_t ip, uintptr_t fp, uintptr_t sp)
{
    static const char title[] = "sandbox's own stack:\n";
    int number = 0;
    unsigned repeats = 0;
    say(title, sizeof(title) - 1);
    print_frame(number++, ip, false);
    if (!is_own_code(ip) && sp) {
        fp = find_own_frame(sp, &ip);
        if (ip) {
            print_frame(number++, ip, true);
        }
    }
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
    uintptr_t fp = (uintptr_t)__builtin_frame_address(0), frame[2];
    if (peek(fp, frame, sizeof(frame))) {
        print_stack(frame[1], frame[0], 0); /* bug() and its callers */
    }
    if (g_panic.report) {
        g_panic.report();
    }
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    const greg_t *regs = ((const ucontext_t *)context)->uc_mcontext.gregs;
    char line[160];
    begin();
    say(line, snprintf(line, sizeof(line),
                       "sandbox: BUG: its own %s (code %d, address %p, instruction at %#llx)\n",
                       sigabbrev_np(sig), info->si_code, info->si_addr, regs[REG_RIP]));
    print_stack((uintptr_t)regs[REG_RIP], (uintptr_t)regs[REG_RBP], (uintptr_t)regs[REG_RSP]);
    if (g_panic.report) {
        g_panic.report();
    }
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
