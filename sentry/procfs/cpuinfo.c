/*
 * /proc/cpuinfo, from the CPUID instruction: a guest may execute it as well, so this tells no more
 * than it can find out by itself. Analogous to Linux's arch/x86/kernel/cpu/proc.c.
 */
#include "sentry/procfs/proc.h"

#include <cpuid.h>
#include <string.h>
#include <x86intrin.h>

enum reg { EAX, EBX, ECX, EDX };

struct leaf {
    uint32_t number, sub;
    enum reg reg;
    const char *names[32]; /* by bit, Linux's words; NULL: not shown */
};

/* Linux's words and order: first CPUID 1 EDX, then the extended leaf, then the rest. */
static const struct leaf leaves[] = {
    {1, 0, EDX, {"fpu",  "vme",   "de",   "pse",     "tsc",  "msr", "pae",  "mce",
                 "cx8",  "apic",  NULL,   "sep",     "mtrr", "pge", "mca",  "cmov",
                 "pat",  "pse36", "pn",   "clflush", NULL,   "dts", "acpi", "mmx",
                 "fxsr", "sse",   "sse2", "ss",      "ht",   "tm",  "ia64", "pbe"}},
    {0x80000001,
     0,
     EDX,
     {[11] = "syscall",
      [19] = "mp",
      [20] = "nx",
      [22] = "mmxext",
      [25] = "fxsr_opt",
      [26] = "pdpe1gb",
      [27] = "rdtscp",
      [29] = "lm",
      [30] = "3dnowext",
      [31] = "3dnow"}},
    {0x80000007, 0, EDX, {[8] = "constant_tsc"}},
    {0x80000007, 0, EDX, {[8] = "nonstop_tsc"}},
    {1, 0, ECX, {"pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
                 "vmx",    "smx",       "est",    "tm2",     "ssse3",
                 NULL,     "sdbg",      "fma",    "cx16",    "xtpr",
                 "pdcm",   NULL,        "pcid",   "dca",     "sse4_1",
                 "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
                 "aes",    "xsave",     NULL,     "avx",     "f16c",
                 "rdrand", "hypervisor"}},
    {0x80000001, 0, ECX, {"lahf_lm",    "cmp_legacy",  "svm",
                          "extapic",    "cr8_legacy",  "abm",
                          "sse4a",      "misalignsse", "3dnowprefetch",
                          "osvw",       "ibs",         "xop",
                          "skinit",     "wdt",         NULL,
                          "lwp",        "fma4",        "tce",
                          NULL,         "nodeid_msr",  NULL,
                          "tbm",        "topoext",     "perfctr_core",
                          "perfctr_nb", NULL,          "bpext",
                          "ptsc",       "perfctr_llc", "mwaitx"}},
    {7, 0, EBX, {"fsgsbase", "tsc_adjust", "sgx",      "bmi1",       "hle",      "avx2",
                 NULL,       "smep",       "bmi2",     "erms",       "invpcid",  "rtm",
                 "cqm",      NULL,         "mpx",      "rdt_a",      "avx512f",  "avx512dq",
                 "rdseed",   "adx",        "smap",     "avx512ifma", NULL,       "clflushopt",
                 "clwb",     "intel_pt",   "avx512pf", "avx512er",   "avx512cd", "sha_ni",
                 "avx512bw", "avx512vl"}},
    {0xd, 1, EAX, {"xsaveopt", "xsavec", "xgetbv1", "xsaves"}},
    {7,
     1,
     EAX,
     {[4] = "avx_vnni",
      [5] = "avx512_bf16",
      [10] = "fzrm",
      [11] = "fsrs",
      [12] = "fsrc",
      [21] = "amx_fp16",
      [23] = "avx_ifma"}},
    {0x80000008,
     0,
     EBX,
     {[0] = "clzero", [1] = "irperf", [2] = "xsaveerptr", [4] = "rdpru", [9] = "wbnoinvd"}},
    {6, 0, EAX, {[2] = "arat"}},
    {7,
     0,
     ECX,
     {[1] = "avx512vbmi",
      [2] = "umip",
      [3] = "pku",
      [4] = "ospke",
      [5] = "waitpkg",
      [6] = "avx512_vbmi2",
      [8] = "gfni",
      [9] = "vaes",
      [10] = "vpclmulqdq",
      [11] = "avx512_vnni",
      [12] = "avx512_bitalg",
      [13] = "tme",
      [14] = "avx512_vpopcntdq",
      [16] = "la57",
      [22] = "rdpid",
      [24] = "bus_lock_detect",
      [25] = "cldemote",
      [27] = "movdiri",
      [28] = "movdir64b",
      [29] = "enqcmd"}},
    {7,
     0,
     EDX,
     {[2] = "avx512_4vnniw",
      [3] = "avx512_4fmaps",
      [4] = "fsrm",
      [8] = "avx512_vp2intersect",
      [10] = "md_clear",
      [14] = "serialize",
      [16] = "tsxldtrk",
      [18] = "pconfig",
      [20] = "ibt",
      [22] = "amx_bf16",
      [23] = "avx512_fp16",
      [24] = "amx_tile",
      [25] = "amx_int8",
      [28] = "flush_l1d",
      [29] = "arch_capabilities"}},
};

