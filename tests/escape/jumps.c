/*
 * Jumps into the stub's text with registers of the guest's choice: every gate, also those that never return, which the
 * guest catches with a handler of its own; instructions that only look like system calls; addresses that only
 * look like the gate. What must happen: an errno, or the end of the process; nobody else notices.
 */
#include "tests/escape/forge.h"

#include <linux/sched.h>
#include <ucontext.h>

/* --- every gate can be made to return --- */
static volatile long g_caught;

/* Behind the gates without return stands ud2. What rax held is what the host answered; go on at the caller's. */
static void on_ud2(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    (void)sig, (void)info;
    g_caught = u->uc_mcontext.gregs[REG_RAX];
    u->uc_mcontext.gregs[REG_RIP] = *(greg_t *)u->uc_mcontext.gregs[REG_RSP];
    u->uc_mcontext.gregs[REG_RSP] += 8;
}
struct host_action {
    void *handler;
    uint64_t flags;
    void *restorer;
    uint64_t mask;
};
/* A handler for the host's signal, not the kernel's: installed at the gate, and it returns by the gate, too. */
static void host_handler(int sig, void *handler)
{
    struct host_action a = {handler, 0x0c000004, (void *)(stub()->gate_ips[2] - 7), 0};
    if (GATE(SYS_rt_sigaction, sig, &a, 0, 8) != 0) {
        BREACH("handlers of one's own can't be had, so this attack is none");
    }
}
static long jump(unsigned g, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                 uint64_t e, uint64_t f)
{
    long r = gate(g, nr, a, b, c, d, e, f);
    return g == 2 || g == 4 ? g_caught : r;
}

static const char g_path[] = "/etc/passwd";
static char g_buf[4096];
static struct {
    void *p;
    size_t n;
} g_iov = {g_buf, 64};
static uint64_t g_clone3[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};

