/* LINK: lib/backtrace.o lib/elf_symbols.o platform/insn.o */
/* lib/backtrace.h, lib/elf_symbols.h, platform/insn.h: this process's own stack and symbols, and nonsense. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/backtrace.h"
#include "lib/elf_symbols.h"
#include "platform/insn.h"

static struct backtrace_frame g_frames[32];
static size_t g_count;
static bool g_no_tables;
static uint64_t g_noise; /* not 0: now and then a byte that is read is wrong */

/* --- this process as a target --- */

static uint64_t noise(void)
{
    g_noise ^= g_noise << 13;
    g_noise ^= g_noise >> 7;
    return g_noise ^= g_noise << 17;
}

static bool read_self(void *arg, void *dst, uint64_t addr, size_t size)
{
    struct iovec local = {dst, size}, remote = {(void *)addr, size};
    (void)arg;
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)size) {
        return false;
    }
    if (g_noise && noise() % 16 == 0) {
        ((uint8_t *)dst)[noise() % size] = (uint8_t)noise();
    }
    return true;
}

static int find_in(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct backtrace_table *t = arg;
    uint64_t ip = t->start, header = 0;
    bool holds = false;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_GNU_EH_FRAME) {
            header = start;
        }
        holds |= p->p_type == PT_LOAD && ip >= start && ip < start + p->p_memsz;
    }
    if (!holds || !header) {
        return 0;
    }
    *t = (struct backtrace_table){.start = ip, .end = ip + 1, .header = header};
    return 1;
}

static bool find_self(void *arg, uint64_t ip, struct backtrace_table *out)
{
    (void)arg;
    out->start = ip;
    return !g_no_tables && dl_iterate_phdr(find_in, out) == 1;
}

/* What getcontext(3) does not change while it looks: enough to unwind from here. */
static __attribute__((noinline)) void look(void)
{
    ucontext_t c;
    getcontext(&c);
    const greg_t *g = c.uc_mcontext.gregs;
    const greg_t regs[] = {g[REG_RAX], g[REG_RDX], g[REG_RCX], g[REG_RBX], g[REG_RSI], g[REG_RDI],
                           g[REG_RBP], g[REG_RSP], g[REG_R8],  g[REG_R9],  g[REG_R10], g[REG_R11],
                           g[REG_R12], g[REG_R13], g[REG_R14], g[REG_R15], g[REG_RIP]};
    struct backtrace_target t = {.read = read_self, .find = find_self};
    memcpy(t.regs, regs, sizeof(t.regs));
    g_count = backtrace_unwind(&t, g_frames, ARRAY_COUNT(g_frames));
}
static __attribute__((noinline)) void inner(void)
{
    look();
    __asm__ volatile("" ::: "memory"); /* no tail call */
}
static __attribute__((noinline)) void outer(void)
{
    inner();
    __asm__ volatile("" ::: "memory");
}

static size_t read_file(void *arg, void *dst, size_t size, uint64_t offset)
{
    ssize_t n = pread(*(const int *)arg, dst, size, (off_t)offset);
    return n > 0 ? (size_t)n : 0;
}

static uint64_t bias(void)
{
    const ElfW(Phdr) *p = (const void *)getauxval(AT_PHDR);
    return getauxval(AT_PHDR) - p->p_vaddr; /* the first one describes the table itself */
}

static void name_of(uint64_t addr, struct elf_query *q)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const struct elf_reader r = {.read = read_file, .arg = &fd};
    q->value = addr - bias();
    elf_symbols_find(&r, q, 1);
    close(fd);
}

static void assert_look_inner_outer(void)
{
    static const char *const names[] = {"look", "inner", "outer"};
    assert_true(g_count > ARRAY_COUNT(names));
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct elf_query q;
        name_of(g_frames[i].ip - !g_frames[i].exact, &q);
        assert_string_equal(q.name, names[i]);
        assert_int_equal(g_frames[i].exact, i == 0);
    }
}

/* --- cases --- */

static void backtrace_unwind__no_library__frame_pointers(void **state)
{
    (void)state;
    g_no_tables = true;
    outer();
    assert_look_inner_outer();
    g_no_tables = false;
}