static void add_flags(struct strbuf *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(leaves); i++) {
        const struct leaf *l = &leaves[i];
        uint32_t regs[4];
        if (!__get_cpuid_count(l->number, l->sub, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX])) {
            continue;
        }
        for (int bit = 0; bit < 32; bit++) {
            if (l->names[bit] && (regs[l->reg] >> bit & 1)) {
                strbuf_printf(out, " %s", l->names[bit]);
            }
        }
        if (l->number == 0x80000001 && l->reg == EDX) {
            strbuf_adds(out, " rep_good nopl cpuid"); /* of every x86-64 */
        }
    }
}

struct cpu {
    char vendor[13], model_name[49];
    uint32_t family, model, stepping, level;
    uint32_t clflush_size, physical_bits, virtual_bits, cache_kb;
};

static void get_model_name(char name[static 49])
{
    uint32_t words[12] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t *w = words + i * 4;
        if (!__get_cpuid(0x80000002 + i, &w[0], &w[1], &w[2], &w[3])) {
            strcpy(name, "unknown");
            return;
        }
    }
    const char *text = (const char *)words;
    size_t size = strnlen(text, sizeof(words));
    while (size > 0 && *text == ' ') {
        text++;
        size--;
    }
    memcpy(name, text, size);
    name[size] = '\0';
}

/* The largest cache of the first CPU. */
static uint32_t get_cache_kb(void)
{
    uint32_t largest = 0;
    for (uint32_t sub = 0; sub < 8; sub++) {
        uint32_t a, b, c, d;
        if (!__get_cpuid_count(4, sub, &a, &b, &c, &d) || (a & 0x1f) == 0) {
            break;
        }
        uint64_t size =
            (uint64_t)((b >> 22) + 1) * ((b >> 12 & 0x3ff) + 1) * ((b & 0xfff) + 1) * (c + 1ULL);
        largest = MAX(largest, (uint32_t)(size / 1024));
    }
    return largest;
}

static void get_cpu(struct cpu *cpu)
{
    uint32_t a = 0, b = 0, c = 0, d = 0;
    *cpu = (struct cpu){.clflush_size = 64, .physical_bits = 36, .virtual_bits = 48};
    __get_cpuid(0, &cpu->level, &b, &c, &d);
    memcpy(cpu->vendor, &b, 4);
    memcpy(cpu->vendor + 4, &d, 4);
    memcpy(cpu->vendor + 8, &c, 4);
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        cpu->stepping = a & 15;
        cpu->family = a >> 8 & 15;
        cpu->model = a >> 4 & 15;
        if (cpu->family == 15) {
            cpu->family += a >> 20 & 255;
        }
        if (cpu->family >= 6) {
            cpu->model += (a >> 16 & 15) << 4;
        }
        cpu->clflush_size = (b >> 8 & 255) * 8;
    }
    if (__get_cpuid(0x80000008, &a, &b, &c, &d)) {
        cpu->physical_bits = a & 255;
        cpu->virtual_bits = a >> 8 & 255;
    }
    cpu->cache_kb = get_cache_kb();
    get_model_name(cpu->model_name);
}

/* From CPUID where it says, else measured since the file system was made. */
static uint64_t get_khz(const struct proc_state *state)
{
    uint32_t a, b, c, d;
    if (__get_cpuid(0x16, &a, &b, &c, &d) && (a & 0xffff)) {
        return (uint64_t)(a & 0xffff) * 1000;
    }
    if (__get_cpuid(0x15, &a, &b, &c, &d) && a && b && c) {
        return (uint64_t)c * b / a / 1000;
    }
    int64_t passed_us = (ktime_monotonic_ns() - state->tsc_start_ns) / 1000;
    return passed_us > 1000 ? (__rdtsc() - state->tsc_start) * 1000 / (uint64_t)passed_us : 0;
}

int proc_show_cpuinfo(struct proc_inode *pi, struct strbuf *out)
{
    struct cpu cpu;
    AUTO_STRBUF flags = {0};
    get_cpu(&cpu);
    add_flags(&flags);
    uint64_t khz = get_khz(proc_state_of(pi)), hundredths = khz / 5; /* bogomips: twice the MHz */
    size_t cpus = MAX(g_kernel->cpu_count, (size_t)1);
    for (size_t i = 0; i < cpus; i++) {
        strbuf_printf(out, "processor\t: %zu\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n",
                      i, cpu.vendor, cpu.family, cpu.model);
        strbuf_printf(out, "model name\t: %s\nstepping\t: %u\ncpu MHz\t\t: %lu.%03lu\n",
                      cpu.model_name, cpu.stepping, (unsigned long)(khz / 1000),
                      (unsigned long)(khz % 1000));
        strbuf_printf(out,
                      "cache size\t: %u KB\nphysical id\t: 0\nsiblings\t: %zu\ncore id\t\t: %zu\n",
                      cpu.cache_kb, cpus, i);
        strbuf_printf(out,
                      "cpu cores\t: %zu\napicid\t\t: %zu\ninitial apicid\t: %zu\nfpu\t\t: yes\n",
                      cpus, i, i);
        strbuf_printf(out, "fpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\nflags\t\t:%s\n",
                      cpu.level, flags.text ? flags.text : "");
        strbuf_printf(
            out, "bugs\t\t:\nbogomips\t: %lu.%02lu\nclflush size\t: %u\ncache_alignment\t: %u\n",
            (unsigned long)(hundredths / 100), (unsigned long)(hundredths % 100), cpu.clflush_size,
            cpu.clflush_size);
        strbuf_printf(out,
                      "address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n",
                      cpu.physical_bits, cpu.virtual_bits);
    }
    return strbuf_error(&flags);
}