/* Arguments with which the host would do something. 0 as fd: a stub has none. */
#define A(x) ((uint64_t)(x))
static const struct {
    uint32_t nr;
    uint64_t args[6];
} g_tempting[] = {
    {SYS_open, {A(g_path), O_RDONLY}},
    {SYS_open, {A("/"), O_RDONLY | O_DIRECTORY}},
    {SYS_openat, {A(AT_FDCWD), A("/"), O_PATH}},
    {SYS_openat, {A(AT_FDCWD), A("/"), O_TMPFILE | O_RDWR, 0600}},
    {SYS_creat, {A("/x"), 0600}},
    {SYS_mkdir, {A("/x"), 0700}},
    {SYS_chroot, {A("/")}},
    {SYS_socket, {1, 1, 0}},
    {SYS_socket, {16, 3, 0}},
    {SYS_socket, {2, 3, 1}},
    {SYS_socketpair, {1, 1, 0, A(g_buf)}},
    {SYS_execve, {A("/proc/self/exe"), A(&g_iov), A(&g_iov)}},
    {SYS_execveat, {STUB_FD_IMAGE, A(""), 0, 0, 0x1000}},
    {SYS_ptrace, {0}},
    {SYS_ptrace, {16, 1}},
    {SYS_process_vm_readv, {1, A(&g_iov), 1, A(&g_iov), 1, 0}},
    {SYS_process_vm_writev, {1, A(&g_iov), 1, A(&g_iov), 1, 0}},
    {SYS_clone, {SIGCHLD}},
    {SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}},
    {SYS_clone3, {A(g_clone3), 64}},
    {SYS_clone3, {A(g_clone3), 88}},
    {SYS_unshare, {CLONE_NEWUSER}},
    {SYS_unshare, {CLONE_FILES}},
    {SYS_setns, {3, 0}},
    {SYS_memfd_create, {A("x"), 0}},
    {SYS_memfd_secret, {0}},
    {SYS_pidfd_open, {1, 0}},
    {SYS_kill, {A(-1), 0}},
    {SYS_kill, {1, 0}},
    {SYS_tgkill, {1, 1, 0}},
    {SYS_getpid, {0}},
    {SYS_getppid, {0}},
    {SYS_getuid, {0}},
    {SYS_uname, {A(g_buf)}},
    {SYS_sysinfo, {A(g_buf)}},
    {SYS_times, {A(g_buf)}},
    {SYS_getcwd, {A(g_buf), 4096}},
    {SYS_bpf, {0, A(g_buf), 72}},
    {SYS_io_uring_setup, {8, A(g_buf)}},
    {SYS_io_setup, {8, A(g_buf + 8)}},
    {SYS_userfaultfd, {1}},
    {SYS_perf_event_open, {A(g_buf), 0, A(-1), A(-1), 0}},
    {SYS_seccomp, {2, 0, A(g_buf)}},
    {SYS_seccomp, {1, 8, A(g_buf)}},
    {SYS_prctl, {PR_GET_DUMPABLE}},
    {SYS_prctl, {PR_SET_DUMPABLE, 1}},
    {SYS_prctl, {PR_SET_PDEATHSIG, 0}},
    {SYS_prctl, {PR_SET_NAME, A("x")}},
    {SYS_prctl, {PR_SET_TSC, PR_TSC_SIGSEGV}},
    {SYS_prctl, {53 /* SPECULATION_CTRL */, 0, 2}},
    {SYS_prctl, {59 /* SYSCALL_USER_DISPATCH */, 1, 0, 0, A(g_buf)}},
    {SYS_arch_prctl, {0x1003, A(g_buf)}},
    {SYS_arch_prctl, {0x2001 /* MAP_VDSO_X32 */, 0}},
    {SYS_arch_prctl, {0x5001 /* SHSTK_ENABLE */, 1}},
    {SYS_modify_ldt, {0, A(g_buf), 16}},
    {SYS_rseq, {A(g_buf), 32, 0, 0x53053053}},
    {SYS_set_robust_list, {A(g_buf), 24}},
    {SYS_get_robust_list, {0, A(g_buf), A(g_buf + 8)}},
    {SYS_timer_create, {0, 0, A(g_buf)}},
    {SYS_timerfd_create, {0, 0}},
    {SYS_setitimer, {0, A(g_buf), 0}},
    {SYS_alarm, {1}},
    {SYS_eventfd2, {0, 0}},
    {SYS_signalfd4, {A(-1), A(g_buf), 8, 0}},
    {SYS_epoll_create1, {0}},
    {SYS_inotify_init1, {0}},
    {SYS_fanotify_init, {0, 0}},
    {SYS_shmget, {0, 4096, 01600}},
    {SYS_msgget, {0, 01600}},
    {SYS_semget, {0, 1, 01600}},
    {SYS_mq_open, {A("/x"), O_CREAT | O_RDWR, 0600, 0}},
    {SYS_keyctl, {0, A(-3), 1}},
    {SYS_landlock_create_ruleset, {0, 0, 1}},
    {SYS_rt_sigprocmask, {2, A(g_buf), 0, 8}},
    {SYS_rt_sigqueueinfo, {1, 10, A(g_buf)}},
    {SYS_mlockall, {1}},
    {SYS_personality, {A(-1)}},
    {SYS_setpriority, {0, 0, A(-20)}},
    {SYS_sched_setaffinity, {0, 8, A(g_buf)}},
    {SYS_prlimit64, {0, 7, 0, A(g_buf)}},
    {SYS_brk, {0}},
    {SYS_mremap, {STUB_DATA, 4096, 4096, 3, 0x10000000}},
    {SYS_mmap, {STUB_TEXT, 4096, 7, 0x32, A(-1), 0}},
    {SYS_mprotect, {STUB_TEXT, 4096, 7}},
    {SYS_munmap, {STUB_RO, STUB_RO_SIZE}},
    {SYS_madvise, {STUB_TEXT, 4096, 4}},
    {453 /* map_shadow_stack */, {0, 4096, 1}},
    {SYS_wait4, {A(-1), 0, 1, 0}},
    {SYS_clock_gettime, {A(-6), A(g_buf)}},
    {SYS_clock_settime, {0, A(g_buf)}},
};
#define TEMPTING_COUNT (sizeof(g_tempting) / sizeof(g_tempting[0]))

