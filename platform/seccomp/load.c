/*
 * Loading a program into a fresh address space. The usual case is one order: the stub, which has said hello and
 * waits, gets the files' descriptors, a list of memory calls, and what is to be copied (stack, arguments) in its
 * window, and starts the program. It answers only if something of that fails.
 *
 * What does not fit (a huge environment, files that must not be mapped at will) goes step by step, with answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/host.h"
#include "platform/seccomp/seccomp.h"

#define LOAD_FILES 4

/* Which ops are meant: the shared ones may be done already (preload.c). */
enum load_part { LOAD_ALL, LOAD_UNSHARED, LOAD_SHARED };

struct load_state {
    struct platform_thread *th;
    enum load_part part;
    struct stub_mem_call *calls; /* in the window */
    size_t call_count, copy_count;
    struct {
        int host_fd;
        int number;
        size_t last_call;
        bool keeps; /* its number lasts */
    } files[LOAD_FILES];
    size_t file_count;
};

/* The number under which the stub has o's file from now on. Errors: -EAGAIN it can't be given just so. */
static int load_file(struct load_state *s, int host_fd)
{
    struct platform_thread *th = s->th;
    for (size_t i = 0; i < s->file_count; i++) {
        if (s->files[i].host_fd == host_fd) {
            s->files[i].last_call = s->call_count;
            return s->files[i].number;
        }
    }
    int number = s->file_count < LOAD_FILES ? given_number(th, host_fd) : -EAGAIN;
    if (number >= 0) {
        s->files[s->file_count].host_fd = host_fd;
        s->files[s->file_count].keeps = true;
        s->files[s->file_count++].number = number;
        return number;
    }
    number = STUB_FD_GIVEN + (int)(th->slot + s->file_count);
    if (s->file_count == LOAD_FILES || th->dead ||
        (host_fcntl(host_fd, F_GETFL, 0) & O_ACCMODE) != O_RDONLY ||
        channel_install(th, host_fd, number, true) < 0) {
        return -EAGAIN;
    }
    s->files[s->file_count].host_fd = host_fd;
    s->files[s->file_count].number = number;
    s->files[s->file_count++].last_call = s->call_count;
    return number;
}

static void note_text(struct host_process *p, const struct load_op *o, uint32_t given)
{
    if (p->text_count < TEXTS_MAX && given < p->given.count) {
        p->texts[p->text_count++] = (struct text_map){.dev = p->given.files[given].dev,
                                                      .ino = p->given.files[given].ino,
                                                      .addr = o->addr,
                                                      .size = o->size,
                                                      .offset = o->offset};
    }
}

/* What is to be rewritten goes into the window, from offset on. */
static void load_sites(struct platform_thread *th, bool shared, uint64_t offset)
{
    struct stub_seen sites[SITES_LOADED_MAX];
    bool patch = g_seccomp.patch && !(th->ask & PLATFORM_ASK_SITES);
    size_t count = patch ? sites_known(th->proc, shared, sites, SITES_LOADED_MAX) : 0;
    bool watch = patch && !shared && sites_unsettled(th->proc);
    offset = ALIGN_UP(offset, sizeof(sites[0]));
    if (offset + count * sizeof(sites[0]) > WINDOW_SIZE) {
        count = 0;
    }
    memcpy((char *)th->chan + WINDOW_OFFSET + offset, sites, count * sizeof(sites[0]));
    th->chan->reply_args[4] = count | (watch ? LOAD_WATCH : 0);
    th->chan->reply_args[5] = offset;
}

static bool is_wanted(const struct load_state *s, const struct load_op *o)
{
    return s->part == LOAD_ALL || o->shared == (s->part == LOAD_SHARED);
}

