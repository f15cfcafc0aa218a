#include "lib/backtrace.h"

#include <dlfcn.h>
#include <endian.h>
#include <errno.h>
#include <libunwind-x86_64.h>
#include <string.h>

/* Words that one report may read: a real stack of 64 frames needs some thousands. */
#define READ_BUDGET 100000

/* libunwind's functions carry the target's name; its header hides that behind macros. */
#define STRING_(x)     #x
#define STRING(x)      STRING_(x)
#define SYMBOL(f)      STRING(UNW_OBJ(f))
#define UNWIND_LIBRARY "libunwind-x86_64.so.8"

typedef int search_table_fn(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *info,
                            unw_proc_info_t *out, int need_unwind_info, void *arg);

static struct {
    bool loaded;
    __typeof__(&unw_create_addr_space) create;
    __typeof__(&unw_destroy_addr_space) destroy;
    __typeof__(&unw_set_caching_policy) set_caching;
    __typeof__(&unw_init_remote) init;
    __typeof__(&unw_step) step;
    __typeof__(&unw_get_reg) get_reg;
    __typeof__(&unw_is_signal_frame) is_signal_frame;
    search_table_fn *search;
} g_unwind;

struct session {
    const struct backtrace_target *target;
    size_t reads;
};

static bool read_target(struct session *s, void *dst, uint64_t addr, size_t size)
{
    return s->reads++ < READ_BUDGET && s->target->read(s->target->arg, dst, addr, size);
}

/* --- libunwind's view of the target --- */

/* The start of .eh_frame_hdr as every linker writes it; other encodings count as "no table". */
struct eh_frame_hdr {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    uint32_t frame;
    uint32_t count;
};
#define ENCODING_UDATA4         0x03
#define ENCODING_SDATA4         0x0b
#define ENCODING_FORM           0x0f
#define ENCODING_DATAREL_SDATA4 0x3b

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *out,
                          int need_unwind_info, void *arg)
{
    struct session *s = arg;
    struct backtrace_table table;
    struct eh_frame_hdr h;
    if (!s->target->find(s->target->arg, ip, &table) ||
        !read_target(s, &h, table.header, sizeof(h)) || h.version != 1 ||
        (h.frame_encoding & ENCODING_FORM) != ENCODING_SDATA4 ||
        h.count_encoding != ENCODING_UDATA4 || h.table_encoding != ENCODING_DATAREL_SDATA4) {
        return -UNW_ENOINFO;
    }
    unw_dyn_info_t info = {
        .start_ip = table.start, .end_ip = table.end, .format = UNW_INFO_FORMAT_REMOTE_TABLE};
    info.u.rti.segbase = table.header;
    info.u.rti.table_data = table.header + sizeof(h);
    info.u.rti.table_len = h.count; /* in words: an entry is two 32-bit numbers */
    return g_unwind.search(space, ip, &info, out, need_unwind_info, s);
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *arg)
{
    (void)space, (void)info, (void)arg; /* libunwind's own, from its own pool */
}

static int no_dynamic_info(unw_addr_space_t space, unw_word_t *out, void *arg)
{
    (void)space, (void)out, (void)arg;
    return -UNW_ENOINFO;
}

static int access_memory(unw_addr_space_t space, unw_word_t addr, unw_word_t *value, int write,
                         void *arg)
{
    (void)space;
    return !write && read_target(arg, value, addr, sizeof(*value)) ? 0 : -UNW_EINVAL;
}

static int access_register(unw_addr_space_t space, unw_regnum_t reg, unw_word_t *value, int write,
                           void *arg)
{
    const struct session *s = arg;
    (void)space;
    if (write || reg < 0 || reg >= BACKTRACE_REG_COUNT) {
        return -UNW_EBADREG;
    }
    *value = s->target->regs[reg];
    return 0;
}

static int access_fp_register(unw_addr_space_t space, unw_regnum_t reg, unw_fpreg_t *value,
                              int write, void *arg)
{
    (void)space, (void)reg, (void)value, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int cannot_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg)
{
    (void)space, (void)cursor, (void)arg;
    return -UNW_EINVAL;
}