static void every_gate(void)
{
    host_handler(SIGILL, on_ud2);
    memset(g_buf, 0, sizeof(g_buf));
    for (unsigned g = 0; g < stub()->gate_count; g++) {
        if (jump(g, SYS_gettid, 0, 0, 0, 0, 0, 0) <= 0) {
            BREACH("gate %u did not come back, so this attack is none", g);
        }
        for (size_t i = 0; i < TEMPTING_COUNT; i++) {
            const uint64_t *a = g_tempting[i].args;
            long r = jump(g, g_tempting[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
            if (r >= 0 || r < -4095) {
                BREACH("call %u (row %zu) at gate %u: %ld", g_tempting[i].nr, i, g, r);
            }
        }
    }
}

/* The same two calls with each register's upper half set: the host looks at 32 bits of some, at 64 of others. */
static void upper_halves(void)
{
    for (unsigned bit = 32; bit < 64; bit++) {
        uint64_t high = 1UL << bit;
        GATE_MUST_FAIL(SYS_memfd_create | high, "x", 0);
        GATE_MUST_FAIL(SYS_mmap, STUB_TEXT, 4096 | high, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                       -1, 0);
        GATE_MUST_FAIL(SYS_mmap, STUB_TEXT, 4096, 7 | high,
                       high | MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        GATE_MUST_FAIL(SYS_munmap, STUB_TEXT, 4096 | high);
        GATE_MUST_FAIL(SYS_mprotect, STUB_TEXT | high, 4096, 7);
        GATE_MUST_FAIL(SYS_mprotect, STUB_TEXT, 4096, 7 | high);
        GATE_MUST_FAIL(SYS_madvise, STUB_TEXT, 4096, MADV_DONTNEED | high);
        GATE_MUST_FAIL(SYS_clone, SIGCHLD | high, 0);
    }
}

/* --- instructions beside the gate --- */

static void on_anything(int sig, siginfo_t *info, void *context)
{
    long rax = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX];
    (void)info;
    if (sig == SIGSYS) {
        g_report->rounds++;
    } else if (rax >= 0 && rax < 100 && GATE(SYS_close, rax) == 0) {
        g_report->got++; /* a stub has no fds: this one is new */
    } else {
        g_report->children++;
    }
    GATE(SYS_exit_group, 0);
}
static void catch_everything(void)
{
    static const int signals[] = {SIGSYS, SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE};
    for (size_t i = 0; i < 6; i++) {
        host_handler(signals[i], on_anything);
    }
}
static void jump_once(uint64_t target)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        long ret = SYS_memfd_create; /* a number that is no likely fd */
        catch_everything();
        __asm__ volatile("call *%1"
                         : "+a"(ret)
                         : "r"(target), "D"(g_path), "S"(0), "d"(0), "b"(g_path), "c"(0)
                         : "r8", "r9", "r10", "r11", "memory");
        g_report->got += ret >= 0 && ret < 100 && GATE(SYS_close, ret) == 0;
        GATE(SYS_exit_group, 0);
    }
    if (!wait_until(pid, &status, now() + 3)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    if (g_report->got) {
        BREACH("an fd of the host by a jump to %#lx", target);
    }
}
static bool is_gate(uint64_t insn)
{
    for (unsigned g = 0; g < stub()->gate_count; g++) {
        if (stub()->gate_ips[g] == insn + 2) {
            return true;
        }
    }
    return false;
}
/* Any two bytes of the stub's text that are a system call when something jumps there. */
static void hidden_instructions(void)
{
    uint64_t end = STUB_TEXT + 0x1000;
    char line[512];
    report_new();
    FILE *f = fopen("/proc/self/maps", "r");
    while (f &&
           fgets(line, sizeof(line), f)) { /* the slice is not shown: the text ends where we say */
        if (strtoul(line, NULL, 16) >> 32 == SLICE_HI) {
            BREACH("the slice is shown: %s", line);
        }
    }
    for (unsigned g = 0; g < stub()->gate_count; g++) {
        end = stub()->gate_ips[g] > end ? stub()->gate_ips[g] : end;
    }
    end = (end | 0xfff) + 1 + 0x1000; /* the gate's page, and the text behind it */
    unsigned found = 0;
    for (const uint8_t *p = (const uint8_t *)STUB_TEXT; p < (const uint8_t *)end - 1; p++) {
        bool call =
            (p[0] == 0x0f && (p[1] == 0x05 || p[1] == 0x34)) || (p[0] == 0xcd && p[1] == 0x80);
        if (call && !is_gate((uint64_t)p)) {
            found++;
            jump_once((uint64_t)p);
        }
    }
    for (unsigned g = 0; g < stub()->gate_count; g++) { /* around each gate, too */
        for (int64_t off = -12; off <= 12; off++) {
            if (off) {
                jump_once(stub()->gate_ips[g] - 2 + (uint64_t)off);
            }
        }
    }
    char *own = mmap(NULL, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(own, "\x0f\x05\xc3", 3);
    jump_once((uint64_t)own);
    NOTE("%u hidden instructions; %d jumps trapped, %d faulted\n", found, g_report->rounds,
         g_report->children);
    if (g_report->rounds != (int)found + 1) {
        BREACH("%d jumps trapped, and %u should", g_report->rounds, found + 1);
    }
}

/* Code of one's own whose address shares 32 bits with the gate's. */
static void look_alike_gates(void)
{
    uint64_t low = (uint32_t)stub()->gate_ips[0] - 2, high = stub()->gate_ips[0] >> 32;
    const uint64_t at[] = {low + (1UL << 32),         low + (0x6fffUL << 32),
                           low + (0x7001UL << 32),    low + (0x0007UL << 32),
                           low + (0x3000UL << 32),    low + (0x7ff0UL << 32),
                           (high << 16) + (low >> 3), (low << 16) & ~0xfffUL};
    int tried = 0;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        void *page = (void *)(at[i] & ~0xfffUL);
        char *p = mmap(page, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (p == MAP_FAILED) {
            continue;
        }
        memcpy((void *)at[i], "\x0f\x05\xc3", 3);
        long ret = GATE_DOORBELL; /* no call's number: only the gate answers it */
        __asm__ volatile("call *%1"
                         : "+a"(ret)
                         : "r"(at[i]), "D"(0), "S"(0)
                         : "rcx", "r11", "memory", "rdx", "r8", "r9", "r10");
        if (ret != -ENOSYS) {
            BREACH("code at %#lx is as good as the gate: %ld", at[i], ret);
        }
        tried++;
        munmap(p, 8192);
    }
    NOTE("%d addresses\n", tried);
}

/* --- children --- */
static void odd_clones(void)
{
    static char stack[65536];
    static const uint64_t with[] = {SIGCHLD, 0, CLONE_VM | SIGCHLD, CLONE_PARENT | SIGCHLD,
                                    CLONE_VM | CLONE_SIGHAND | CLONE_THREAD};
    for (unsigned g = 0; g < 4; g++) {
        for (unsigned bit = 0; g != 2 && bit < 64; bit++) {
            for (size_t i = 0; i < 5; i++) {
                uint64_t top = (uint64_t)(stack + sizeof(stack)) & ~15UL;
                long r = gate(g, SYS_clone, with[i] | 1UL << bit, with[i] & CLONE_VM ? top : 0,
                              STUB_RO, (uint64_t)g_buf, 0, 0);
                if (r >= 0) {
                    BREACH("clone with %#lx at gate %u", with[i] | 1UL << bit, g);
                }
            }
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t args[11] = {1UL << bit, (uint64_t)g_buf, (uint64_t)g_buf, (uint64_t)g_buf,
                             SIGCHLD};
        GATE_MUST_FAIL(SYS_clone3, args, 64);
        args[8] = (uint64_t)g_buf; /* set_tid */
        args[9] = 1;
        GATE_MUST_FAIL(SYS_clone3, args, 88);
        GATE_MUST_FAIL(SYS_unshare, 1UL << bit);
    }
}
static void *bomb(void *arg)
{
    for (int i = 0; i < 400; i++) {
        GATE(SYS_fork);
        GATE(SYS_vfork);
        GATE(SYS_clone, SIGCHLD);
        GATE(SYS_clone, CLONE_PARENT | SIGCHLD);
        GATE(SYS_clone3, g_clone3, 64);
    }
    return arg;
}
static void fork_bomb(void)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, bomb, NULL);
    }
    bomb(NULL);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
    }
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
        BREACH("it has children");
    }
}