static int load_call(struct load_state *s, const struct load_op *o)
{
    struct mem_call m;
    int r = engine_load_map(o, &m);
    if (r < 0) {
        return r;
    }
    int fd = m.host_fd < 0 ? -1 : load_file(s, m.host_fd);
    if (m.host_fd >= 0 && fd < 0) {
        return fd;
    }
    struct stub_mem_call call = {.nr = (uint64_t)m.nr};
    memcpy(call.args, m.args, sizeof(call.args));
    call.args[4] = (uint64_t)(int64_t)fd;
    s->calls[s->call_count++] = call;
    if (fd >= STUB_FD_KEPT && fd < STUB_FD_KEPT + STUB_KEPT_MAX &&
        o->prot == (PROT_READ | PROT_EXEC)) {
        note_text(s->th->proc, o, (uint32_t)(fd - STUB_FD_KEPT));
    }
    return 0;
}

/* What is to be copied or zeroed; data goes into the window, from offset on. Return: where it ends. */
static uint64_t load_copies(struct load_state *s, const struct load_op *ops, size_t op_count,
                            uint64_t offset)
{
    char *window = (char *)s->th->chan + WINDOW_OFFSET;
    struct stub_copy *copies = (void *)&s->calls[s->call_count];
    for (size_t i = 0; i < op_count; i++) {
        if ((ops[i].kind != LOAD_COPY && ops[i].kind != LOAD_ZERO) || !is_wanted(s, &ops[i])) {
            continue;
        }
        struct stub_copy *c = &copies[s->copy_count++];
        *c = (struct stub_copy){.addr = ops[i].addr, .size = ops[i].size};
        if (ops[i].kind == LOAD_COPY) {
            c->offset = offset;
            memcpy(window + offset, ops[i].data, ops[i].size);
            offset += ops[i].size;
        }
    }
    return offset;
}

/*
 * Puts the order's lists into the window. gone: what is to be unmapped first, or NULL. Errors: -EAGAIN something needs the
 * other way.
 */
static int load_compose(struct load_state *s, const struct load_op *ops, size_t op_count,
                        const struct preload *gone)
{
    struct platform_thread *th = s->th;
    s->calls = (void *)((char *)th->chan + WINDOW_OFFSET);
    uint64_t lists = (op_count + 1) * (sizeof(struct stub_mem_call) + sizeof(struct stub_copy));
    uint64_t used = lists;
    for (size_t i = 0; i < op_count; i++) {
        used += ops[i].kind == LOAD_COPY ? ops[i].size : 0;
        if (used > WINDOW_SIZE || ops[i].size > UINT32_MAX || ops[i].kind == LOAD_PROTECT) {
            return -EAGAIN;
        }
    }
    th->proc->text_count = 0;
    if (gone) {
        s->calls[s->call_count++] =
            (struct stub_mem_call){.nr = SYS_munmap, .args = {gone->low, gone->high - gone->low}};
    }
    for (size_t i = 0; i < op_count; i++) {
        bool is_map = ops[i].kind == LOAD_MAP_FILE || ops[i].kind == LOAD_MAP_ANON;
        int r = is_map && is_wanted(s, &ops[i]) ? load_call(s, &ops[i]) : 0;
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; i < s->file_count; i++) {
        if (!s->files[i].keeps) {
            s->calls[s->files[i].last_call].close_fd = (uint64_t)s->files[i].number;
        }
    }
    load_sites(th, s->part == LOAD_SHARED, load_copies(s, ops, op_count, lists));
    th->chan->reply_args[2] = s->call_count;
    th->chan->reply_args[3] = s->copy_count;
    return 0;
}

/* Errors: -EAGAIN something needs the other way. */
static int load_at_once(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                        uaddr_t entry, uaddr_t sp)
{
    bool there = th->preload && preload_has(th->preload, ops, op_count);
    if (th->preload) {
        spare_preload_met(there);
    }
    struct load_state s = {.th = th, .part = there ? LOAD_UNSHARED : LOAD_ALL};
    int r = load_compose(&s, ops, op_count, there ? NULL : th->preload);
    if (r < 0) {
        return r;
    }
    th->chan->reply_args[0] = entry;
    th->chan->reply_args[1] = sp;
    th->loading = true;
    channel_reply(th, ORDER_LOAD);
    return 0;
}

