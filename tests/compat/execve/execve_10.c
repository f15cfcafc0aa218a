/*
 * A statically linked program that is started again and again. Claims, in each start: who reads its text by a system call, itself
 * or its parent, gets the file's bytes; what the C library learnt of the processor when it began (sizes of caches, features) is what the
 * processor's cpuid says; and cpuid says the same wherever it stands. execve(2), proc_pid_mem(5), sysconf(3).
 */
#include "tests/compat/compat.h"

#include <cpuid.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/auxv.h>

#define STARTS 12 /* what a program does at each start may be known the next time */

struct regs {
    unsigned a, b, c, d;
};

static struct regs cpuid(unsigned leaf, unsigned subleaf)
{
    struct regs r;
    __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
    return r;
}

/* As compilers write it; cpuid() above has its leaf from a register. */
#define CHECK_WRITTEN(how, leaf, subleaf)                                                          \
    do {                                                                                           \
        struct regs w, r = cpuid_again(leaf, subleaf);                                             \
        __asm__ volatile("mov %4, %%eax\n" how "cpuid"                                             \
                         : "=&a"(w.a), "=&b"(w.b), "=c"(w.c), "=&d"(w.d)                           \
                         : "i"(leaf), "i"(subleaf), "c"(subleaf));                                 \
        CHECK(memcmp(&w, &r, sizeof(w)) == 0);                                                     \
    } while (0)

static __attribute__((noinline)) struct regs cpuid_again(volatile unsigned leaf,
                                                         volatile unsigned subleaf)
{
    return cpuid(leaf, subleaf);
}

static void check_written(void)
{
    CHECK_WRITTEN("", 0, 0);
    CHECK_WRITTEN("", 0x80000000, 0);
    CHECK_WRITTEN("", 0x80000005, 0);
    CHECK_WRITTEN("", 0x80000006, 0);
    CHECK_WRITTEN("", 0x80000007, 0);
    CHECK_WRITTEN("", 0x80000008, 0);
    CHECK_WRITTEN("xor %%ecx, %%ecx\n", 7, 0);
    CHECK_WRITTEN("xor %%ecx, %%ecx\n", 4, 0);
    CHECK_WRITTEN("mov %5, %%ecx\n", 4, 1);
    CHECK_WRITTEN("mov %5, %%ecx\n", 0xd, 1);
    CHECK_WRITTEN("mov %5, %%ecx\n", 0x8000001d, 1);
    CHECK_WRITTEN("mov %5, %%ecx\n", 0x8000001d, 3);
    CHECK_WRITTEN("mov %5, %%ecx\n", 0x8000001d, 31);
}

/* Bytes of the data cache of that level, by leaf 4; 0: the processor does not say. */
static long cache_size(unsigned level)
{
    for (unsigned i = 0; __get_cpuid_max(0, NULL) >= 4; i++) {
        struct regs r = cpuid(4, i);
        unsigned kind = r.a & 31; /* 1 data, 2 instructions, 3 both */
        if (kind == 0) {
            break;
        }
        if (kind != 2 && (r.a >> 5 & 7) == level) {
            return (long)((r.b >> 22) + 1) * ((r.b >> 12 & 1023) + 1) * ((r.b & 4095) + 1) *
                   (long)(r.c + 1);
        }
    }
    return 0;
}

static void check_processor(void)
{
    char vendor[13] = "";
    struct regs r = cpuid(0, 0);
    memcpy(vendor, &r.b, 4);
    memcpy(vendor + 4, &r.d, 4);
    memcpy(vendor + 8, &r.c, 4);
    if (!strcmp(vendor, "GenuineIntel") && cache_size(1)) {
        CHECK_EQ(sysconf(_SC_LEVEL1_DCACHE_SIZE), cache_size(1));
        CHECK_EQ(sysconf(_SC_LEVEL2_CACHE_SIZE), cache_size(2));
    }
    __builtin_cpu_init();
    CHECK_EQ(!!__builtin_cpu_supports("sse4.2"), cpuid(1, 0).c >> 20 & 1);
    CHECK_EQ(!!__builtin_cpu_supports("bmi2"), cpuid(7, 0).b >> 8 & 1);
    check_written();
    struct regs again = cpuid(4, 1), first = cpuid(4, 1);
    CHECK(memcmp(&again, &first, sizeof(first)) == 0);
}

/* The program's text, and where it is in its file. */
static const ElfW(Phdr) * text_header(void)
{
    const ElfW(Phdr) *h = (const void *)getauxval(AT_PHDR);
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        if (h[i].p_type == PT_LOAD && h[i].p_flags & PF_X) {
            return &h[i];
        }
    }
    CHECK(!"a program without text");
    return NULL;
}

/* Not a position-independent program: the text is where the header says, in pid, too. */
static void check_text(pid_t pid)
{
    const ElfW(Phdr) *h = text_header();
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int scratch = memfd_create("scratch", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    int mem = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && scratch >= 0 && mem >= 0);
    for (unsigned long at = 0; at < h->p_filesz; at += 4096) {
        char got[4096], want[4096];
        unsigned long size = h->p_filesz - at < sizeof(got) ? h->p_filesz - at : sizeof(got);
        void *place = (void *)(uintptr_t)(h->p_vaddr + at);
        CHECK_EQ(pread(fd, want, size, (off_t)(h->p_offset + at)), size);
        CHECK_EQ(pwrite(scratch, place, size, 0), size);
        CHECK_EQ(pread(scratch, got, size, 0), size);
        CHECK(memcmp(got, want, size) == 0);
        CHECK_EQ(pread(mem, got, size, (off_t)(uintptr_t)place), size);
        CHECK(memcmp(got, want, size) == 0);
    }
}

/* Return: how it ended. */
static int wait_for(pid_t pid)
{
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_program(void)
{
    CHECK(getauxval(AT_BASE) == 0 && text_header()->p_vaddr >= 4096);
    check_processor();
    check_text(getpid());
    pid_t pid = fork();
    if (pid == 0) {
        check_processor();
        check_text(getppid());
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

int main(int argc, char **argv)
{
    check_program();
    for (int i = 0; argc == 1 && i < STARTS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/proc/self/exe", argv[0], "again", (char *)NULL);
            _exit(1);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
    return 0;
}
