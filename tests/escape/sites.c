/*
 * Call sites that the stub has rewritten, and those that it may not rewrite: jumps into the middle of one, trampolines of
 * one's own making, code that changes while it runs, pages that others see, the tables with which the stub
 * remembers all this. What must happen: every call is still caught and means what the program asked, or the
 * process ends; what is not the process's own code stays as it was.
 */
#include "tests/escape/forge.h"

#include <sys/auxv.h>
#include <sys/syscall.h>

#include "tests/call_sites.h"

#define CALLS 12 /* more than it takes to have a site rewritten */

/* A page with this code, executable but not writable. Return: where the code is. */
static uint8_t *code_page(const uint8_t *code, size_t size, size_t at)
{
    uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 0xc3, 8192);
    memcpy(p + at, code, size);
    mprotect(p, 8192, PROT_READ | PROT_EXEC);
    return p + at;
}
static bool is_rewritten(const uint8_t *site, const uint8_t *code, size_t size)
{
    return memcmp(site, code, size) != 0;
}
static bool make_rewritten(uint8_t *site, const uint8_t *code, size_t size, uint64_t rax)
{
    for (int i = 0; i < CALLS; i++) {
        if (call_with(site, rax, 0, 0, 0) != getpid()) {
            BREACH("getpid gave another number");
        }
    }
    return is_rewritten(site, code, size);
}

/* Entering a site at each of its bytes: what runs is caught, or faults; the host serves none of it. */
static void enter_at_each_byte(const uint8_t *code, size_t size, uint64_t rax)
{
    uint8_t *site = code_page(code, size, 256);
    if (!make_rewritten(site, code, size, rax)) {
        NOTE("the site was not rewritten\n");
    }
    for (size_t at = 1; at < size; at++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            alarm(2);
            long r = call_with(site + at, SYS_memfd_create, (uint64_t) "x", 0, 0);
            must_not_be_the_hosts(r, "a jump into a site");
            r = call_with(site + at, SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)getenv("CANARY"), 0);
            if (r >= 0 && r < 100) {
                BREACH("the canary was opened by a jump to site + %zu", at);
            }
            _exit(0);
        }
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            _exit(BREACH_STATUS);
        }
    }
}
static void middle_of_mov_form(void)
{
    enter_at_each_byte(mov_form, sizeof(mov_form), SYS_getpid);
}
static void middle_of_cmp_form(void)
{
    enter_at_each_byte(cmp_form, sizeof(cmp_form), SYS_getpid);
}
/* The syscall instruction of a rewritten site is an address that old frames and tables may hold: it means what it did. */
static void the_instruction_itself(void)
{
    uint8_t *site = code_page(mov_form, sizeof(mov_form), 512);
    make_rewritten(site, mov_form, sizeof(mov_form), SYS_getpid);
    for (int i = 0; i < CALLS; i++) {
        if (call_with(site + 5, SYS_getppid, 0, 0, 0) != getppid() ||
            call_with(site, 0, 0, 0, 0) != getpid()) {
            BREACH("the instruction of a rewritten site makes another call");
        }
    }
}

/* --- trampolines --- */
static uint8_t *trampoline_of(const uint8_t *site)
{
    int32_t distance;
    memcpy(&distance, site + 1, 4);
    return site[0] == 0xe9 ? (uint8_t *)site + 5 + distance : NULL;
}
static void own_trampolines(void)
{
    static const uint8_t syscall_there[] = {0x0f, 0x05, 0xc3};
    uint8_t *site = code_page(mov_form, sizeof(mov_form), 1024);
    make_rewritten(site, mov_form, sizeof(mov_form), SYS_getpid);
    uint8_t *t = trampoline_of(site);
    if (!t) {
        NOTE("the site was not rewritten\n");
        return;
    }
    uint8_t *page = (uint8_t *)((uint64_t)t & ~4095UL);
    if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) < 0) {
        return; /* as well */
    }
    memcpy(t, syscall_there, sizeof(syscall_there));
    must_not_be_the_hosts(call_with(site, SYS_memfd_create, (uint64_t) "x", 0, 0), "a trampoline");
    must_not_be_the_hosts(call_with(t, SYS_memfd_create, (uint64_t) "x", 0, 0), "a trampoline");
    for (size_t at = 0; at + 3 < 32; at++) { /* and in each of its bytes */
        memcpy(t + at, syscall_there, sizeof(syscall_there));
        must_not_be_the_hosts(call_with(t + at, SYS_memfd_create, (uint64_t) "x", 0, 0),
                              "a trampoline");
    }
    if (fork() == 0) {
        munmap(page, 4096);
        call_with(site, 0, 0, 0, 0);
        getppid();
        _exit(0);
    }
    if (fork() == 0) {
        mmap(page, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        getppid();
        call_with(site, 0, 0, 0, 0);
        _exit(0);
    }
    while (wait(NULL) > 0) {
    }
}

