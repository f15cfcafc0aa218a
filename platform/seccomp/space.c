/*
 * Address spaces: their channel memory, and bytes in and out.
 *
 * A region costs a memfd and a mapping (150 us to make); freed ones are kept in a pool with their
 * content punched out, so that nothing of one guest process shows up in the window of the next.
 */
#include <errno.h>
#include <fcntl.h>

#include <string.h>

#include "lib/host.h"
#include "platform/seccomp/seccomp.h"

static struct list g_region_pool = LIST_INIT(g_region_pool);
static struct list g_region_used = LIST_INIT(g_region_used); /* to be cleaned before the next use */

static int region_memfd(void)
{
    AUTO_FD fd = host_memfd_create("channels", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return fd;
    }
    int err = host_ftruncate(fd, CHAN_SIZE);
    if (err == 0) {
        err = host_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    }
    return err < 0 ? err : take_fd(&fd);
}

/* The next one of a list, taken out of it; NULL: it is empty. */
static struct chan_region *region_pop(struct list *list)
{
    struct chan_region *r = list_first_entry(list, struct chan_region, link);
    if (r) {
        list_del(&r->link);
    }
    return r;
}

static bool region_clean(struct chan_region *r);

static int region_new(struct chan_region **out)
{
    struct chan_region *r = region_pop(&g_region_pool);
    if (!r && (r = region_pop(&g_region_used)) && !region_clean(r)) {
        r = NULL;
    }
    if (r) {
        *out = r;
        return 0;
    }
    AUTO_FD fd = region_memfd();
    if (fd < 0) {
        return fd;
    }
    AUTO_FREE struct chan_region *fresh = calloc(1, sizeof(*fresh));
    if (!fresh) {
        return -ENOMEM;
    }
    fresh->base = mmap(NULL, CHAN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fresh->base == MAP_FAILED) {
        return -ENOMEM;
    }
    list_init(&fresh->link);
    fresh->fd = take_fd(&fd);
    *out = take(&fresh);
    return 0;
}

#define ZEROED_MAX 16 /* pages: more than most processes that only start and end touch */

/*
 * Zeroes the pages that there are, if they are few: they will be used again, and to free and make them costs many times as
 * much, on both sides. Return: false when they are many.
 */
static bool region_zero(struct chan_region *r)
{
    uint64_t start[ZEROED_MAX], count = 0, pages = 0;
    uint32_t size[ZEROED_MAX];
    off_t end = 0, data;
    while ((data = host_lseek(r->fd, end, SEEK_DATA)) >= 0) {
        end = host_lseek(r->fd, data, SEEK_HOLE);
        if (end <= data || count == ZEROED_MAX) {
            return false;
        }
        pages += (uint64_t)(end - data) / PAGE_SIZE;
        if (pages > ZEROED_MAX) {
            return false;
        }
        start[count] = (uint64_t)data;
        size[count++] = (uint32_t)(end - data);
    }
    for (uint64_t i = 0; i < count; i++) {
        memset(r->base + start[i], 0, size[i]);
    }
    return data == -ENXIO;
}

/*
 * Makes a region as new.
 *
 * One that a fork's child has mapped, too, may be mapped still, by a child that never said hello or
 * kept the old mapping: its memfd is not used again. The mapping is replaced in place, since the poller may be
 * looking at it.
 *
 * Context: r is on no list; the baton is not needed. Return: false when it is gone.
 */
static bool region_clean(struct chan_region *r)
{
    if (!r->tainted && region_zero(r)) {
        return true;
    }
    if (!r->tainted) {
        memset(r->base, 0, PAGE_SIZE); /* it is used again for certain */
        int err = host_fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE_SIZE,
                                 (off_t)(CHAN_SIZE - PAGE_SIZE));
        BUG_ON(err < 0);
        return true;
    }
    host_close(r->fd);
    r->fd = region_memfd();
    void *map = r->fd < 0 ? MAP_FAILED
                          : mmap(r->base, CHAN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                                 r->fd, 0);
    if (map == MAP_FAILED) {
        host_close(r->fd);
        free(r); /* its old mapping stays, unused */
        return false;
    }
    r->tainted = false;
    return true;
}

/* Between two guests' work, without the baton: cleaning takes 10 us and more. */
void space_clean_regions(void)
{
    struct list used = LIST_INIT(used), clean = LIST_INIT(clean);
    struct chan_region *r;
    while ((r = region_pop(&g_region_used))) {
        list_add_tail(&r->link, &used);
    }
    if (list_empty(&used)) {
        return;
    }
    baton_drop();
    while ((r = region_pop(&used))) {
        if (region_clean(r)) {
            list_add_tail(&r->link, &clean);
        }
    }
    baton_take();
    while ((r = region_pop(&clean))) {
        list_add(&r->link, &g_region_pool);
    }
}

int space_new(struct platform_space **out)
{
    AUTO_FREE struct platform_space *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    int r = region_new(&s->region);
    if (r < 0) {
        return r;
    }
    refcount_init(&s->ref);
    list_init(&s->procs);
    *out = take(&s);
    return 0;
}

