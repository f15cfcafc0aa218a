/*
 * Memory calls on private anonymous memory, without a trip: the host filter lets the gate make them with any
 * arguments outside the slice, so there is nothing for the sentry to decide. What is odd in any way (a
 * file, a flag that needs thought, a range near the slice, an error to find in Linux's order) is left to it, and
 * everything when the process has memory limits, which the sentry applies (CHAN_ASK_MEMORY).
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define MAP_PRIVATE_    0x2UL
#define MAP_ANON_       0x20UL
#define MAP_NOREPLACE   0x100000UL
#define MAP_DENYWRITE_  0x800UL
#define MAP_NORESERVE_  0x4000UL
#define MAP_POPULATE_   0x8000UL
#define MAP_EXECUTABLE_ 0x1000UL
#define EPERM_          1
#define EBADF_          9
#define EACCES_         13
#define MAP_STACK_      0x20000UL
#define MAP_PLAIN       (MAP_FIXED_ | MAP_NORESERVE_ | MAP_POPULATE_ | MAP_STACK_ | MAP_NOREPLACE)
#define MS_BOTH         5UL /* MS_ASYNC, MS_SYNC */
#define MS_ANY          7UL

/* Whole pages that the filter knows to be outside the slice. */
static int is_plain_range(uint64_t addr, uint64_t size)
{
    return !(addr & 4095) && size && size < 1UL << 32 && addr <= TASK_SIZE - size &&
           addr >> 32 != SLICE_HI && addr >> 32 != SLICE_HI - 1;
}

/* Memory that is written can be read, as the sentry has it (host_prot in syscalls/mm_map.c). */
static uint64_t host_prot(uint64_t prot)
{
    return prot | (prot & PROT_WRITE_ ? PROT_READ_ : 0);
}

static long map_over(const uint64_t *a, uint64_t size, uint64_t prot, uint64_t flags, uint64_t fd,
                     uint64_t offset)
{
    int changes = 0;
    if (flags & MAP_FIXED_) {
        stub_vdso_unmapped(a[0], size);
        changes = stub_sites_change(a[0], size, 0);
    }
    long r = gate(__NR_mmap, a[0], size, prot, flags, fd, offset);
    stub_sites_changed(changes);
    return r;
}

/* munmap, or a call with one more argument, of memory that may hold sites. */
static long change_call(uint64_t nr, uint64_t addr, uint64_t size, uint64_t arg)
{
    int changes = stub_sites_change(addr, size, nr == __NR_munmap);
    long r = gate(nr, addr, size, arg, 0, 0, 0);
    stub_sites_changed(changes);
    return r;
}

static long memory_unmap(uint64_t addr, uint64_t size)
{
    stub_vdso_unmapped(addr, size);
    return change_call(__NR_munmap, addr, size, 0);
}

/* As text stays, so does what was rewritten in it. */
static long memory_protect(uint64_t addr, uint64_t size, uint64_t prot)
{
    if (prot != PROT_READ_ && prot != PROT_RX) {
        return change_call(__NR_mprotect, addr, size, host_prot(prot));
    }
    int changes = stub_sites_keep(addr, size); /* who rewrites something there has it writable */
    long r = gate(__NR_mprotect, addr, size, prot, 0, 0, 0);
    stub_sites_changed(changes);
    return r;
}

#define MREMAP_FIXED_ 2UL