/* Own handlers for all that the stub's handlers see: it is alone then, but no freer. */
static void on_own_sigsys(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    (void)sig, (void)info;
    u->uc_mcontext.gregs[REG_RAX] =
        GATE(u->uc_mcontext.gregs[REG_RAX], u->uc_mcontext.gregs[REG_RDI],
             u->uc_mcontext.gregs[REG_RSI], u->uc_mcontext.gregs[REG_RDX]);
}
static void be_ones_own_stub(void)
{
    int status;
    report_new();
    pid_t pid = fork();
    if (pid == 0) {
        host_handler(SIGSYS, on_own_sigsys);
        for (size_t i = 0; i < TEMPTING_COUNT; i++) {
            const uint64_t *a = g_tempting[i].args;
            long r = raw_syscall(g_tempting[i].nr, a[0], a[1], a[2], a[3]);
            g_report->got += r >= 0;
            g_report->rounds += r < 0;
        }
        GATE(SYS_exit_group, 0);
    }
    waitpid(pid, &status, 0);
    if (g_report->got || g_report->rounds != TEMPTING_COUNT) {
        BREACH("%d calls were refused, %d were not", g_report->rounds, g_report->got);
    }
}

static const struct attack g_attacks[] = {
    {"jump: every gate, tempting calls", every_gate},
    {"jump: upper halves of registers", upper_halves},
    {"jump: hidden instructions", hidden_instructions},
    {"jump: addresses like the gate's", look_alike_gates},
    {"jump: clone with every flag", odd_clones},
    {"jump: a fork bomb", fork_bomb},
    {"jump: a stub of one's own", be_ones_own_stub},
};
ATTACKS_MAIN(g_attacks)
