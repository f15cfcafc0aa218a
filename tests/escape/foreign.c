/*
 * Other doors into the host kernel: 32-bit calls, x32 numbers, the vsyscall page, the vDSO's own
 * instructions, privileged instructions, odd segment bases, single-stepping through a call.
 */
#include "tests/escape/escape.h"

#include <sys/auxv.h>

static char *g_low; /* code and data below 4 GiB */

static long int80(long nr, long a, long b, long c)
{
    long ret;
    __asm__ volatile("int $0x80"
                     : "=a"(ret)
                     : "0"(nr), "b"(a), "c"(b), "d"(c)
                     : "memory", "r8", "r9", "r10", "r11");
    return ret;
}
static void expect_no_int80(long nr, long a, long b, long c, const char *what)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        long r = int80(nr, a, b, c);
        if (r >= 0 && nr != 1) {
            BREACH("int 0x80: %s: %ld", what, r);
        }
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        _exit(WEXITSTATUS(status));
    }
}
static void calls_of_32_bit(void)
{
    g_low = mmap(NULL, 65536, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    strcpy(g_low, "/etc/passwd");
    expect_no_int80(5, (long)g_low, 0, 0, "open");
    expect_no_int80(20, 0, 0, 0, "getpid");
    expect_no_int80(1, 77, 0, 0, "exit");
    expect_no_int80(120, SIGCHLD, 0, 0, "clone");
    expect_no_int80(2, 0, 0, 0, "fork");
    expect_no_int80(359, 1, 1, 0, "socket");
    expect_no_int80(37, -1, 9, 0, "kill");
    expect_no_int80(26, 0, 0, 0, "ptrace");
}

static long far_call(const void *code)
{
    static struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target;
    static uint32_t stack[1024];
    long ret;
    target.offset = (uint32_t)(uintptr_t)code;
    target.selector = 0x23;
    __asm__ volatile("mov %%rsp, %%r15\n\tlea 4000(%2), %%rsp\n\tlcall *(%1)\n\tmov %%r15, %%rsp"
                     : "=a"(ret)
                     : "r"(&target), "r"(stack)
                     : "memory", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15");
    return ret;
}
static void code_of_32_bit(void)
{
    /* mov eax, N; int 0x80 or sysenter; lret */
    static const struct {
        uint8_t code[16];
        const char *what;
    } programs[] = {
        {{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xcb}, "int 0x80 in 32-bit code"},
        {{0xb8, 20, 0, 0, 0, 0x0f, 0x34, 0xcb}, "sysenter"},
        {{0xb8, 20, 0, 0, 0, 0x0f, 0x05, 0xcb}, "syscall in 32-bit code"},
        {{0xb8, 2, 0, 0, 0, 0xcd, 0x80, 0xcb}, "fork in 32-bit code"},
    };
    char *low = mmap(NULL, 65536, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        int status;
        memcpy(low, programs[i].code, 16);
        pid_t pid = fork();
        if (pid == 0) {
            int r = (int)far_call(low);
            if (r > 0) {
                BREACH("%s: %d", programs[i].what, r);
            }
            _exit(0);
        }
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status)) {
            _exit(WEXITSTATUS(status));
        }
    }
}

static long raw(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "0"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return ret;
}
static void odd_numbers(void)
{
    for (uint64_t nr = 0; nr < 600; nr++) {
        long r = raw(nr | 0x40000000, 0, 0, 0);
        if (r != -ENOSYS && nr < 512) {
            BREACH("x32 number %lu: %ld", nr, r);
        }
    }
    if (raw(0x40000000 | 257, (uint64_t)AT_FDCWD, (uint64_t) "/etc/passwd", 0) >= 0 ||
        raw(~0UL, 0, 0, 0) != -ENOSYS || raw(0x80000000, 0, 0, 0) != -ENOSYS ||
        raw(0x40001, 0, 0, 0) != -ENOSYS || raw(0x40002, 512, 11, 0) != -ENOSYS ||
        raw(GATE_DOORBELL, 0, 0, 0) != -ENOSYS) {
        BREACH("a number that is none was served");
    }
}

