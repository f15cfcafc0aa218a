/*
 * A fresh stub, right after the host's exec of its image: set up signals, drop the host's stack, and say hello, which
 * gives it its channels and in them the order what to load. The very first stub of a sandbox
 * installs the host filter that all others inherit instead; its program lies in the window.
 */
#include <asm/unistd.h>
#include <stddef.h>

#include "platform/stub/stub.h"

static const char g_empty[1] = "";
static const char g_arg[] = "stub";
static const char *const g_argv[] = {g_arg, NULL};

__attribute__((section(".info"), used)) const struct stub_info stub_info = {
    .magic = STUB_MAGIC,
    .gate_count = 5,
    .gate_ips = {(uint64_t)gate_ret, (uint64_t)gate_wait_ret, (uint64_t)gate_sigreturn_ret,
                 (uint64_t)gate_clone_ret, (uint64_t)exit_thread_ret},
    .gate_syscall = (uint64_t)gate_insn,
    .exec_path = (uint64_t)g_empty,
    .exec_argv = (uint64_t)g_argv,
    .exec_envp = (uint64_t)&g_argv[1],
    .sites = (uint64_t)stub_sites,
    .hot_sites = STUB_HOT + offsetof(struct stub_hot, sites),
    .leads = (uint64_t)stub_leads,
};

static void map_or_die(uint64_t addr, uint64_t size, uint64_t prot, uint64_t fd)
{
    if (gate(__NR_mmap, addr, size, prot, 0x11 /* MAP_SHARED|MAP_FIXED */, fd, 0) != (long)addr) {
        stub_die();
    }
}

void stub_hello(uint64_t nonce, const uint64_t *boot)
{
    long r;
    do {
        r = gate(GATE_HELLO, nonce, boot[0], boot[1], boot[2], boot[3], boot[4]);
    } while (r == -EINTR_ || r == 0); /* 0: the sentry was stopped while it answered */
    if (r != STUB_FD_CHAN) {
        stub_die();
    }
    map_or_die(CHAN_BASE, CHAN_SIZE, 3, STUB_FD_CHAN);
}

/* Installs the filter whose program the sentry put into our window. Return: the listener fd or -errno. */
static long boot_filter(struct chan *c)
{
    struct {
        uint16_t size;
        uint64_t filter;
    } program = {(uint16_t)c->args[0], ptr(chan_window(c))};
    long r = gate(__NR_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0, 0);
    return r < 0 ? r
                 : gate(__NR_seccomp, 1 /* SET_MODE_FILTER */, c->args[1], ptr(&program), 0, 0, 0);
}

static void unmap_host_stack(uint64_t sp, uint64_t execfn)
{
    uint64_t end = execfn;
    while (*(const char *)end) {
        end++;
    }
    end = (end + 9 + 4095) & ~4095UL; /* the name, its NUL, and 8 zero bytes end the stack */
    uint64_t start = (sp & ~0xfffffUL) - 0x100000; /* the stack guard gap keeps others 1 MiB away */
    gate(__NR_munmap, start, end - start, 0, 0, 0, 0);
}

/* Nobody listens for the doorbell yet: the sentry sleeps on the state word itself. */
static void boot_first(struct area *area, const uint64_t *boot)
{
    struct chan *c = area->chan;
    map_or_die(CHAN_BASE, CHAN_SIZE, 3, STUB_FD_CHAN);
    long listener = boot_filter(c);
    for (int i = 0; i < 5; i++) {
        c->args[i] = boot[i];
    }
    c->args[5] = (uint64_t)listener;
    c->nr = STUB_REQ_BOOT;
    __atomic_store_n(&c->state, CHAN_REQ, __ATOMIC_SEQ_CST);
    gate(__NR_futex, ptr(&c->state), 1 /* FUTEX_WAKE */, 1, 0, 0, 0);
    while (__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) != CHAN_DONE) {
        gate(__NR_futex, ptr(&c->state), 0 /* FUTEX_WAIT */, CHAN_REQ, 0, 0, 0);
    }
    gate(__NR_close, (uint64_t)listener, 0, 0, 0, 0, 0);
    map_or_die(STUB_RO, STUB_RO_SIZE, 1, STUB_FD_RO);
    c->nr = STUB_REQ_BOOT;
    chan_call(area, 0);
}

__attribute__((used)) void stub_main(const uint64_t *sp)
{
    struct area *area = slot_area(0);
    area->self = area;
    stub_slots_reset(0);
    area->chan = slot_chan(0);
    stub_thread_setup(area);
    stub_handlers_setup();

    uint64_t first = sp[0] == 2; /* argc: the sentry's own exec passes a second argument */
    uint64_t aux[52] = {0};
    const uint64_t *p = sp + 1 + sp[0] + 1;
    while (*p) {
        p++;
    }
    for (p++; p[0]; p += 2) {
        if (p[0] < 52) {
            aux[p[0]] = p[1];
        }
    }
    HOT->vdso = aux[33];
    unmap_host_stack(ptr(sp), aux[31]);
    uint64_t boot[5] = {aux[33] /* AT_SYSINFO_EHDR */, aux[16] /* AT_HWCAP */,
                        aux[26] /* AT_HWCAP2 */, aux[51] /* AT_MINSIGSTKSZ */,
                        aux[17] /* AT_CLKTCK */};
    if (first) {
        boot_first(area, boot);
    } else {
        stub_hello(0, boot); /* answered as STUB_REQ_BOOT: the order is in the channel */
        map_or_die(STUB_RO, STUB_RO_SIZE, 1, STUB_FD_RO); /* not before: see boot in notify.c */
    }
    stub_load(area);
}
