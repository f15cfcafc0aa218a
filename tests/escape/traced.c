/*
 * Tracers and tracees that play against the kernel: a tracee that forges events and lies about what it was ordered to do, while its
 * tracer does what debuggers do; and a tracer that asks for anything. What must happen: the tracer can be interrupted, the tracee be killed, and
 * neither gets what it did not have.
 */
#include "tests/escape/forge.h"

#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>

#define KNOWN "this is the constant"
static const char g_constant[32] = KNOWN;

/* --- a hostile tracee --- */

static void forging_tracee(void)
{
    static const uint64_t kinds[] = {STUB_REQ_CALL,   STUB_REQ_CONTEXT,   STUB_REQ_FAULT,
                                     STUB_REQ_RESULT, STUB_REQ_BAD_FRAME, SYS_rt_sigreturn,
                                     SYS_getppid,     SYS_vfork,          SYS_execve};
    struct chan *c = my_channel();
    for (;;) {
        for (int r = 0; r < REG_COUNT_; r++) {
            c->regs[r] = rnd() >> rnd() % 64;
        }
        c->bases[0] = rnd() >> rnd() % 64;
        c->bases[1] = rnd();
        uint64_t kind = kinds[rnd() % (sizeof(kinds) / sizeof(kinds[0]))];
        kind =
            kind == STUB_REQ_RESULT && rnd() % 64 ? STUB_REQ_CALL : kind; /* that ends it mostly */
        uint64_t args[6] = {rnd() % 9000, rnd() % 70, rnd() % 600, rnd() % 3, rnd(), rnd()};
        forge(kind, args, CHAN_REQ | (rnd() % 2 ? CHAN_MASK : 0));
        for (int i = 0; i < 50 && (c->state & CHAN_STATE_MASK) != CHAN_DONE; i++) {
            ring();
        }
    }
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void random_request(pid_t pid)
{
    static const int requests[] = {
        PTRACE_PEEKDATA,   PTRACE_POKEDATA,    PTRACE_PEEKUSER,   PTRACE_POKEUSER,
        PTRACE_CONT,       PTRACE_SYSCALL,     PTRACE_SINGLESTEP, PTRACE_GETREGS,
        PTRACE_SETREGS,    PTRACE_GETFPREGS,   PTRACE_SETFPREGS,  PTRACE_SETOPTIONS,
        PTRACE_GETSIGINFO, PTRACE_GETEVENTMSG, PTRACE_GETSIGMASK, PTRACE_SETSIGMASK,
        PTRACE_GETREGSET,  PTRACE_SETREGSET,   PTRACE_LISTEN,     PTRACE_INTERRUPT};
    static uint8_t buf[16384];
    uint64_t addr = rnd() % 2 ? (uint64_t)(uintptr_t)g_constant : rnd() >> rnd() % 64;
    struct iovec v = {buf, rnd() % sizeof(buf)};
    int request = rnd() % 8 ? requests[rnd() % (sizeof(requests) / sizeof(requests[0]))]
                            : (int)(rnd() % 0x4300);
    void *data = rnd() % 3 ? (void *)buf : (void *)(uintptr_t)(rnd() >> rnd() % 64);
    if (request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) {
        addr = rnd() % 2 ? 1 + rnd() % 2 : 0x202;
        data = &v;
    }
    if (request == PTRACE_TRACEME || (request == PTRACE_SETOPTIONS && rnd() % 2)) {
        return;
    }
    buf[rnd() % sizeof(buf)] = (uint8_t)rnd();
    ptrace((enum __ptrace_request)request, pid, addr, data);
}

/* Requests of every kind, with stops in between. Nothing of it may hang for longer than until the next signal. */
static void work_on(pid_t pid, double seconds)
{
    struct sigaction a = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 20000}, {0, 20000}};
    sigaction(SIGALRM, &a, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int status;
    for (double end = now() + seconds; now() < end;) {
        if (waitpid(pid, &status, __WALL | WNOHANG) > 0 && !WIFSTOPPED(status)) {
            break;
        }
        random_request(pid);
        if (rnd() % 16 == 0) {
            ptrace(PTRACE_CONT, pid, 0, 0);
            ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        }
    }
    memset(&often, 0, sizeof(often));
    setitimer(ITIMER_REAL, &often, NULL);
}

static void end_of(pid_t pid)
{
    kill(pid, SIGKILL);
    for (double end = now() + 5;;) {
        int status;
        pid_t got = waitpid(pid, &status, __WALL | WNOHANG);
        if (got < 0 || (got == pid && !WIFSTOPPED(status))) {
            return;
        }
        if (now() > end) {
            BREACH("a tracee can't be killed");
        }
        usleep(1000);
    }
}

static void lying_tracee(void)
{
    for (int i = 0; i < 40; i++) {
        rnd();
        pid_t pid = fork();
        if (pid == 0) {
            forging_tracee();
        }
        if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
            ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        }
        work_on(pid, 0.15);
        end_of(pid);
    }
    if (strcmp(g_constant, KNOWN) != 0) {
        BREACH("a tracer's own memory changed");
    }
}

/* --- a hostile tracer --- */

static void honest_tracee(void)
{
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    for (volatile unsigned i = 0;; i++) {
        syscall(SYS_getppid);
        if (i % 64 == 0) {
            raise(SIGUSR1);
        }
    }
}

static void asking_tracer(void)
{
    int status;
    for (int i = 0; i < 40; i++) {
        rnd();
        pid_t pid = fork();
        if (pid == 0) {
            honest_tracee();
        }
        waitpid(pid, &status, 0);
        /* What belongs to the stub is not there for a tracer, to read or to write. */
        static const uint64_t reserved[] = {STUB_TEXT,
                                            STUB_RO,
                                            CHAN_BASE,
                                            AREA_BASE,
                                            LEASE_PAGE,
                                            SLICE_START - 4,
                                            SLICE_START + (1UL << 32) - 8};
        for (size_t k = 0; k < sizeof(reserved) / sizeof(reserved[0]); k++) {
            MUST_FAIL(ptrace(PTRACE_PEEKDATA, pid, reserved[k], 0));
            MUST_FAIL(ptrace(PTRACE_POKEDATA, pid, reserved[k], 0));
        }
        work_on(pid, 0.15);
        end_of(pid);
    }
}

/* --- orders that a tracee's stub gets answered by itself --- */

/* It says that it has done what it was told, at once, whatever that was. */
static void agreeing_tracee(void)
{
    struct chan *c = my_channel();
    uint64_t args[6] = {0, 0, 0, 0, 0, 0};
    for (;;) {
        forge(STUB_REQ_CONTEXT, args, CHAN_REQ);
        for (int i = 0; i < 20; i++) {
            ring();
            if ((c->state & CHAN_STATE_MASK) == CHAN_DONE) {
                forge(STUB_REQ_RESULT, args, CHAN_REQ);
            }
        }
    }
}

static void lying_about_orders(void)
{
    for (int i = 0; i < 30; i++) {
        rnd();
        pid_t pid = fork();
        if (pid == 0) {
            agreeing_tracee();
        }
        ptrace(PTRACE_SEIZE, pid, 0, 0);
        ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        usleep(20000);
        work_on(pid, 0.1);
        end_of(pid);
    }
}

static const struct attack g_attacks[] = {
    {"traced: a tracee that forges events", lying_tracee},
    {"traced: a tracer that asks for anything", asking_tracer},
    {"traced: orders that are not carried out", lying_about_orders},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