static void vsyscall(void)
{
    for (int i = 0; i < 4; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            long ret = 0;
            char buf[64] = "";
            uint64_t at =
                i == 3 ? 0xffffffffff600009UL : 0xffffffffff600000UL + (uint64_t)i * 0x400;
            __asm__ volatile("call *%1"
                             : "+a"(ret)
                             : "r"(at), "D"(buf), "S"(0)
                             : "rcx", "r11", "memory");
            _exit(0);
        }
        waitpid(pid, &status, 0);
    }
    volatile char *page = (volatile char *)0xffffffffff600000UL;
    (void)*page; /* SIGSEGV, or on some hosts its text, which is no secret */
}

/* The vDSO has system call instructions of its own: trapped as all others. */
static void vdso_instructions(void)
{
    uint8_t *base = (uint8_t *)getauxval(AT_SYSINFO_EHDR);
    if (!base) {
        return;
    }
    for (size_t i = 0; i < 8000; i++) {
        if (base[i] != 0x0f || base[i + 1] != 0x05) {
            continue;
        }
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            long ret = SYS_socket;
            alarm(2);
            __asm__ volatile("call *%1"
                             : "+a"(ret)
                             : "r"(base + i), "D"(40 /* VSOCK */), "S"(1), "d"(0)
                             : "rcx", "r11", "memory", "rbx", "r12", "r13", "r14", "r15");
            _exit(ret >= 0 && ret < 1000 ? BREACH_STATUS : 0);
        }
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            BREACH("socket by the vDSO");
        }
    }
}

static void privileged(void)
{
    static const uint8_t code[][8] = {{0xf4, 0xc3},
                                      {0xfa, 0xc3},
                                      {0xfb, 0xc3},
                                      {0xe4, 0x60, 0xc3},
                                      {0xe6, 0x60, 0xc3},
                                      {0x0f, 0x32, 0xc3},
                                      {0x0f, 0x30, 0xc3},
                                      {0x0f, 0x01, 0x10, 0xc3},
                                      {0x0f, 0x01, 0x18, 0xc3},
                                      {0x0f, 0x00, 0xd0, 0xc3},
                                      {0x0f, 0x20, 0xc0, 0xc3},
                                      {0x0f, 0x22, 0xd8, 0xc3},
                                      {0x0f, 0x23, 0xf8, 0xc3},
                                      {0x0f, 0x08, 0xc3},
                                      {0x0f, 0x09, 0xc3},
                                      {0x0f, 0x01, 0xf8, 0xc3},
                                      {0x0f, 0x07},
                                      {0x48, 0xcf},
                                      {0x0f, 0x01, 0xc1, 0xc3},
                                      {0x0f, 0x01, 0xd9, 0xc3},
                                      {0x0f, 0x33, 0xc3},
                                      {0xcd, 0x01, 0xc3},
                                      {0xcd, 0x81, 0xc3},
                                      {0xcd, 0xff, 0xc3},
                                      {0x0f, 0x0b},
                                      {0xcc, 0xc3},
                                      {0xf1, 0xc3},
                                      {0x0f, 0x01, 0xd1, 0xc3}};
    char *page = mmap(NULL, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        int status;
        memcpy(page, code[i], 8);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(2);
            ((void (*)(void *))page)(page + 2048);
            _exit(0);
        }
        waitpid(pid, &status, 0);
    }
}

