/*
 * The platform door, without a sentry behind it: a few bytes of guest code run under each engine, and the
 * test plays the kernel.
 */
/* LINK: platform/platform.o platform/stub_image.o platform/stub_blob.o platform/seccomp/engine.o platform/seccomp/vdso.o platform/seccomp/space.o platform/seccomp/channel.o platform/seccomp/answer.o platform/seccomp/handoff.o platform/seccomp/notify.o platform/seccomp/thread.o platform/seccomp/context.o platform/seccomp/load.o platform/seccomp/preload.o platform/seccomp/given.o platform/seccomp/writer.o platform/seccomp/sites.o platform/seccomp/spare.o platform/seccomp/clone.o platform/seccomp/strangers.o platform/seccomp/ends.o platform/seccomp/park.o platform/seccomp/filter.o platform/ptrace/engine.o platform/ptrace/boot.o platform/ptrace/inject.o platform/ptrace/run.o platform/ptrace/birth.o lib/kthread.o lib/kthread_x86_64.o lib/host.o lib/hash.o lib/log.o lib/bug.o lib/strbuf.o lib/panic.o lib/elf_symbols.o */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/host.h"
#include "lib/log.h"
#include "platform/platform.h"

/* Runs in a child process and on a kthread's stack, where cmocka's long jump must not go. */
#define CHECK_EQUAL(a, b)                                                                          \
    do {                                                                                           \
        long long left_ = (long long)(a), right_ = (long long)(b);                                 \
        if (left_ != right_) {                                                                     \
            fprintf(stderr, "%s:%d: %s: %#llx, not %#llx\n", __FILE__, __LINE__, #a, left_,        \
                    right_);                                                                       \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#define CODE  0x400000UL
#define STACK 0x500000UL

static struct platform_thread *g_first;
static volatile bool g_done;

/* A guest program as bytes, and what the kernel side does with it. */
struct program {
    const unsigned char *code;
    size_t size;
    void (*kernel)(struct platform_thread *th);
};
static const struct program *g_program;

static void load(struct platform_thread *th)
{
    const struct load_op ops[] = {
        {.kind = LOAD_MAP_ANON,
         .addr = CODE,
         .size = PAGE_SIZE,
         .prot = PROT_READ | PROT_WRITE | PROT_EXEC},
        {.kind = LOAD_MAP_ANON,
         .addr = STACK,
         .size = 16 * PAGE_SIZE,
         .prot = PROT_READ | PROT_WRITE},
        {.kind = LOAD_COPY, .addr = CODE, .size = g_program->size, .data = g_program->code},
    };
    CHECK_EQUAL(platform_load(th, ops, ARRAY_COUNT(ops), CODE, STACK + 16 * PAGE_SIZE), 0);
}

static void kernel_main(void *arg)
{
    (void)arg;
    load(g_first);
    g_program->kernel(g_first);
    platform_kill(g_first);
    platform_set_owner(g_first, NULL); /* this kthread ends before the host process is reaped */
    g_done = true;
}

/* Runs in a child of its own: the engine is started once a process. */
static void run_on(enum platform_engine engine, const struct program *p)
{
    g_program = p;
    pid_t pid = fork();
    if (pid == 0) {
        struct platform_config config = {.engine = engine, .proc_fd = -1, .cpu_count = 2};
        struct platform_boot boot;
        struct kthread *k;
        if (getenv("TEST_LOG")) {
            log_open(2, LOG_DEBUG, "test");
        }
        alarm(20);
        CHECK_EQUAL(platform_start(&config, &g_first, &boot), 0);
        CHECK_EQUAL(!(boot.vdso), 0);
        baton_take();
        CHECK_EQUAL(kthread_create(&k, kernel_main, NULL, "kernel"), 0);
        platform_set_owner(g_first, k);
        CHECK_EQUAL(platform_run(), 0);
        baton_drop();
        while (!g_done) {
            usleep(500);
            baton_take();
            platform_children();
            baton_drop();
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void run_program(const struct program *p)
{
    run_on(PLATFORM_SECCOMP, p);
    run_on(PLATFORM_PTRACE, p);
}

static void expect_call(struct platform_thread *th, uint64_t nr, uint64_t arg0)
{
    struct platform_event ev;
    platform_switch(th, &ev);
    CHECK_EQUAL(ev.kind, PLATFORM_SYSCALL);
    CHECK_EQUAL(ev.call.nr, nr);
    CHECK_EQUAL(ev.call.args[0], arg0);
}

/* mov $39,%eax; mov $7,%edi; syscall; mov %eax,%edi; mov $60,%eax; syscall; ud2 */
static const unsigned char g_calls[] = {0xb8, 39,   0,    0,  0, 0xbf, 7, 0,    0, 0,    0x0f, 5,
                                        0x89, 0xc7, 0xb8, 60, 0, 0,    0, 0x0f, 5, 0x0f, 0x0b};

static void kernel_calls(struct platform_thread *th)
{
    struct guest_context ctx;
    expect_call(th, 39, 7);
    platform_set_result(th, 1234);
    expect_call(th, 60, 1234);
    CHECK_EQUAL(platform_get_context(th, &ctx), 0);
    CHECK_EQUAL(ctx.regs.rip, CODE + 21);
    CHECK_EQUAL(ctx.regs.rdi, 1234);
    CHECK_EQUAL(ctx.regs.rsp, STACK + 16 * PAGE_SIZE);
    ctx.regs.rip = CODE;
    platform_set_context(th, &ctx);
    expect_call(th, 39, 7);
    platform_set_result(th, 5);
    expect_call(th, 60, 5);
    struct platform_event ev;
    platform_set_result(th, 0);
    platform_switch(th, &ev);
    CHECK_EQUAL(ev.kind, PLATFORM_FAULT);
    CHECK_EQUAL(ev.fault.signo, SIGILL);
    CHECK_EQUAL(ev.fault.addr, CODE + 21);
}

static void switch__syscalls_and_contexts__as_ordered(void **state)
{
    (void)state;
    static const struct program p = {g_calls, sizeof(g_calls), kernel_calls};
    run_program(&p);
}

/* jmp . */
static const unsigned char g_loop[] = {0xeb, 0xfe};

static void kernel_interrupt(struct platform_thread *th)
{
    struct platform_event ev;
    platform_interrupt(th);
    platform_switch(th, &ev);
    CHECK_EQUAL(ev.kind, PLATFORM_INTERRUPT);
    struct guest_context ctx;
    CHECK_EQUAL(platform_get_context(th, &ctx), 0);
    CHECK_EQUAL(ctx.regs.rip, CODE);
    platform_kill(th);
    platform_switch(th, &ev);
    CHECK_EQUAL(ev.kind, PLATFORM_DEAD);
    CHECK_EQUAL(WTERMSIG(ev.status), SIGKILL);
}

static void interrupt__guest_runs__event(void **state)
{
    (void)state;
    static const struct program p = {g_loop, sizeof(g_loop), kernel_interrupt};
    run_program(&p);
}

/* mov $57,%eax; syscall; mov %eax,%edi; mov $60,%eax; syscall */
static const unsigned char g_fork[] = {0xb8, 57,   0,  0, 0, 0x0f, 5,    0x89,
                                       0xc7, 0xb8, 60, 0, 0, 0,    0x0f, 5};

static void kernel_fork(struct platform_thread *th)
{
    expect_call(th, 57, 0);
    struct platform_clone c = {.guest_tid = 77};
    struct platform_thread *child;
    CHECK_EQUAL(platform_clone(th, &c, &child), 0);
    platform_set_owner(child, kthread_current());
    expect_call(child, 60, 0);
    expect_call(th, 60, 77);
    uint32_t word = 0;
    CHECK_EQUAL(platform_copy_in(platform_space(child), &word, CODE, 4), 4);
    CHECK_EQUAL(word, 0x000039b8);
    word = 1;
    CHECK_EQUAL(platform_copy_out(platform_space(child), STACK, &word, 4), 4);
    CHECK_EQUAL(platform_copy_in(platform_space(th), &word, STACK, 4), 4);
    CHECK_EQUAL(word, 0);
    CHECK_EQUAL(platform_copy_in(platform_space(th), &word, PLATFORM_SLICE_START, 4), 0);

    struct mem_call m = {
        .nr = SYS_mmap, .args = {0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, 0, 0}, .host_fd = -1};
    long a = platform_mem(child, &m);
    CHECK_EQUAL(!(a > 0), 0);
    CHECK_EQUAL(platform_copy_in(platform_space(child), &word, (uaddr_t)a, 4), 4);
    m = (struct mem_call){.nr = SYS_munmap, .args = {PLATFORM_SLICE_START, 4096}, .host_fd = -1};
    CHECK_EQUAL(platform_mem(child, &m), -EINVAL);

    struct platform_boot boot;
    CHECK_EQUAL(platform_exec(child, &boot), 0);
    CHECK_EQUAL(platform_copy_in(platform_space(child), &word, CODE, 4), 0);
    load(child);
    expect_call(child, 57, 0);
    platform_kill(child);
    struct platform_event ev;
    platform_switch(child, &ev);
    CHECK_EQUAL(ev.kind, PLATFORM_DEAD);
    platform_thread_free(child);
}

static void clone__fork_and_exec__own_spaces(void **state)
{
    (void)state;
    static const struct program p = {g_fork, sizeof(g_fork), kernel_fork};
    run_program(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switch__syscalls_and_contexts__as_ordered),
        cmocka_unit_test(interrupt__guest_runs__event),
        cmocka_unit_test(clone__fork_and_exec__own_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