struct platform_space *space_get(struct platform_space *s)
{
    refcount_get(&s->ref);
    return s;
}

void space_put(struct platform_space *s)
{
    if (refcount_put(&s->ref)) {
        list_add_tail(&s->region->link, &g_region_used);
        free(s);
    }
}

struct chan *space_chan(struct platform_space *s, uint32_t slot)
{
    BUG_ON(slot >= SLOT_COUNT);
    return (struct chan *)(void *)(s->region->base + slot * CHAN_STRIDE);
}

int thread_memory(const struct platform_thread *th)
{
    const struct host_process *p = th->proc;
    if (!p || p->reaped) {
        return -1;
    }
    if (!p->leader_gone) {
        return p->pid;
    }
    return th->tid && !th->dead && host_tgkill(p->pid, th->tid, 0) == 0 ? th->tid : -1;
}

/*
 * A task by which the space can be reached: a leader that has exited has no memory any more, nor has a process that was killed, and threads may
 * never have made a request.
 */
int seccomp_space_pid(const struct platform_space *s)
{
    const struct host_process *p;
    struct platform_thread *th;
    list_for_each_entry (p, &s->procs, space_link) {
        if (p->killed) {
            continue;
        }
        if (!p->leader_gone) {
            return p->pid;
        }
        list_for_each_entry (th, &p->threads, proc_link) {
            int tid = thread_identify(th) ? thread_memory(th) : -1;
            if (tid > 0) {
                return tid;
            }
        }
    }
    p = list_first_entry(&s->procs, struct host_process, space_link);
    return p ? p->pid : 0;
}

/* The running task's own guest thread, if that lives in s. */
static struct platform_thread *guest_in(const struct platform_space *s)
{
    struct kthread *k = kthread_current();
    struct platform_thread *th = k ? k->guest : NULL;
    return th && th->space == s ? th : NULL;
}

/* The same, if its request's ranges speak of s. */
static struct platform_thread *request_of(const struct platform_space *s)
{
    struct platform_thread *th = guest_in(s);
    return th && th->range_count ? th : NULL;
}

/* Bytes at the start of [addr, addr + size) that came ahead with the request, or were put there since. */
static size_t copy_from_window(struct platform_thread *th, void *dst, uaddr_t addr, size_t size)
{
    for (uint32_t i = 0; i < th->range_count; i++) {
        struct copy_range *r = &th->ranges[i];
        if (r->is_vector) {
            continue;
        }
        if (r->is_string && addr >= r->addr && addr - r->addr < r->size) {
            const char *string = (char *)th->chan + WINDOW_OFFSET + r->offset;
            r->size = (uint32_t)strnlen(string, r->size - 1) + 1;
            r->is_string = false;
        }
        size_t there = r->is_out ? r->filled : r->size;
        if (addr >= r->addr && addr - r->addr < there) {
            size_t skip = addr - r->addr, n = MIN(size, there - skip);
            memcpy(dst, (char *)th->chan + WINDOW_OFFSET + r->offset + skip, n);
            return n;
        }
    }
    return 0;
}

const char *seccomp_vector(const struct platform_thread *th, int arg, size_t *size)
{
    for (uint32_t i = 0; i < th->range_count; i++) {
        const struct copy_range *r = &th->ranges[i];
        if (r->is_vector && r->arg == arg) {
            *size = r->size;
            return (char *)th->chan + WINDOW_OFFSET + r->offset;
        }
    }
    return NULL;
}

/* The output that [addr, ...) begins in: only ever a growing prefix of a range. */
static struct copy_range *output_at(struct platform_thread *th, uaddr_t addr)
{
    for (uint32_t i = 0; th && i < th->range_count; i++) {
        struct copy_range *r = &th->ranges[i];
        if (r->is_out && addr >= r->addr && addr - r->addr <= r->filled &&
            addr - r->addr < r->size) {
            return r;
        }
    }
    return NULL;
}

void *seccomp_window(struct platform_space *s, uaddr_t dst, size_t *size)
{
    struct platform_thread *th = request_of(s);
    const struct copy_range *r = output_at(th, dst);
    if (!r) {
        return NULL;
    }
    *size = MIN(*size, (size_t)(r->size - (dst - r->addr)));
    return (char *)th->chan + WINDOW_OFFSET + r->offset + (dst - r->addr);
}

void seccomp_window_filled(struct platform_space *s, uaddr_t dst, size_t size)
{
    struct copy_range *r = output_at(request_of(s), dst);
    if (r) {
        r->filled = MAX(r->filled, (uint32_t)(dst - r->addr + size));
    }
}

/* Bytes at the start that the stub will copy out. */
static size_t copy_to_window(struct platform_space *s, uaddr_t addr, const void *src, size_t size)
{
    size_t n = size;
    void *at = seccomp_window(s, addr, &n);
    if (!at) {
        return 0;
    }
    memcpy(at, src, n);
    seccomp_window_filled(s, addr, n);
    return n;
}

