/*
 * Jumps to the gate: the stub's own system call instructions, which the host filter lets through, with every
 * number and arguments of the guest's choice. What is not the thread's own business must be refused.
 */
#include "tests/escape/escape.h"

#include <linux/futex.h>
#include <linux/seccomp.h>

static const char g_path[] = "/etc/passwd";

static void files(void)
{
    char buf[64];
    const char *canary = getenv("CANARY");
    for (unsigned i = 0; i < 4; i++) {
        if (i != 2 && gate(i, SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)g_path, 0, 0, 0, 0) >= 0) {
            BREACH("openat at gate %u", i);
        }
    }
    GATE_MUST_FAIL(SYS_open, canary, O_RDWR, 0);
    GATE_MUST_FAIL(SYS_openat2, AT_FDCWD, canary, buf, 24);
    GATE_MUST_FAIL(SYS_creat, canary, 0);
    GATE_MUST_FAIL(SYS_unlink, canary);
    GATE_MUST_FAIL(SYS_stat, "/", buf);
    GATE_MUST_FAIL(SYS_getcwd, buf, sizeof(buf));
    GATE_MUST_FAIL(SYS_memfd_create, "m", 0);
    GATE_MUST_FAIL(SYS_open_by_handle_at, AT_FDCWD, buf, 0);
}

static void sockets(void)
{
    int p[2];
    for (int family = 0; family < 50; family++) {
        for (int type = 1; type < 6; type++) {
            GATE_MUST_FAIL(SYS_socket, family, type, 0);
        }
    }
    GATE_MUST_FAIL(SYS_socketpair, 1, 1, 0, p);
    GATE_MUST_FAIL(SYS_pipe2, p, 0);
    GATE_MUST_FAIL(SYS_io_uring_setup, 8, p);
    GATE_MUST_FAIL(SYS_eventfd2, 0, 0);
    GATE_MUST_FAIL(SYS_epoll_create1, 0);
    GATE_MUST_FAIL(SYS_inotify_init1, 0);
    GATE_MUST_FAIL(SYS_userfaultfd, 0);
}

static void other_processes(void)
{
    char buf[64];
    struct {
        void *p;
        size_t n;
    } local = {buf, 64}, remote = {(void *)STUB_TEXT, 64};
    for (int pid = -1; pid < 300; pid++) {
        GATE_MUST_FAIL(SYS_ptrace, 16 /* ATTACH */, pid, 0, 0);
        GATE_MUST_FAIL(SYS_ptrace, 0x4206 /* SEIZE */, pid, 0, 0);
        GATE_MUST_FAIL(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0);
        GATE_MUST_FAIL(SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0);
        GATE_MUST_FAIL(SYS_kill, pid, 0);
        GATE_MUST_FAIL(SYS_kill, pid, SIGKILL);
        GATE_MUST_FAIL(SYS_tgkill, pid, pid, SIGKILL);
        GATE_MUST_FAIL(SYS_tkill, pid, SIGKILL);
        GATE_MUST_FAIL(SYS_rt_sigqueueinfo, pid, SIGKILL, buf);
        GATE_MUST_FAIL(SYS_pidfd_open, pid, 0);
        GATE_MUST_FAIL(SYS_setpgid, 0, pid);
        GATE_MUST_FAIL(SYS_prlimit64, pid, 7, 0, buf);
        GATE_MUST_FAIL(SYS_migrate_pages, pid, 0, 0, 0);
        GATE_MUST_FAIL(SYS_sched_setscheduler, pid, 1, buf);
        GATE_MUST_FAIL(SYS_kcmp, pid, pid, 0, 0, 0);
    }
    GATE_MUST_FAIL(SYS_ptrace, 0 /* TRACEME */, 0, 0, 0);
    GATE_MUST_FAIL(SYS_wait4, -1, 0, 1, 0);
    GATE_MUST_FAIL(SYS_pidfd_getfd, 3, 0, 0);
    GATE_MUST_FAIL(SYS_pidfd_send_signal, 3, 9, 0, 0);
    GATE_MUST_FAIL(SYS_process_madvise, 3, &local, 1, 4, 0);
}