static size_t unwind_by_tables(struct session *s, struct backtrace_frame *frames, size_t max)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = no_dynamic_info,
        .access_mem = access_memory,
        .access_reg = access_register,
        .access_fpreg = access_fp_register,
        .resume = cannot_resume,
    };
    unw_cursor_t cursor;
    size_t count = 0;
    unw_addr_space_t space = g_unwind.create(&accessors, __LITTLE_ENDIAN);
    if (!space) {
        return 0;
    }
    g_unwind.set_caching(space, UNW_CACHE_NONE); /* a cached frame may belong to another guest */
    if (g_unwind.init(&cursor, space, s) == 0) {
        bool interrupted = true;
        do {
            unw_word_t ip;
            if (g_unwind.get_reg(&cursor, UNW_X86_64_RIP, &ip) < 0 || !ip) {
                break;
            }
            frames[count++] = (struct backtrace_frame){.ip = ip, .exact = interrupted};
            interrupted = g_unwind.is_signal_frame(&cursor) > 0;
        } while (count < max && g_unwind.step(&cursor) > 0);
    }
    g_unwind.destroy(space);
    return count;
}

/* --- start --- */

static bool read_nothing(void *arg, void *dst, uint64_t addr, size_t size)
{
    (void)arg, (void)dst, (void)addr, (void)size;
    return false;
}

static bool find_nothing(void *arg, uint64_t ip, struct backtrace_table *out)
{
    (void)arg, (void)ip, (void)out;
    return false;
}

/* libunwind makes a pipe when it is first used, which the host filter would not allow. */
static void warm_up(void)
{
    const struct backtrace_target nothing = {.read = read_nothing, .find = find_nothing};
    struct backtrace_frame frames[2];
    struct session s = {.target = &nothing};
    unwind_by_tables(&s, frames, ARRAY_COUNT(frames));
}

int backtrace_init(void)
{
    const struct {
        const char *name;
        void *function;
    } symbols[] = {
        {SYMBOL(create_addr_space), &g_unwind.create},
        {SYMBOL(destroy_addr_space), &g_unwind.destroy},
        {SYMBOL(set_caching_policy), &g_unwind.set_caching},
        {SYMBOL(init_remote), &g_unwind.init},
        {SYMBOL(step), &g_unwind.step},
        {SYMBOL(get_reg), &g_unwind.get_reg},
        {SYMBOL(is_signal_frame), &g_unwind.is_signal_frame},
        {SYMBOL(dwarf_search_unwind_table), &g_unwind.search},
    };
    void *library = dlopen(UNWIND_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < ARRAY_COUNT(symbols); i++) {
        void *symbol = library ? dlsym(library, symbols[i].name) : NULL;
        if (!symbol) {
            return -ENOENT;
        }
        *(void **)symbols[i].function = symbol;
    }
    g_unwind.loaded = true;
    warm_up();
    return 0;
}

/* --- without libunwind --- */

static size_t unwind_by_frame_pointers(struct session *s, struct backtrace_frame *frames,
                                       size_t max)
{
    const struct backtrace_target *t = s->target;
    uint64_t fp = t->regs[BACKTRACE_RBP];
    size_t count = 0;
    frames[count++] = (struct backtrace_frame){.ip = t->regs[BACKTRACE_RIP], .exact = true};
    while (count < max && fp) {
        uint64_t frame[2]; /* the caller's frame pointer, the return address */
        if (!read_target(s, frame, fp, sizeof(frame)) || !frame[1]) {
            break;
        }
        frames[count++] = (struct backtrace_frame){.ip = frame[1]};
        if (frame[0] <= fp) {
            break; /* stacks grow down: the end, or nonsense */
        }
        fp = frame[0];
    }
    return count;
}

/*
 * A call through a bad pointer: no code at ip, and what the call pushed is still on top of the stack. Then
 * *out is the caller, as it will be after the return that never comes.
 */
static bool called_nothing(struct session *s, struct backtrace_target *out)
{
    struct backtrace_table table;
    uint64_t ip;
    *out = *s->target;
    if (out->find(out->arg, out->regs[BACKTRACE_RIP], &table) ||
        !read_target(s, &ip, out->regs[BACKTRACE_RSP], sizeof(ip)) ||
        !out->find(out->arg, ip, &table)) {
        return false;
    }
    out->regs[BACKTRACE_RIP] = ip;
    out->regs[BACKTRACE_RSP] += sizeof(ip);
    return true;
}

size_t backtrace_unwind(const struct backtrace_target *t, struct backtrace_frame *frames,
                        size_t max)
{
    struct session s = {.target = t};
    struct backtrace_target caller;
    size_t first = 0, count = 0;
    if (max < 2) {
        return 0;
    }
    if (called_nothing(&s, &caller)) {
        frames[first++] = (struct backtrace_frame){.ip = t->regs[BACKTRACE_RIP], .exact = true};
        s.target = &caller;
    }
    if (g_unwind.loaded) {
        count = unwind_by_tables(&s, frames + first, max - first);
    }
    if (count == 0) {
        count = unwind_by_frame_pointers(&s, frames + first, max - first);
    }
    frames[first].exact = first == 0;
    return first + count;
}
