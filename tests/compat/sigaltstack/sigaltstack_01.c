/*
 * sigaltstack(2):
 * 1. ENOMEM below 2048 bytes, EINVAL for bad flags; SS_DISABLE at first.
 * 2. A handler with SA_ONSTACK runs there, sees SS_ONSTACK, and can't change it (EPERM); others stay.
 * 3. A stack overflow is handled there.
 * 4. SS_AUTODISARM: disabled while the handler runs, back after it.
 */
#include "../compat.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char stack[65536];
static volatile int inside, flags_inside, change_errno;
static sigjmp_buf env;

static void handler(int sig)
{
    char here;
    stack_t ss, other = {.ss_flags = SS_DISABLE};
    (void)sig;
    inside = &here >= stack && &here < stack + sizeof(stack);
    sigaltstack(NULL, &ss);
    flags_inside = ss.ss_flags;
    change_errno = sigaltstack(&other, NULL) == 0 ? 0 : errno;
}

static void overflow_handler(int sig)
{
    handler(sig);
    siglongjmp(env, 1);
}

static volatile int endless = 1;

static int recurse(volatile char *p)
{
    volatile char buf[4096];
    buf[0] = *p;
    return endless ? recurse(buf) + buf[1] : 0;
}

static void on(int sig, int flags, void (*h)(int))
{
    struct sigaction sa = {.sa_handler = h, .sa_flags = flags};
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

int main(void)
{
    stack_t ss = {.ss_sp = stack, .ss_size = 2047}, old;
    CHECK_EQ(sigaltstack(NULL, &old), 0);
    CHECK_EQ(old.ss_flags, SS_DISABLE);
    CHECK_ERRNO(sigaltstack(&ss, NULL), ENOMEM);
    ss.ss_size = sizeof(stack);
    ss.ss_flags = 8;
    CHECK_ERRNO(sigaltstack(&ss, NULL), EINVAL);
    ss.ss_flags = 0;
    CHECK_EQ(sigaltstack(&ss, NULL), 0);
    CHECK_EQ(sigaltstack(NULL, &old), 0);
    CHECK_EQ(old.ss_flags, 0);
    CHECK(old.ss_sp == stack && old.ss_size == sizeof(stack));

    on(SIGUSR1, SA_ONSTACK, handler);
    on(SIGUSR2, 0, handler);
    raise(SIGUSR1);
    CHECK_EQ(inside, 1);
    CHECK_EQ(flags_inside, SS_ONSTACK);
    CHECK_EQ(change_errno, EPERM);
    raise(SIGUSR2);
    CHECK_EQ(inside, 0);
    CHECK_EQ(flags_inside, 0);
    CHECK_EQ(change_errno, 0); /* it disabled the stack; its return brought it back */
    CHECK_EQ(sigaltstack(NULL, &old), 0);
    CHECK_EQ(old.ss_flags, 0);

    struct rlimit rl = {1 << 20, 1 << 20};
    CHECK_EQ(setrlimit(RLIMIT_STACK, &rl), 0);
    on(SIGSEGV, SA_ONSTACK, overflow_handler);
    if (!sigsetjmp(env, 1)) {
        char c = 0;
        recurse(&c);
    }
    CHECK_EQ(inside, 1);

    ss.ss_flags = (int)SS_AUTODISARM;
    CHECK_EQ(sigaltstack(&ss, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(inside, 1);
    CHECK_EQ(flags_inside, SS_DISABLE);
    CHECK_EQ(change_errno, 0);
    CHECK_EQ(sigaltstack(NULL, &old), 0);
    CHECK_EQ((unsigned)old.ss_flags, SS_AUTODISARM);
    return 0;
}