static void programs(void)
{
    char *argv[] = {(char *)g_path, NULL};
    GATE_MUST_FAIL(SYS_execve, "/proc/self/exe", argv, argv);
    GATE_MUST_FAIL(SYS_execve, "/bin/sh", argv, argv);
    for (int fd = 0; fd < 2000; fd++) {
        GATE_MUST_FAIL(SYS_execveat, fd, "", argv, argv, AT_EMPTY_PATH);
    }
    GATE_MUST_FAIL(SYS_execveat, STUB_FD_IMAGE, stub()->exec_path, stub()->exec_argv,
                   stub()->exec_envp, AT_EMPTY_PATH);
    GATE_MUST_FAIL(SYS_uselib, g_path);
}

static void clones(void)
{
    static const uint64_t flags[] = {SIGCHLD,
                                     SIGCHLD | CLONE_NEWUSER,
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD,
                                     CLONE_VM | SIGCHLD,
                                     CLONE_FILES | SIGCHLD,
                                     CLONE_PARENT | SIGCHLD,
                                     CLONE_VM | CLONE_VFORK | SIGCHLD,
                                     CLONE_UNTRACED | SIGCHLD,
                                     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                         CLONE_THREAD | CLONE_SYSVSEM,
                                     CLONE_PTRACE | SIGCHLD,
                                     CLONE_PIDFD | SIGCHLD,
                                     CLONE_NEWNET | SIGCHLD,
                                     CLONE_IO | SIGCHLD,
                                     CLONE_PARENT | CLONE_VM | CLONE_VFORK | SIGCHLD};
    static char stack[65536];
    uint64_t clone3[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        long r = gate(0, SYS_clone, flags[i], (uint64_t)(stack + sizeof(stack)), 0, 0, 0, 0);
        if (r >= 0) {
            BREACH("clone(%#lx)", flags[i]);
        }
        GATE_MUST_FAIL(SYS_unshare, flags[i]);
        GATE_MUST_FAIL(SYS_setns, (int)i, 0);
    }
    GATE_MUST_FAIL(SYS_clone3, clone3, 64);
    GATE_MUST_FAIL(SYS_fork);
    GATE_MUST_FAIL(SYS_vfork);
}

static void privileges(void)
{
    static char buf[4096];
    GATE_MUST_FAIL(SYS_mount, "none", "/", "tmpfs", 0, 0);
    GATE_MUST_FAIL(SYS_umount2, "/", 2);
    GATE_MUST_FAIL(SYS_pivot_root, "/", "/");
    GATE_MUST_FAIL(SYS_chroot, "/");
    GATE_MUST_FAIL(SYS_bpf, 5, buf, 120);
    GATE_MUST_FAIL(SYS_perf_event_open, buf, 0, -1, -1, 0);
    GATE_MUST_FAIL(SYS_seccomp, 0, 0, 0);
    GATE_MUST_FAIL(SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, buf);
    for (int option = 0; option < 80; option++) {
        GATE_MUST_FAIL(SYS_prctl, option, 1, 0, 0, 0);
    }
    GATE_MUST_FAIL(SYS_prctl, PR_SET_MM, 1, 0x1000, 0, 0);
    GATE_MUST_FAIL(SYS_setuid, 0);
    GATE_MUST_FAIL(SYS_capset, buf, buf);
    GATE_MUST_FAIL(SYS_keyctl, 0, -3, 1);
    GATE_MUST_FAIL(SYS_add_key, "user", "a", "b", 1, -3);
    GATE_MUST_FAIL(SYS_iopl, 3);
    GATE_MUST_FAIL(SYS_ioperm, 0, 64, 1);
    GATE_MUST_FAIL(SYS_modify_ldt, 1, buf, 16);
    GATE_MUST_FAIL(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */);
    GATE_MUST_FAIL(SYS_init_module, buf, 1, "");
    GATE_MUST_FAIL(SYS_kexec_load, 0, 0, buf, 0);
    GATE_MUST_FAIL(SYS_reboot, 0xfee1dead, 0x28121969, 0);
    GATE_MUST_FAIL(SYS_syslog, 3, buf, sizeof(buf));
    GATE_MUST_FAIL(SYS_shmget, 0, 4096, 01600);
    GATE_MUST_FAIL(SYS_shmat, 0, 0, 0);
    GATE_MUST_FAIL(SYS_mq_open, "/x", O_CREAT, 0600, 0);
    GATE_MUST_FAIL(SYS_msgget, 0, 01600);
    GATE_MUST_FAIL(SYS_setrlimit, 7, buf);
}