/* The stub's entry for rewritten sites, with addresses to return to of one's own choice. */
static void odd_returns(void)
{
    uint8_t *site = code_page(mov_form, sizeof(mov_form), 2048);
    make_rewritten(site, mov_form, sizeof(mov_form), SYS_getpid);
    uint8_t *t = trampoline_of(site);
    if (!t) {
        NOTE("the site was not rewritten\n");
        return;
    }
    uint64_t entry = *(uint64_t *)(t + 5 + 10 + 6); /* behind mov, movabs, jmp *0(%rip) */
    if (entry >> 32 != SLICE_HI) {
        BREACH("a trampoline of another form: this attack is to be written anew");
    }
    uint64_t at[16] = {0,
                       1,
                       STUB_TEXT,
                       STUB_RO,
                       CHAN_BASE,
                       AREA_BASE,
                       0xffffffff81000000,
                       1UL << 63,
                       0x800000000000,
                       entry,
                       STUB_TEXT + 0x1000};
    for (unsigned i = 0; i < stub()->gate_count; i++) {
        at[11 + i] = stub()->gate_ips[i] - 2;
    }
    for (int i = 0; i < 16; i++) {
        for (int fake = 0; fake < 2; fake++) { /* also with an area of one's own, in plain memory */
            int status;
            pid_t pid = fork();
            if (pid == 0) {
                static uint64_t area[8192] __attribute__((aligned(65536)));
                area[0] = (uint64_t)area;
                area[1] = (uint64_t)(area + 4096);
                alarm(1);
                if (fake) {
                    __asm__ volatile("wrgsbase %0" ::"r"(area));
                }
                __asm__ volatile("jmp *%0" ::"r"(entry), "a"(SYS_getppid), "c"(at[i]), "D"(0));
                __builtin_unreachable();
            }
            if (!wait_until(pid, &status, now() + 1)) {
                kill(pid, SIGKILL);
                if (!wait_until(pid, &status, now() + 5)) {
                    BREACH("a process can't be killed");
                }
            }
        }
    }
}

/* GS base names the thread's area. Others' areas, and such as nobody has. */
static int g_pipe[2];
static void *sleeper(void *arg)
{
    char byte = 0;
    return read(g_pipe[0], &byte, 1) == 1 && byte == 'x' ? arg : NULL;
}
static void areas_of_others(void)
{
    uint8_t *site = code_page(mov_form, sizeof(mov_form), 64);
    make_rewritten(site, mov_form, sizeof(mov_form), SYS_getpid);
    for (uint64_t slot = 0; slot < 8; slot++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t t[3];
            pipe(g_pipe);
            alarm(1);
            for (int i = 0; i < 3; i++) {
                pthread_create(&t[i], NULL, sleeper, NULL);
            }
            usleep(5000);
            __asm__ volatile("wrgsbase %0" ::"r"(AREA_BASE + slot * AREA_STRIDE));
            for (int i = 0; i < 20; i++) {
                call_with(site, 0, 0, 0, 0);
            }
            write(g_pipe[1], "xxx", 3);
            setuid(0);
            must_be_ordinary();
            _exit(0);
        }
        if (!wait_until(pid, &status, now() + 0.3)) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            _exit(BREACH_STATUS);
        }
    }
}

/* --- code that changes --- */