static void segment_bases(void)
{
    static const uint64_t at[] = {
        0, 1, STUB_RO, AREA_BASE, 0x7ffffffff000UL, 0x800000000000UL, 0xffffffff80000000UL, ~0UL};
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        for (int code = 0x1001; code <= 0x1002; code++) {
            if (fork() == 0) {
                syscall(SYS_arch_prctl, code, at[i]);
                raw(SYS_getppid, 0, 0, 0);
                raw(SYS_openat, (uint64_t)AT_FDCWD, (uint64_t) "/etc/passwd", 0);
                raw(SYS_exit_group, 0, 0, 0);
            }
        }
        if (fork() == 0) {
            __asm__ volatile("wrgsbase %0" ::"r"(at[i]));
            raw(SYS_openat, (uint64_t)AT_FDCWD, (uint64_t) "/etc/passwd", 0);
            raw(SYS_exit_group, 0, 0, 0);
        }
    }
    while (wait(NULL) > 0) {
    }
    for (int selector = 0; selector < 256; selector++) {
        if (fork() == 0) {
            __asm__ volatile("mov %0, %%gs" ::"r"(selector));
            __asm__ volatile("mov %0, %%fs" ::"r"(selector));
            raw(SYS_openat, (uint64_t)AT_FDCWD, (uint64_t) "/etc/passwd", 0);
            raw(SYS_exit_group, 0, 0, 0);
        }
        while (selector % 32 == 31 && wait(NULL) > 0) {
        }
    }
}

static void on_trap(int sig)
{
    (void)sig;
}
static void single_step(void)
{
    signal(SIGTRAP, on_trap);
    long ret;
    __asm__ volatile(
        "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tmov $39, %%eax\n\tsyscall\n\tmov %%rax, %0\n\t"
        "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
        : "=r"(ret)::"rax", "rcx", "r11", "memory");
    if (ret != getpid()) {
        BREACH("a single-stepped getpid gave %ld", ret);
    }
    /* direction and alignment flags reach no kernel copy */
    char buf[64] = "";
    int fd = open("/etc/passwd", O_RDONLY);
    __asm__ volatile("std\n\tsyscall\n\tcld"
                     : "=a"(ret)
                     : "0"(SYS_read), "D"(fd), "S"(buf + 16), "d"(16)
                     : "rcx", "r11", "memory");
    if (ret > 0 && (buf[0] || !buf[16])) {
        BREACH("the direction flag reached the kernel");
    }
}

/* Strange places for the instruction itself. */
static void instruction_at_edges(void)
{
    char *p = mmap(NULL, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 4096, 4096);
    p[4094] = 0x0f;
    p[4095] = 0x05;
    if (fork() == 0) {
        __asm__ volatile("jmp *%0" ::"r"(p + 4094), "a"(SYS_getppid));
    }
    /* instructions that are rewritten while another thread runs them */
    char *q = mmap(NULL, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(q, "\xb8\x27\x00\x00\x00\x0f\x05\xc3", 8);
    if (fork() == 0) {
        alarm(2);
        for (int i = 0; i < 2000; i++) {
            if (i == 1000 && mprotect(q, 4096, PROT_READ | PROT_EXEC)) {
                break;
            }
            if (((int (*)(void))q)() != getpid()) {
                BREACH("getpid from a page of one's own");
            }
        }
        mprotect(q, 4096, 7);
        q[1] = 110; /* getppid */
        if (((int (*)(void))q)() != getppid()) {
            BREACH("rewritten code runs as it was before");
        }
        _exit(0);
    }
    int status;
    while (wait(&status) > 0) {
        if (WIFEXITED(status) && WEXITSTATUS(status)) {
            _exit(WEXITSTATUS(status));
        }
    }
}

static const struct attack g_attacks[] = {
    {"32-bit system calls", calls_of_32_bit},
    {"32-bit code by a far call", code_of_32_bit},
    {"numbers that are none", odd_numbers},
    {"the vsyscall page", vsyscall},
    {"the vDSO's instructions", vdso_instructions},
    {"privileged instructions", privileged},
    {"segment bases and selectors", segment_bases},
    {"single steps and flags", single_step},
    {"instructions at edges, rewritten ones", instruction_at_edges},
};
ATTACKS_MAIN(g_attacks)