/* A small output that the stub will write. Return: whether it will. */
static bool poke(const struct platform_space *s, uaddr_t addr, const void *src, size_t size)
{
    struct platform_thread *th = guest_in(s);
    size_t needed = sizeof(struct copy_poke) + ALIGN_UP(size, (size_t)8);
    if (!th || th->poke_count == POKE_MAX || size > th->poke_room ||
        th->poke_used + needed > th->poke_room || addr < PLATFORM_ADDRESS_MIN) {
        return false;
    }
    uint32_t at = th->poke_offset + th->poke_used;
    char *window = (char *)th->chan + WINDOW_OFFSET;
    const struct copy_poke record = {.addr = addr, .size = size};
    memcpy(window + at, &record, sizeof(record));
    memcpy(window + at + sizeof(record), src, size);
    th->pokes[th->poke_count++] = (struct poke){
        .addr = addr, .size = (uint32_t)size, .offset = at + (uint32_t)sizeof(record)};
    th->poke_used += (uint32_t)needed;
    return true;
}

/* What is read of the guest's memory from now on has what was written to it. */
static void pokes_done(const struct platform_space *s)
{
    struct platform_thread *th = guest_in(s);
    if (th && th->poke_count) {
        channel_flush_pokes(th);
    }
}

struct stub_process *space_process(const struct platform_space *s)
{
    return (void *)(s->region->base + STUB_PROCESS_OFFSET);
}

void seccomp_set_brk(struct platform_space *s, uaddr_t start, uaddr_t brk)
{
    volatile struct stub_process *p = space_process(s);
    p->brk = brk;
    p->brk_start = start;
}

void seccomp_set_cpu_before(struct platform_space *s, int64_t ns)
{
    volatile struct stub_process *p = space_process(s);
    p->cpu_before_ns = (uint64_t)ns;
}

uaddr_t seccomp_brk(const struct platform_space *s, uaddr_t known)
{
    const volatile struct stub_process *p = space_process(s);
    return p->brk_start ? p->brk : known;
}

/* Call sites that the stub has rewritten appear as the guest made them. */
static void show_original(struct platform_space *s, int pid, void *copy, uaddr_t addr, size_t size)
{
    const volatile struct stub_process *p = space_process(s);
    uint64_t low = p->site_low, high = p->site_high;
    struct stub_site sites[SITE_COUNT + HOT_SITES];
    struct stub_lead leads[LEAD_COUNT];
    const size_t hot = HOT_SITES * sizeof(sites[0]);
    if (low - SITE_REACH >= addr + size || high <= addr ||
        engine_vm_read(pid, sites, g_seccomp.info->hot_sites, hot) != hot ||
        engine_vm_read(pid, &sites[HOT_SITES], g_seccomp.info->sites, sizeof(sites) - hot) !=
            sizeof(sites) - hot ||
        engine_vm_read(pid, leads, g_seccomp.info->leads, sizeof(leads)) != sizeof(leads)) {
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(sites); i++) {
        site_show_original(&sites[i], leads, copy, addr, size);
    }
}

/* copy_in without its first bytes, which are there. */
static size_t copy_rest(struct platform_space *s, void *dst, uaddr_t src, size_t done, size_t size)
{
    int pid = done < size ? seccomp_space_pid(s) : 0;
    pokes_done(s);
    size_t rest = pid ? engine_vm_read(pid, (char *)dst + done, src + done, size - done) : 0;
    if (rest && seccomp_space_pid(s) != pid) {
        return done; /* a thread that has ended meanwhile: those may be another's bytes */
    }
    if (rest) {
        show_original(s, pid, (char *)dst + done, src + done, rest);
    }
    return done + rest;
}

size_t seccomp_copy_in(struct platform_space *s, void *dst, uaddr_t src, size_t size)
{
    struct platform_thread *th = request_of(s);
    return copy_rest(s, dst, src, th ? copy_from_window(th, dst, src, size) : 0, size);
}

size_t seccomp_copy_in_str(struct platform_space *s, char *dst, uaddr_t src, size_t size)
{
    struct platform_thread *th = request_of(s);
    size_t done = th ? copy_from_window(th, dst, src, size) : 0;
    return memchr(dst, '\0', done) ? done : copy_rest(s, dst, src, done, size);
}

/* Inputs that came ahead are not what they were. */
static void inputs_change(struct platform_thread *th, uaddr_t addr, size_t size)
{
    for (uint32_t i = 0; th && i < th->range_count; i++) {
        struct copy_range *r = &th->ranges[i];
        if (!r->is_out && addr < r->addr + r->size && r->addr < addr + size) {
            r->size = 0;
        }
    }
}

size_t seccomp_copy_out(struct platform_space *s, uaddr_t dst, const void *src, size_t size)
{
    inputs_change(request_of(s), dst, size);
    size_t done = copy_to_window(s, dst, src, size);
    if (done < size && poke(s, dst + done, (const char *)src + done, size - done)) {
        return size;
    }
    int pid = done < size ? seccomp_space_pid(s) : 0;
    return pid ? done + engine_vm_write(pid, dst + done, (const char *)src + done, size - done)
               : done;
}
