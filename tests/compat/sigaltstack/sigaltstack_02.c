/*
 * Frames and alternate stacks, the first time and later:
 * 1. A handler on the alternate stack that raises another signal stays on it, below; after it, sigaltstack may be called.
 * 2. A frame that does not fit there kills with SIGSEGV, whether it is the first one, a nested one, or comes from a fault.
 * 3. SA_ONSTACK without an alternate stack, and a handler without SA_ONSTACK on the alternate stack.
 * 4. uc_stack restores the alternate stack at the return if the handler changes it there.
 * 5. A bad stack pointer turns a signal into SIGSEGV, and that finds its handler on the alternate stack.
 * 6. SS_AUTODISARM: the stack may be set anew in the handler, and is back afterwards.
 */
#include "../compat.h"

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char stack[65536], other[65536];
static volatile int on_stack[3], flags_in;
static volatile bool raise_more;

static bool lies_in(const void *p, const char *area)
{
    return (const char *)p >= area && (const char *)p < area + sizeof(stack);
}

static void inner(int sig)
{
    char here;
    (void)sig;
    on_stack[1] = lies_in(&here, stack);
}
static void outer(int sig)
{
    char here;
    stack_t now;
    (void)sig;
    sigaltstack(NULL, &now);
    flags_in = now.ss_flags;
    on_stack[0] = lies_in(&here, stack);
    if (raise_more) {
        raise(SIGUSR2);
    }
}

static void set(int sig, void (*f)(int), int flags)
{
    struct sigaction sa = {.sa_handler = f, .sa_flags = flags};
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static void use(char *area, size_t size, int flags)
{
    stack_t ss = {.ss_sp = area, .ss_size = size, .ss_flags = flags};
    CHECK_EQ(sigaltstack(&ss, NULL), 0);
}

static void nesting(void)
{
    raise_more = true;
    set(SIGUSR1, outer, SA_ONSTACK);
    for (int i = 0; i < 6; i++) {
        set(SIGUSR2, inner, i % 2 ? SA_ONSTACK : 0);
        for (int again = 0; again < 3; again++) {
            on_stack[0] = on_stack[1] = -1;
            CHECK_EQ(raise(SIGUSR1), 0);
            CHECK_EQ(on_stack[0], i < 2 ? 0 : 1);
            CHECK_EQ(on_stack[1], i < 2 ? 0 : 1);
            CHECK_EQ(flags_in, i < 2 ? SS_DISABLE : SS_ONSTACK);
        }
        if (i >= 1) {
            use(stack, sizeof(stack), 0);
        }
    }
    raise_more = false;
}

/* Signals that find no room. kind 0: at once, 1: after others that did, 2: nested, 3: a fault. */
static void deeper(int sig)
{
    raise(sig);
}
static int no_room(int kind)
{
    set(SIGUSR1, kind == 2 ? deeper : inner, SA_ONSTACK | SA_NODEFER);
    set(SIGSEGV, inner, SA_ONSTACK);
    if (kind == 1) {
        use(stack, sizeof(stack), 0);
        for (int i = 0; i < 4; i++) {
            raise(SIGUSR1);
        }
    }
    use(stack, kind == 2 ? sizeof(stack) : 2048, 0);
    if (kind == 3) {
        *(volatile int *)8 = 1;
    } else {
        raise(SIGUSR1);
    }
    return 1;
}

static void changes_uc_stack(int sig, siginfo_t *si, void *arg)
{
    ucontext_t *uc = arg;
    (void)sig;
    (void)si;
    uc->uc_stack.ss_sp = other;
    uc->uc_stack.ss_size = sizeof(other);
    uc->uc_stack.ss_flags = 0;
}

static void by_return(void)
{
    struct sigaction sa = {.sa_sigaction = changes_uc_stack, .sa_flags = SA_SIGINFO};
    stack_t now;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    for (int i = 0; i < 3; i++) {
        use(stack, sizeof(stack), 0);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(sigaltstack(NULL, &now), 0);
        CHECK(now.ss_sp == other);
    }
    set(SIGUSR1, outer, SA_ONSTACK);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(on_stack[0], 0);
    use(stack, sizeof(stack), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(on_stack[0], 1);
}

static sigjmp_buf env;
static void *volatile got_addr;
static void rescue(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    got_addr = si->si_addr;
    siglongjmp(env, 1);
}

/* The signal's handler wants a frame on the ordinary stack, which is nowhere: SIGSEGV, on the alternate one. */
static void bad_pointer(void)
{
    struct sigaction sa = {.sa_sigaction = rescue, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
    set(SIGUSR1, inner, 0);
    uint64_t pid = (uint64_t)getpid();
    for (volatile int i = 0; i < 4; i++) {
        got_addr = stack;
        CHECK_EQ(raise(SIGUSR1), 0); /* this one is well */
        if (sigsetjmp(env, 1) == 0) {
            __asm__ volatile(
                "mov $62, %%eax; mov %0, %%rdi; mov $10, %%esi; mov $4096, %%rsp; syscall; ud2" ::
                    "r"(pid)
                : "rax", "rdi", "rsi", "rcx", "r11", "memory");
        }
        CHECK(got_addr == NULL);
    }
}

static volatile int set_anew;
static void disarmed(int sig)
{
    stack_t ss = {.ss_sp = other, .ss_size = sizeof(other)};
    char here;
    (void)sig;
    on_stack[0] = lies_in(&here, stack);
    set_anew = sigaltstack(&ss, NULL);
}

static void autodisarm(void)
{
    stack_t now;
    set(SIGUSR1, disarmed, SA_ONSTACK);
    use(stack, sizeof(stack), (int)SS_AUTODISARM);
    for (int i = 0; i < 4; i++) {
        set_anew = on_stack[0] = -1;
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(on_stack[0], 1);
        CHECK_EQ(set_anew, 0);
        CHECK_EQ(sigaltstack(NULL, &now), 0);
        CHECK(now.ss_sp == stack && (unsigned)now.ss_flags == SS_AUTODISARM);
    }
}

int main(void)
{
    nesting();
    by_return();
    bad_pointer();
    autodisarm();
    for (int kind = 0; kind < 4; kind++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            _exit(no_room(kind));
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    return 0;
}