/* A JIT's page: always writable. Each version of the code means what it says. */
static void jit_pages(void)
{
    uint8_t *p = mmap(NULL, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(p, mov_form, sizeof(mov_form));
    for (int i = 0; i < 3000; i++) {
        *(volatile uint32_t *)(p + 1) = i & 1 ? SYS_getppid : SYS_getpid;
        if (call_with(p, 0, 0, 0, 0) != (i & 1 ? getppid() : getpid())) {
            BREACH("round %d: an older version of the code ran", i);
        }
        if (p[0] != 0xb8 || p[5] != 0x0f) {
            BREACH("a page that its program writes was rewritten");
        }
    }
}
/* A JIT with W^X: written, then executable, then written as a whole. */
static void jit_pages_in_turn(void)
{
    uint8_t *p = mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t code[sizeof(mov_form)];
    memcpy(code, mov_form, sizeof(code));
    for (int i = 0; i < 200; i++) {
        mprotect(p, 4096, PROT_READ | PROT_WRITE);
        code[1] = i & 1 ? SYS_getppid : SYS_getpid;
        memcpy(p, code, sizeof(code));
        mprotect(p, 4096, PROT_READ | PROT_EXEC);
        for (int k = 0; k < CALLS; k++) {
            if (call_with(p, 0, 0, 0, 0) != (i & 1 ? getppid() : getpid())) {
                BREACH("round %d: an older version of the code ran", i);
            }
        }
    }
}

/* The page of a site is replaced, unmapped and protected while the stub rewrites it. */
static volatile bool g_stop;
static uint8_t *g_moving;
static void *mover(void *arg)
{
    uint8_t *other = mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(other + 256, mov_form, sizeof(mov_form));
    for (unsigned i = 0; !g_stop; i++) {
        switch (rnd() % 5) {
        case 0:
            mprotect(g_moving, 4096, PROT_READ | PROT_EXEC);
            break;
        case 1:
            mprotect(g_moving, 4096, 7);
            break;
        case 2:
            mmap(g_moving, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            memcpy(g_moving + 256, mov_form, sizeof(mov_form));
            break;
        case 3:
            memcpy(g_moving + 256, mov_form, sizeof(mov_form));
            break;
        default:
            madvise(g_moving, 4096, MADV_DONTNEED);
            break;
        }
    }
    return arg;
}
static void on_fault_retry(int sig)
{
    (void)sig;
    _exit(0);
}
static void moving_sites(void)
{
    for (int i = 0; i < 30; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t t;
            signal(SIGSEGV, on_fault_retry);
            signal(SIGTRAP, on_fault_retry);
            signal(SIGILL, on_fault_retry);
            alarm(2);
            g_random += (uint64_t)i * 7919;
            g_moving = code_page(mov_form, sizeof(mov_form), 256) - 256;
            pthread_create(&t, NULL, mover, NULL);
            for (double end = now() + 0.05; now() < end;) {
                must_not_be_the_hosts(
                    call_with(g_moving + 256, SYS_memfd_create, (uint64_t) "x", 0, 0),
                    "a moving site");
            }
            _exit(0);
        }
        if (!wait_until(pid, &status, now() + 3)) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            _exit(BREACH_STATUS);
        }
    }
}

/* Code in a file that is open for writing, mapped shared: what is executed here, others read there. */
static void shared_code(void)
{
    uint8_t back[4096], page[4096];
    int fd = open("/tmp/shared-code", O_RDWR | O_CREAT | O_TRUNC, 0600);
    memset(page, 0xc3, sizeof(page));
    memcpy(page + 256, mov_form, sizeof(mov_form));
    memcpy(page + 512, cmp_form, sizeof(cmp_form));
    write(fd, page, sizeof(page));
    uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    for (int i = 0; i < CALLS; i++) {
        if (call_with(p + 256, 0, 0, 0, 0) != getpid() ||
            call_with(p + 512, SYS_getpid, 0, 0, 0) != getpid()) {
            BREACH("getpid gave another number");
        }
    }
    if (pread(fd, back, sizeof(back), 0) != sizeof(back) || memcmp(page, back, sizeof(back))) {
        BREACH("executing a file has changed it");
    }
}