static void backtrace_unwind__tables__callers_in_order(void **state)
{
    (void)state;
    if (backtrace_init() < 0) {
        skip();
    }
    outer();
    assert_look_inner_outer();
}

static bool read_ones(void *arg, void *dst, uint64_t addr, size_t size)
{
    (void)addr;
    (*(size_t *)arg)++;
    memset(dst, 1, size);
    return true;
}

static bool find_anything(void *arg, uint64_t ip, struct backtrace_table *out)
{
    (void)arg;
    *out = (struct backtrace_table){.start = 0, .end = UINT64_MAX, .header = ip & ~7UL};
    return true;
}

/* Unwind tables and stacks that are almost right go deepest into libunwind. */
static void backtrace_unwind__corrupted__ends(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        g_noise = seed * 0x9e3779b97f4a7c15UL;
        outer();
        assert_in_range(g_count, 1, ARRAY_COUNT(g_frames));
    }
    g_noise = 0;
}

/* Memory without end that is the same everywhere: strings without NULs, lengths without sense. */
static void backtrace_unwind__hostile_memory__ends(void **state)
{
    size_t reads = 0;
    struct backtrace_target t = {.read = read_ones, .find = find_anything, .arg = &reads};
    (void)state;
    t.regs[BACKTRACE_RIP] = 0x1000;
    t.regs[BACKTRACE_RSP] = t.regs[BACKTRACE_RBP] = 0x2000;
    size_t count = backtrace_unwind(&t, g_frames, ARRAY_COUNT(g_frames));
    assert_in_range(count, 1, ARRAY_COUNT(g_frames));
    assert_true(reads < 1000000);
}

static size_t read_bytes(void *arg, void *dst, size_t size, uint64_t offset)
{
    const Elf64_Ehdr *header = arg;
    memset(dst, 0xff, size);
    if (offset == 0 && size >= sizeof(*header)) {
        memcpy(dst, header, sizeof(*header));
    }
    return size;
}

static void elf_symbols_find__nonsense__no_name(void **state)
{
    Elf64_Ehdr header = {.e_shoff = 64, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 0xffff};
    const struct elf_reader r = {.read = read_bytes, .arg = &header};
    struct elf_query q = {.value = 0x1000};
    (void)state;
    elf_symbols_find(&r, &q, 1);
    assert_string_equal(q.name, "");
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    elf_symbols_find(&r, &q, 1);
    assert_string_equal(q.name, "");
}

static void elf_symbols_find__outside__no_name(void **state)
{
    struct elf_query q;
    (void)state;
    name_of(bias(), &q); /* the ELF header itself */
    assert_string_equal(q.name, "");
}

static void insn_describe__bytes__text_and_length(void **state)
{
    char text[64];
    static const uint8_t store[] = {0xc7, 0x07, 0x07, 0, 0, 0, 0x90}, bad[] = {0x06};
    (void)state;
    assert_int_equal(insn_describe(store, sizeof(store), 0, text, sizeof(text)), -ENOSYS);
    if (insn_init() < 0) {
        skip();
    }
    assert_int_equal(insn_describe(store, sizeof(store), 0, text, sizeof(text)), 6);
    assert_string_equal(text, "mov dword ptr [rdi], 7");
    assert_int_equal(insn_describe(store, 3, 0, text, sizeof(text)), -EINVAL); /* cut off */
    assert_int_equal(insn_describe(bad, sizeof(bad), 0, text, sizeof(text)), -EINVAL);
    assert_int_equal(insn_describe(store, sizeof(store), 0, text, 4), 6);
    assert_string_equal(text, "mov");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backtrace_unwind__no_library__frame_pointers),
        cmocka_unit_test(backtrace_unwind__tables__callers_in_order),
        cmocka_unit_test(backtrace_unwind__corrupted__ends),
        cmocka_unit_test(backtrace_unwind__hostile_memory__ends),
        cmocka_unit_test(elf_symbols_find__nonsense__no_name),
        cmocka_unit_test(elf_symbols_find__outside__no_name),
        cmocka_unit_test(insn_describe__bytes__text_and_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