long stub_mem(const struct stub_mem_call *m)
{
    const uint64_t *a = m->args;
    int fixed = m->nr == __NR_mmap && a[3] & MAP_FIXED_, moves = m->nr == __NR_mremap, changes = 0;
    if (fixed || moves || m->nr == __NR_munmap) {
        stub_vdso_unmapped(a[0], a[1]);
    }
    if (moves && a[3] & MREMAP_FIXED_) {
        stub_sites_changed(stub_sites_change(a[4], a[2], 0));
    }
    if (fixed || moves || m->nr == __NR_munmap || m->nr == __NR_mprotect || m->nr == __NR_madvise) {
        changes = stub_sites_change(a[0], a[1], m->nr == __NR_munmap);
    }
    long r;
    do { /* a kick that comes before the sentry has seen the notification takes us out of it */
        r = gate(m->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    } while (r == -EINTR_);
    stub_sites_changed(changes);
    if (m->close_fd) {
        stub_was_lent(own_area()->slot);
        gate(__NR_close, m->close_fd, 0, 0, 0, 0, 0);
    }
    return r;
}

static long memory_map(const uint64_t *a, uint64_t size)
{
    uint64_t flags = a[3];
    if ((flags & ~MAP_PLAIN) != (MAP_PRIVATE_ | MAP_ANON_) || a[2] & ~PROT_RWX || a[5] & 4095 ||
        !is_plain_range(flags & (MAP_FIXED_ | MAP_NOREPLACE) ? a[0] : a[0] & ~4095UL, size)) {
        return NOT_OURS;
    }
    return map_over(a, size, host_prot(a[2]), flags, (uint64_t)-1, 0);
}

/* Text at addr, which was writable for our sake, is as it was asked for. Return: addr. */
static long protect_again(long addr, uint64_t size, uint64_t prot)
{
    long r = gate(__NR_mprotect, (uint64_t)addr, size, prot, 0, 0, 0);
    if (r != 0) {
        gate(__NR_munmap, (uint64_t)addr, size, 0, 0, 0, 0);
    }
    return r == 0 ? addr : r;
}

long stub_map_kept(const uint64_t *a, uint32_t number, uint32_t lease)
{
    uint64_t size = (a[1] + 4095) & ~4095UL, flags = a[3] & ~MAP_EXECUTABLE_;
    if ((flags & ~(MAP_PLAIN | MAP_DENYWRITE_)) != MAP_PRIVATE_ || a[2] & ~PROT_RWX ||
        (a[2] & PROT_EXEC_ && !(lease & LEASE_EXEC)) || a[5] & 4095 || a[5] >> 40 ||
        !is_plain_range(flags & (MAP_FIXED_ | MAP_NOREPLACE) ? a[0] : a[0] & ~4095UL, size)) {
        return NOT_OURS;
    }
    int code = a[2] == PROT_RX, patch = code && stub_library_has_sites(number);
    long r = map_over(a, size, patch ? PROT_RWX : host_prot(a[2]), flags, number, a[5]);
    if (r < 0) {
        return r == -EBADF_ || r == -EACCES_ || r == -EPERM_ ? NOT_OURS : r;
    }
    if (code) {
        stub_library_mapped(number, (uint64_t)r, size, a[5]);
    }
    if (patch) {
        stub_library_patch((uint64_t)r, size, a[5]);
        return protect_again(r, size, a[2]);
    }
    return r;
}

long stub_map_filled(uint64_t hint, uint64_t size, uint64_t prot, uint64_t flags, const void *from,
                     uint64_t n)
{
    long r = gate(__NR_mmap, hint, size, PROT_READ_ | PROT_WRITE_, flags, (uint64_t)-1, 0);
    if (r < 0 && r >= -4095) {
        return r;
    }
    guarded_copy((void *)r, from, n);
    return protect_again(r, size, prot);
}

long stub_map_bytes(const uint64_t *a, uint64_t from, uint64_t n)
{
    uint64_t size = (a[1] + 4095) & ~4095UL;
    if ((a[3] & ~(MAP_NORESERVE_ | MAP_POPULATE_ | MAP_DENYWRITE_)) != MAP_PRIVATE_ ||
        a[2] != PROT_READ_ || !is_plain_range(a[0] & ~4095UL, size)) {
        return NOT_OURS;
    }
    return stub_map_filled(a[0], size, PROT_READ_, MAP_PRIVATE_ | MAP_ANON_, (const void *)from, n);
}

long stub_memory(uint64_t nr, const uint64_t *a)
{
    uint64_t size = (a[1] + 4095) & ~4095UL;
    if (nr == __NR_mmap) {
        return memory_map(a, size);
    }
    if (!is_plain_range(a[0], size)) {
        return NOT_OURS;
    }
    switch (nr) {
    case __NR_munmap:
        return memory_unmap(a[0], size);
    case __NR_mprotect:
        return a[2] & ~PROT_RWX ? NOT_OURS : memory_protect(a[0], size, a[2]);
    case __NR_madvise:
        return a[2] < GATE_ADVICE_COUNT && GATE_ADVICE >> a[2] & 1
                   ? change_call(nr, a[0], size, a[2]) /* dropped pages are the file's again */
                   : NOT_OURS;
    case __NR_msync:
        return a[2] & ~MS_ANY || (a[2] & MS_BOTH) == MS_BOTH ? NOT_OURS
                                                             : gate(nr, a[0], size, a[2], 0, 0, 0);
    case __NR_mincore: /* a byte a page */
        return is_plain_range(a[2] & ~4095UL, (size >> 12) + 4096)
                   ? gate(nr, a[0], a[1], a[2], 0, 0, 0)
                   : NOT_OURS;
    default:
        return NOT_OURS;
    }
}

/* Return: the new break, the old one when it can't be moved, or NOT_OURS. */
static long brk_move(struct stub_process *p, uint64_t addr)
{
    uint64_t old_end = (p->brk + 4095) & ~4095UL, new_end = (addr + 4095) & ~4095UL;
    long r = 0;
    if (addr < p->brk_start || addr > TASK_SIZE - 4096) {
        return (long)p->brk;
    }
    if (new_end > old_end) {
        if (!is_plain_range(old_end, new_end - old_end)) {
            return NOT_OURS;
        }
        p->brk_to = addr;
        r = gate(__NR_mmap, old_end, new_end - old_end, 3, MAP_PRIVATE_ | MAP_ANON_ | MAP_NOREPLACE,
                 (uint64_t)-1, 0);
        r = r == (long)old_end ? 0 : -1;
    } else if (new_end < old_end) {
        if (!is_plain_range(new_end, old_end - new_end)) {
            return NOT_OURS;
        }
        p->brk_to = addr;
        r = memory_unmap(new_end, old_end - new_end);
    }
    if (r == 0) {
        p->brk = addr;
    }
    p->brk_to = 0;
    return (long)p->brk;
}

void stub_brk_mend(void)
{
    struct stub_process *p = this_process();
    uint64_t old_end = (p->brk + 4095) & ~4095UL, new_end = (p->brk_to + 4095) & ~4095UL;
    uint8_t there;
    if (p->brk_to) {
        uint64_t first = new_end < old_end ? new_end : old_end;
        int is_mapped = gate(__NR_mincore, first, 4096, ptr(&there), 0, 0, 0) == 0;
        p->brk = is_mapped == (new_end > old_end) ? p->brk_to : p->brk;
        p->brk_to = 0;
    }
}

long stub_brk(uint64_t addr)
{
    struct stub_process *p = this_process();
    if (!p->brk_start) {
        return NOT_OURS;
    }
    stub_brk_lock();
    long r = brk_move(p, addr);
    stub_brk_unlock();
    return r;
}