/* Every number there is, and some that are not. The few calls that the gate allows are not tried here. */
static void every_number(void)
{
    static const int allowed[] = {SYS_rt_sigreturn,
                                  SYS_rt_sigaction,
                                  SYS_sigaltstack,
                                  SYS_sched_yield,
                                  SYS_gettid,
                                  SYS_set_tid_address,
                                  SYS_membarrier,
                                  SYS_close,
                                  SYS_exit,
                                  SYS_exit_group,
                                  SYS_futex,
                                  SYS_munmap,
                                  SYS_mprotect,
                                  SYS_madvise,
                                  SYS_mmap,
                                  SYS_msync,
                                  SYS_mincore,
                                  SYS_getrandom,
                                  335 /* uretprobe: no filter is asked; the host sends SIGILL */};
    static const uint64_t bits[] = {0, 0x40000000 /* x32 */, 0x80000000, 0x20000000};
    for (size_t b = 0; b < 4; b++) {
        for (uint64_t nr = 0; nr < 700; nr++) {
            bool skip = false;
            for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
                skip |= b == 0 && nr == (uint64_t)allowed[i];
            }
            if (!skip) {
                long r = gate((unsigned)(nr & 1), nr | bits[b], 0, 0, 0, 0, 0, 0);
                if (r >= 0 || r < -4095) {
                    BREACH("number %#lx: %ld", nr | bits[b], r);
                }
            }
        }
    }
    for (uint64_t nr = 0x40000 - 4; nr < 0x40010; nr++) {
        GATE_MUST_FAIL(nr, 1, 2, 3);
    }
    GATE_MUST_FAIL(-1);
}

/*
 * No fd is left over but the stub's own three, and programs that anybody may read; none can be read, copied or sent, and but
 * those programs none mapped.
 */