int load_shared(struct platform_thread *t, const struct load_op *ops, size_t op_count)
{
    struct load_state s = {.th = t, .part = LOAD_SHARED};
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].shared && ops[i].kind == LOAD_MAP_FILE &&
            seccomp_kept_file(t, ops[i].host_fd) < 0) {
            return -EAGAIN; /* it does not wait where it could be given one */
        }
    }
    int r = load_compose(&s, ops, op_count, NULL);
    if (r == 0) {
        t->event = false;
        channel_reply(t, ORDER_PRELOAD);
    }
    return r;
}

/* --- step by step --- */

static int unload(struct platform_thread *th, const struct preload *gone)
{
    struct stub_mem_call call = {.nr = SYS_munmap, .args = {gone->low, gone->high - gone->low}};
    int fd = -1;
    return (int)mem_list(th, &call, &fd, 1);
}

static int load_maps(struct platform_thread *th, const struct load_op *ops, size_t op_count)
{
    struct stub_mem_call calls[EXPECT_MEM_MAX];
    int fds[EXPECT_MEM_MAX];
    size_t count = 0;
    for (size_t i = 0; i < op_count; i++) {
        const struct load_op *o = &ops[i];
        if (o->kind == LOAD_MAP_FILE || o->kind == LOAD_MAP_ANON) {
            struct mem_call m;
            int r = engine_load_map(o, &m);
            if (r == 0) {
                r = mem_prepare(th, &m, count, &calls[count], &fds[count]);
            }
            if (r < 0) {
                return r;
            }
            count++;
        }
        if (count == EXPECT_MEM_MAX || (i + 1 == op_count && count)) {
            long r = mem_list(th, calls, fds, count);
            if (r < 0) {
                return (int)r;
            }
            count = 0;
        }
    }
    return 0;
}

static int load_slowly(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                       uaddr_t entry, uaddr_t sp)
{
    int r = th->preload ? unload(th, th->preload) : 0;
    if (r == 0) {
        r = load_maps(th, ops, op_count);
    }
    for (size_t i = 0; r == 0 && i < op_count; i++) {
        if (ops[i].kind == LOAD_COPY || ops[i].kind == LOAD_ZERO) {
            r = engine_load_bytes(th->space, &ops[i]);
        }
    }
    for (size_t i = 0; r == 0 && i < op_count; i++) {
        if (ops[i].kind == LOAD_PROTECT) {
            struct mem_call m = {.nr = SYS_mprotect,
                                 .args = {ops[i].addr, ops[i].size, (uint64_t)ops[i].prot},
                                 .host_fd = -1};
            r = (int)seccomp_mem(th, &m);
        }
    }
    if (r == 0) {
        th->chan->reply_args[0] = entry;
        th->chan->reply_args[1] = sp;
        channel_reply(th, ORDER_START);
    }
    return r;
}

int seccomp_load_program(struct platform_thread *th, const struct load_op *ops, size_t op_count,
                         uaddr_t entry, uaddr_t sp)
{
    if (th->dead) {
        return -ESRCH;
    }
    int r = th->in_request && !th->event ? 0 : channel_wait(th); /* the first stub's BOOT */
    if (r == 0) {
        r = channel_need_notify(th);
    }
    if (r == 0) {
        r = load_at_once(th, ops, op_count, entry, sp);
    }
    if (r == -EAGAIN) {
        r = load_slowly(th, ops, op_count, entry, sp);
    }
    if (r == 0) {
        th->started = true;
    }
    preload_put(take(&th->preload));
    if (th->was_spare && r == 0) {
        spare_preload(th, ops, op_count);
    }
    th->was_spare = false;
    return r;
}