/* --- the stub's own tables --- */
static void spoiled_tables(void)
{
    uint8_t *site = code_page(cmp_form, sizeof(cmp_form), 1000);
    g_random += (uint64_t)g_variant * 104729;
    for (int i = 0; i < 400; i++) {
        uint64_t *words = (uint64_t *)STUB_DATA, value = rnd();
        switch (rnd() % 4) {
        case 0:
            value = (uint64_t)site + rnd() % 16;
            break;
        case 1:
            value = STUB_TEXT + rnd() % 0x4000;
            break;
        case 2:
            value &= 3;
            break;
        }
        words[rnd() % 512] = value;
        if (i % 8 == 0) {
            call_with(site, SYS_getppid, 0, 0, 0);
        }
    }
    if (fork() == 0) {
        _exit(0);
    }
}
static void tables(void)
{
    report_new();
    for (g_variant = 0; g_variant < 25; g_variant++) {
        lawless(spoiled_tables, 0.1);
    }
}

/*
 * What a process says of its traps has call sites of other programs rewritten (platform/seccomp/sites.c): said of bytes that are
 * none, with other numbers, and of no address at all. Programs started afterwards must be as ever.
 */
static void start(char *name)
{
    char *const argv[] = {name, NULL}, *const envp[] = {NULL};
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execve("/proc/self/exe", argv, envp);
        _exit(1);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        BREACH("a program was rewritten where it should not: status %#x", status);
    }
}
static void lies_about_traps(void)
{
    extern const char __executable_start[], etext[];
    struct stub_seen_sites *seen = (void *)(CHAN_BASE + STUB_SEEN_OFFSET);
    struct stub_libraries *l = (void *)((struct platform_lease_page *)LEASE_PAGE)->libraries;
    uint64_t size = (uint64_t)(etext - __executable_start);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < SEEN_SITES; i++) {
            uint64_t at = (uint64_t)__executable_start + rnd() % size;
            uint64_t nr = rnd() % 4 ? rnd() % 600 : SEEN_CPUID;
            if (i % 4 == 1 && getauxval(AT_BASE)) {
                at = getauxval(AT_BASE) + rnd() % 0x30000; /* its interpreter, which spares share */
            }
            seen->sites[i] = (struct stub_seen){.address = i % 8 ? at : rnd(), .nr = nr};
            seen->traps[i] = 255;
        }
        for (unsigned i = 0; i < LIBRARY_MAPS; i++) { /* libraries: here, everywhere, nowhere */
            uint64_t addr = i % 3 ? (uint64_t)__executable_start - rnd() % 65536 : rnd();
            l->maps[i] = (struct stub_library_map){addr, i % 2 ? 0x26000 : (uint32_t)rnd(),
                                                   i % 5 ? (uint32_t)size * 2 : (uint32_t)rnd()};
            l->numbers[i] = (uint8_t)(i % 4 ? STUB_FD_KEPT + rnd() % STUB_KEPT_MAX : rnd());
        }
        for (int i = 0; i < SEEN_MORE; i++) {
            uint64_t at = (uint64_t)__executable_start + rnd() % size;
            l->more[i] = (struct stub_seen){.address = i % 3 ? at : rnd(), .nr = rnd() % 600};
            l->more_traps[i] = 255;
        }
        l->map_count = (uint32_t)rnd();
        start("nothing");
        start("library");
    }
}
/* What children say has sites of their parent rewritten: only bytes that are a system call, whatever is said of where they are. */
static bool was_site(const uint8_t *text, size_t size, size_t at)
{
    for (size_t i = at >= 6 ? at - 6 : 0; i <= at && i + SITE_SPAN <= size; i++) {
        bool call = text[i] == 0x0f && text[i + 1] == 0x05 && at < i + 2;
        if (call || (text[i] == 0xb8 && text[i + 5] == 0x0f && text[i + 6] == 0x05 && at < i + 5)) {
            return true;
        }
    }
    return false;
}
static void lying_children(void)
{
    extern const char __executable_start[], etext[];
    struct stub_seen_sites *seen = (void *)(CHAN_BASE + STUB_SEEN_OFFSET);
    const uint8_t *text = (const uint8_t *)__executable_start;
    size_t size = (size_t)(etext - __executable_start), changed = 0;
    uint8_t *before = malloc(size);
    memcpy(before, text, size);
    for (int i = 0; i < 32; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            g_random += (uint64_t)(i / 4) * 104729; /* more than one says the same */
            for (int k = 0; k < SEEN_SITES; k++) {
                uint64_t at = (uint64_t)text + rnd() % size, nr = rnd() % 600;
                seen->sites[k] = (struct stub_seen){.address = k % 8 ? at : rnd(),
                                                    .nr = k % 2 ? SEEN_CHECKED : nr};
                seen->traps[k] = 255;
            }
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    for (size_t at = 0; at < size; at++) {
        if (text[at] != before[at] && !was_site(before, size, at)) {
            BREACH("the parent's code was changed at %#zx", at);
        }
        changed += text[at] != before[at];
    }
    NOTE("%zu bytes of the parent's call sites are rewritten\n", changed);
    free(before);
}
/* A library's code, mapped by a program of which such things were said: it is the file's. */
static void map_library(void)
{
    static const char name[] = "/lib/x86_64-linux-gnu/libc.so.6";
    struct stub_libraries *l = (void *)((struct platform_lease_page *)LEASE_PAGE)->libraries;
    static char got[4096], want[4096];
    int scratch = memfd_create("scratch", MFD_CLOEXEC);
    for (int round = 0; round < 8; round++) {
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (round >= 4) { /* and its own lies */
            l->number = STUB_FD_KEPT + (uint32_t)round % 4;
            l->site_count = (uint32_t)rnd();
            for (unsigned i = 0; i < LIBRARY_SITES; i++) {
                l->sites[i] = (uint32_t)rnd();
            }
        }
        char *p = mmap(NULL, 0x100000, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0x26000);
        for (off_t at = 0; fd >= 0 && p != MAP_FAILED && at < 0x100000; at += 4096) {
            if (pwrite(scratch, p + at, 4096, 0) == 4096 && pread(scratch, got, 4096, 0) == 4096 &&
                pread(fd, want, 4096, 0x26000 + at) == 4096 && memcmp(got, want, 4096) != 0) {
                BREACH("a library's code is not the file's at %#lx", (long)at);
            }
        }
        close(fd);
    }
    getppid();
}

/* The same from programs, since only what they say is looked at. */
__attribute__((constructor)) static void liar(int argc, char **argv)
{
    if (argc == 1 && !strcmp(argv[0], "liar")) {
        lies_about_traps();
        _exit(0);
    }
    if (argc == 1 && !strcmp(argv[0], "library")) {
        map_library();
        _exit(0);
    }
}
static void liars(void)
{
    char *const argv[] = {"liar", NULL}, *const envp[] = {NULL};
    for (int i = 0; i < 6; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            execve("/proc/self/exe", argv, envp);
            _exit(1);
        }
        (void)!waitpid(pid, &status, 0);
        if (status != 0) {
            BREACH("a liar ended with %#x", status);
        }
    }
    for (int i = 0; i < 6; i++) {
        start("nothing");
        start("library");
    }
}

static const struct attack g_attacks[] = {
    {"site: every byte of mov; syscall", middle_of_mov_form},
    {"site: every byte of syscall; cmp", middle_of_cmp_form},
    {"site: the instruction itself", the_instruction_itself},
    {"site: trampolines of one's own", own_trampolines},
    {"site: returns to odd places", odd_returns},
    {"site: areas of other threads", areas_of_others, true},
    {"site: pages of a JIT", jit_pages},
    {"site: pages of a JIT, in turn", jit_pages_in_turn},
    {"site: pages that move", moving_sites},
    {"site: code that others read", shared_code},
    {"site: lies of children", lying_children},
    {"site: lies about traps", liars},
    {"site: the stub's tables", tables},
};

int main(void)
{
    size_t count = sizeof(g_attacks) / sizeof(g_attacks[0]);
    g_may_hang = true;
    /* with the ptrace engine nothing is rewritten, and there is no stub whose tables could be spoiled */
    return run_attacks(g_attacks, getenv("NO_GATE") ? count - 3 : count);
}