static void every_fd(void)
{
    static const int prots[] = {PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, 7, 0};
    static char buf[4096];
    for (uint64_t fd = 0; fd < STUB_FD_GIVEN + 3000; fd++) {
        bool given = fd >= STUB_FD_KEPT && fd < STUB_FD_KEPT + STUB_KEPT_MAX;
        GATE_MUST_FAIL(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        GATE_MUST_FAIL(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, fd, 0);
        for (size_t p = 0; p < 5 && !given; p++) {
            GATE_MUST_FAIL(SYS_mmap, 0, 4096, prots[p], MAP_SHARED, fd, 0);
            GATE_MUST_FAIL(SYS_mmap, 0, 4096, prots[p], MAP_PRIVATE, fd, 0);
            GATE_MUST_FAIL(SYS_mmap, 0, 4096, prots[p], MAP_SHARED_VALIDATE, fd | 1UL << 32, 0);
        }
        GATE_MUST_FAIL(SYS_read, fd, buf, sizeof(buf));
        GATE_MUST_FAIL(SYS_write, fd, buf, 1);
        GATE_MUST_FAIL(SYS_dup, fd);
        GATE_MUST_FAIL(SYS_fcntl, fd, F_GETFD, 0);
        GATE_MUST_FAIL(SYS_fstat, fd, buf);
        GATE_MUST_FAIL(SYS_ioctl, fd, 0xc0502100 /* NOTIF_RECV */, buf);
        GATE_MUST_FAIL(SYS_sendmsg, fd, buf, 0);
        GATE_MUST_FAIL(SYS_fchdir, fd);
        if (GATE(SYS_close, fd) == 0 && fd > STUB_FD_IMAGE && !given) {
            BREACH("fd %lu was open", fd);
        }
    }
    GATE_MUST_FAIL(SYS_close_range, 0, ~0U, 0);
}

/* The stub's slice keeps its mappings: text that the filter trusts by address, the page that all guests read. */
static void slice(void)
{
    static const uint64_t at[] = {STUB_TEXT, STUB_DATA, STUB_RO,
                                  CHAN_BASE, AREA_BASE, SLICE_START + 0xfffff000UL};
    for (size_t i = 0; i < 6; i++) {
        GATE_MUST_FAIL(SYS_mprotect, at[i], 4096, 7);
        GATE_MUST_FAIL(SYS_munmap, at[i], 4096);
        GATE_MUST_FAIL(SYS_madvise, at[i], 4096, MADV_DONTNEED);
        GATE_MUST_FAIL(SYS_mmap, at[i], 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        GATE_MUST_FAIL(SYS_mmap, at[i] & ~0xffffffffUL, 4096, 7,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        GATE_MUST_FAIL(SYS_mremap, at[i], 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x10000000);
        GATE_MUST_FAIL(SYS_mremap, at[i], 4096, 8192, MREMAP_MAYMOVE, 0);
        GATE_MUST_FAIL(SYS_mremap, at[i], 0, 4096, MREMAP_MAYMOVE, 0);
        GATE_MUST_FAIL(SYS_remap_file_pages, at[i], 4096, 0, 1, 0);
        GATE_MUST_FAIL(SYS_pkey_mprotect, at[i], 4096, 7, -1);
        GATE_MUST_FAIL(SYS_mlock, at[i], 4096);
        GATE_MUST_FAIL(SYS_mseal, at[i], 4096, 0);
    }
    /* across the edge, round the end of the address space, and with sizes whose high half decides */
    GATE_MUST_FAIL(SYS_munmap, SLICE_START - 4096, 8192);
    GATE_MUST_FAIL(SYS_munmap, 0, STUB_TEXT + 0x1000);
    GATE_MUST_FAIL(SYS_munmap, 0x100000000, 0x7ffe00000000);
    GATE_MUST_FAIL(SYS_munmap, SLICE_START - 0xfffff000, 0x100000000);
    GATE_MUST_FAIL(SYS_mprotect, SLICE_START - 4096, -1UL, 7);
    GATE_MUST_FAIL(SYS_mprotect, STUB_TEXT, 0x100001000, 7);
    GATE_MUST_FAIL(SYS_mmap, SLICE_START - 4096, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   -1, 0);
    GATE_MUST_FAIL(SYS_brk, STUB_TEXT);
    if (*(volatile uint32_t *)STUB_TEXT != STUB_MAGIC) {
        BREACH("the stub's text is another");
    }
}

/* The same through the front door. */
static void slice_by_call(void)
{
    static const uint64_t at[] = {STUB_TEXT, STUB_DATA, STUB_RO, CHAN_BASE, AREA_BASE};
    for (size_t i = 0; i < 5; i++) {
        void *p = (void *)at[i];
        MUST_FAIL(mprotect(p, 4096, 7));
        MUST_FAIL(munmap(p, 4096));
        MUST_FAIL(mmap(p, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
        MUST_FAIL(mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x10000000));
        MUST_FAIL(mremap(p, 4096, 8192, MREMAP_MAYMOVE));
        MUST_FAIL(mremap(p, 0, 4096, MREMAP_MAYMOVE));
        MUST_FAIL(madvise(p, 4096, MADV_DONTNEED));
        MUST_FAIL(syscall(SYS_remap_file_pages, p, 4096, 0, 1, 0));
        MUST_FAIL(write(1, p, 1));
    }
    char *mine = mmap(NULL, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST_FAIL(mremap(mine, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)STUB_TEXT));
    MUST_FAIL(munmap((void *)(SLICE_START - 4096), 8192));
    MUST_FAIL(mprotect((void *)(SLICE_START - 4096), -4096UL, 7));
    MUST_FAIL(munmap((void *)4096, 0x7ffffffff000 - 4096 * 2));
    for (uint64_t hint = SLICE_START + 0x100000; hint < SLICE_START + 0x100000000;
         hint += 0x10000000) {
        void *p = mmap((void *)hint, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p != MAP_FAILED && (uint64_t)p >> 32 == SLICE_HI) {
            BREACH("mmap in the slice: %p", p);
        }
    }
    int fd = open("/proc/self/mem", O_RDWR);
    MUST_FAIL(pwrite(fd, "x", 1, (off_t)STUB_TEXT));
    MUST_FAIL(pwrite(fd, "x", 1, (off_t)STUB_RO));
}

/* Only plain waits and wakes: nothing that owns, moves or inherits. */
static void futexes(void)
{
    static uint32_t word;
    uint32_t *ro = ((struct stub_ro *)STUB_RO)->wake;
    static const int refused[] = {FUTEX_FD,
                                  FUTEX_LOCK_PI,
                                  FUTEX_UNLOCK_PI,
                                  FUTEX_TRYLOCK_PI,
                                  FUTEX_WAIT_REQUEUE_PI,
                                  FUTEX_CMP_REQUEUE_PI,
                                  FUTEX_REQUEUE,
                                  FUTEX_CMP_REQUEUE,
                                  FUTEX_LOCK_PI2,
                                  99};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        GATE_MUST_FAIL(SYS_futex, &word, refused[i], 1, 1, ro, 0);
        GATE_MUST_FAIL(SYS_futex, ro, refused[i], 1, 1, &word, 0);
    }
    GATE_MUST_FAIL(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, ro, FUTEX_OP(FUTEX_OP_SET, 77, 0, 0));
    for (size_t i = 0; i < WAKE_COUNT; i++) {
        GATE(SYS_futex, ro + i, FUTEX_WAKE,
             1000); /* wakes sleepers too early, who must look again */
        GATE(SYS_futex, ro + i, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1000, 1000, &word, ro[i]);
    }
    GATE_MUST_FAIL(SYS_futex_requeue, &word, 0, 1, 1);
    GATE_MUST_FAIL(SYS_futex_waitv, &word, 1, 0, 0, 0);
    GATE_MUST_FAIL(SYS_set_robust_list, STUB_RO, 24);
}

/* SIGSYS is how guest calls are caught: without a handler the first one ends the process. */
static void no_sigsys(void)
{
    uint64_t ignore[4] = {1, 0, 0, 0};
    GATE(SYS_rt_sigaction, SIGSYS, ignore, 0, 8);
    syscall(SYS_openat, AT_FDCWD, g_path, 0, 0);
    syscall(SYS_getppid);
}
static void no_kick(void)
{
    ignore_kicks();
    for (;;) { /* can't be interrupted, only killed */
    }
}
static void unkickable(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        no_kick();
    }
    usleep(50000);
    kill(pid, SIGTERM);
    usleep(50000);
    kill(pid, SIGKILL);
    if (!wait_until(pid, &status, now() + 10)) {
        BREACH("a process can't be killed");
    }
}

/* Ends without a word to the sentry. */
static void exit_at_gate(void)
{
    GATE(SYS_exit, 0);
}
static void *exit_quietly(void *arg)
{
    GATE(SYS_exit, 0);
    return arg;
}
static void threads_exit_at_gate(void)
{
    pthread_t t;
    for (int i = 0; i < 20; i++) {
        pthread_create(&t, NULL, exit_quietly, NULL);
    }
    usleep(100000);
    _exit(0);
}
static void *go_on(void *arg)
{
    usleep(100000);
    exit(healthy() ? 0 : 1);
    return arg;
}
static void leader_exits_at_gate(void)
{
    pthread_t t;
    pthread_create(&t, NULL, go_on, NULL);
    GATE(SYS_exit, 0);
}

static void unmap_all(void)
{
    for (uint64_t hi = 0; hi < 0x7000; hi++) {
        __asm__ volatile("" ::: "memory");
        gate(0, SYS_munmap, hi << 32, 0xfffff000UL, 0, 0, 0, 0);
    }
}
static void null_page(void)
{
    GATE_MUST_FAIL(SYS_mmap, 0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
static void far_gates(void) /* these have no way back: the stub ends the process */
{
    if (fork() == 0) {
        gate(4, SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)g_path, 0, 0, 0, 0);
        BREACH("came back from the last gate");
    }
    wait(NULL);
    gate(2, SYS_socket, 1, 1, 0, 0, 0, 0);
    BREACH("came back from the sigreturn gate");
}
static void doorbells(void)
{
    for (uint64_t slot = 0; slot < 2000; slot++) {
        gate(0, GATE_DOORBELL, slot, rnd() & 0xffffffff, 0, 0, 0, 0);
    }
    for (uint64_t i = 0; i < 5000; i++) {
        gate(0, GATE_DOORBELL, 0, rnd() & 0xffffffff, 0, 0, 0, 0);
    }
}

static const struct attack g_attacks[] = {
    {"open files at the gate", files},
    {"make sockets at the gate", sockets},
    {"reach other processes at the gate", other_processes},
    {"execute at the gate", programs},
    {"clone at the gate", clones},
    {"use privileges at the gate", privileges},
    {"every number at the gate", every_number},
    {"every fd at the gate", every_fd},
    {"change the slice at the gate", slice},
    {"change the slice by system calls", slice_by_call},
    {"futexes that move or own", futexes},
    {"ignore SIGSYS", no_sigsys},
    {"ignore the kick", unkickable},
    {"exit at the gate", exit_at_gate},
    {"threads exit at the gate", threads_exit_at_gate},
    {"leader exits at the gate", leader_exits_at_gate},
    {"unmap everything at the gate", unmap_all},
    {"map the null page", null_page},
    {"gates without return", far_gates},
    {"ring doorbells without a request", doorbells},
};
ATTACKS_MAIN(g_attacks)
