/*
 * mmap, munmap, mprotect, mremap, brk. Analogous to Linux's mm/mmap.c, of which only the front half
 * is needed: which file, which rights, which flags, which limits. The host's own mmap does the
 * rest in the guest's address space. mmap(2), mprotect(2), mremap(2), brk(2).
 */
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/host.h"
#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/vfs/seal.h"
#include "syscalls/helpers.h"
#include "syscalls/mm_call.h"
#include "syscalls/strace.h"
#include "syscalls/syscalls.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#define MAP_COPY_MAX (64UL * 1024)
#define PROT_SEM_BIT 0x8UL
#define PROT_RWX     ((unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC))
/* What Linux silently knows with MAP_SHARED and MAP_PRIVATE; MAP_SHARED_VALIDATE refuses the rest. */
#define MAP_KNOWN_LEGACY                                                                           \
    (MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |       \
     MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |        \
     MAP_HUGETLB | MAP_32BIT | 0x4000000 /* MAP_UNINITIALIZED */ | 0x78000000 |                    \
     0x54000000 /* MAP_HUGE_1GB, MAP_HUGE_2MB */)
/* What the host gets to see, beside the type. */
#define MAP_HOST_FLAGS                                                                             \
    ((unsigned long)(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_NORESERVE |             \
                     MAP_POPULATE | MAP_STACK | MAP_DENYWRITE | MAP_LOCKED | MAP_32BIT |           \
                     MAP_GROWSDOWN))

struct map_request {
    uaddr_t addr;
    uint64_t size; /* whole pages */
    unsigned long prot, flags;
    uint64_t offset;
};

/* PROT_READ implies nothing more here: READ_IMPLIES_EXEC is not offered. */
static int map_type_anonymous(const struct map_request *m, unsigned long *out_type)
{
    switch (m->flags & MAP_TYPE) {
    case MAP_SHARED:
    case MAP_PRIVATE:
        if (m->flags & MAP_GROWSDOWN && (m->flags & MAP_TYPE) == MAP_SHARED) {
            return -EINVAL;
        }
        *out_type = m->flags & MAP_TYPE;
        return 0;
    default: /* MAP_DROPPABLE too: Linux before 6.11 did not know it */
        return -EINVAL;
    }
}

/* Linux mounts its file systems of pipes, sockets and their like without execution. */
static bool forbids_exec(const struct file *f)
{
    const uint32_t magic = f->inode->sb->magic;
    return f->path.mnt
               ? f->path.mnt->flags & MNT_NOEXEC
               : magic == PIPEFS_MAGIC || magic == SOCKFS_MAGIC || magic == ANON_INODE_FS_MAGIC;
}

/* Linux's do_mmap order: rights by type, then the mount, then whether the file can be mapped. */
static int map_type_file(const struct map_request *m, const struct file *f, unsigned long *out_type)
{
    switch (m->flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
        if (m->flags & ~(unsigned long)(MAP_KNOWN_LEGACY | MAP_SHARED_VALIDATE)) {
            return -EOPNOTSUPP;
        }
        /* fall through */
    case MAP_SHARED:
        if (m->prot & PROT_WRITE && !file_writable(f)) {
            return -EACCES;
        }
        *out_type = MAP_SHARED;
        break;
    case MAP_PRIVATE:
        *out_type = MAP_PRIVATE;
        break;
    default:
        return -EINVAL;
    }
    if (!file_readable(f)) {
        return -EACCES;
    }
    if (*out_type == MAP_SHARED && m->prot & PROT_WRITE && seal_denies_mapping(f->inode)) {
        return -EPERM;
    }
    if (m->prot & PROT_EXEC && forbids_exec(f)) {
        return -EPERM;
    }
    if (!f->ops->mmap) {
        return -ENODEV;
    }
    return m->flags & MAP_GROWSDOWN ? -EINVAL : 0;
}

/* Range, limits: common to both kinds, and before the file is asked. */
static int map_check(struct task *t, struct map_request *m, size_t length)
{
    if (length == 0) {
        return -EINVAL;
    }
    m->size = ALIGN_UP((uint64_t)length, PAGE_SIZE);
    if (m->size < length || m->size > PLATFORM_TASK_SIZE) {
        return -ENOMEM;
    }
    if (!(m->flags & MAP_ANONYMOUS) && m->offset + m->size < m->offset) {
        return -EOVERFLOW;
    }
    if (m->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (m->addr > PLATFORM_TASK_SIZE - m->size) {
            return -ENOMEM;
        }
        if (m->addr & (PAGE_SIZE - 1)) {
            return -EINVAL;
        }
    } else if (platform_range_reserved(m->addr, m->size)) {
        m->addr = 0; /* a hint: the host would take holes of the stub's slice for free */
    }
    if (m->flags & MAP_LOCKED) {
        int r = mm_limit_lock(t, m->size);
        if (r < 0) {
            return r == -ENOMEM ? -EAGAIN : r;
        }
    }
    return 0;
}

/*
 * This CPU can't make pages that are written but not read, and Linux's own copying goes by the CPU. The
 * sentry's goes by the host's map, so that must say what is true.
 * DEVIATION: /proc/self/maps shows such memory as readable.
 */
static unsigned long host_prot(unsigned long prot)
{
    return (prot & PROT_RWX) | (prot & PROT_WRITE ? PROT_READ : 0);
}

static struct mem_call map_call(const struct map_request *m, unsigned long type, int host_fd,
                                uint64_t host_offset)
{
    return (struct mem_call){
        .nr = SYS_mmap,
        .args = {m->addr, m->size, host_prot(m->prot), type | (m->flags & MAP_HOST_FLAGS),
                 (uint64_t)(int64_t)host_fd, host_offset},
        .host_fd = host_fd,
    };
}

/* The name that /proc/self/maps will show for it. */
static int map_note(struct task *t, const struct file *f, const struct file_map *map)
{
    AUTO_STRBUF name = {0};
    int r = path_name(&f->path, &t->fs->root, &name);
    if (r < 0) {
        return r;
    }
    return mm_note_file(t->mm, map->host_fd, f->inode->dev, f->inode->ino,
                        name.text ? name.text : "");
}

/*
 * Files whose bytes a guest executes where it could write them: rewriting call sites there would change the file. All
 * threads are told at once, and with the first that is executable no site is rewritten any more.
 */
static void note_shared(struct task *t, bool code)
{
    struct task *other;
    if (t->mm->shared_code || (t->mm->shared_files && !code)) {
        return;
    }
    t->mm->shared_files = true;
    t->mm->shared_code = code;
    list_for_each_entry (other, &t->tg->threads, group_link) {
        if (other->pt && other->mm == t->mm) {
            task_update_asks(other);
        }
    }
}

/*
 * A shared mapping carries the rights of the fd it is made from: mprotect can add PROT_WRITE later. So a
 * file that the guest may only read is mapped from a read-only fd, even if the sentry's own is not.
 */
static long map_host_fd(struct task *t, const struct map_request *m, unsigned long type,
                        struct file *f, const struct file_map *map)
{
    AUTO_FD read_only = -1;
    int host_fd = map->host_fd;
    int flags = host_fcntl(host_fd, F_GETFL, 0);
    if (flags < 0) {
        return flags;
    }
    if (type == MAP_SHARED && (!file_writable(f) || seal_denies_mapping(f->inode)) &&
        (flags & O_ACCMODE) != O_RDONLY) {
        host_fd = read_only = platform_reopen_read_only(host_fd);
        if (host_fd < 0) {
            return host_fd;
        }
    }
    if (type == MAP_SHARED && read_only < 0 && (flags & O_ACCMODE) != O_RDONLY) {
        note_shared(t, m->prot & PROT_EXEC);
    }
    const struct mem_call call = map_call(m, type, host_fd, map->host_offset + m->offset);
    bool harmless = type == MAP_PRIVATE || (flags & O_ACCMODE) == O_RDONLY;
    if (read_only < 0 && harmless && !t->mapped_file) {
        f->inode->i_flags |= type == MAP_PRIVATE ? INODE_MAPPED : 0;
        /* As the guest resumes: so the host fd must stay open until then, whoever closes the guest's. */
        t->mapped_file = file_get(f);
        return mem_perform(t, &call);
    }
    return platform_mem(t->pt, &call);
}

static long map_anonymous(struct task *t, struct map_request *m, size_t length)
{
    unsigned long type = 0;
    if (m->flags & MAP_HUGETLB) {
        return length == 0 ? -EINVAL : -ENOMEM; /* a host that has set no huge pages aside */
    }
    int r = map_check(t, m, length);
    if (r == 0) {
        r = map_type_anonymous(m, &type);
    }
    if (r == 0) {
        r = mm_limit_growth(t, m->size, type == MAP_PRIVATE && m->prot & PROT_WRITE);
    }
    if (r < 0) {
        return r;
    }
    const struct mem_call call = map_call(m, type, -1, 0);
    return mem_perform(t, &call);
}

/*
 * A small file that is mapped to be read, as git does with thousands: to copy its bytes costs a quarter of mapping them, for
 * which the guest has to be given the file.
 * DEVIATION: who opens the file to write it while such a copy is mapped changes the file alone (mmap(2): "unspecified"; on Linux the
 * mapping shows it), and /proc/PID/maps has no name for the mapping.
 */
static bool may_copy(struct task *t, const struct map_request *m, unsigned long type,
                     const struct file *f)
{
    const unsigned long plain = MAP_PRIVATE | MAP_NORESERVE | MAP_POPULATE | MAP_DENYWRITE;
    return type == MAP_PRIVATE && (m->prot & PROT_RWX) == PROT_READ && !(m->flags & ~plain) &&
           m->size <= MAP_COPY_MAX && S_ISREG(f->inode->mode) && f->inode->writers == 0 &&
           f->ops->steady && f->ops->steady(f) &&
           m->offset + m->size <= ALIGN_UP((uint64_t)f->inode->size, PAGE_SIZE) &&
           !signal_pending(t) && !strace_on();
}

/* Return: false when the file is to be mapped instead. */
static bool map_copy(struct task *t, const struct map_request *m, struct file *f, long *out)
{
    void *room = platform_copy_room(t->pt, m->size);
    ssize_t n = room ? file_kernel_read(f, room, m->size, (int64_t)m->offset) : -1;
    if (n <= 0 || (uint64_t)n != MIN(m->size, (uint64_t)f->inode->size - m->offset)) {
        return false;
    }
    const struct mem_call call = {
        .nr = SYS_mmap,
        .args = {m->addr, m->size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0},
        .host_fd = -1,
        .copy_size = (uint64_t)n};
    *out = platform_mem_tail(t->pt, &call);
    return true;
}

static long map_file(struct task *t, struct map_request *m, size_t length, struct file *f)
{
    struct file_map map;
    unsigned long type = 0;
    if (m->flags & MAP_HUGETLB) {
        return -EINVAL;
    }
    int r = map_check(t, m, length);
    if (r == 0) {
        r = map_type_file(m, f, &type);
    }
    if (r == 0) {
        r = mm_limit_growth(t, m->size, type == MAP_PRIVATE && m->prot & PROT_WRITE);
    }
    long copied;
    if (r == 0 && may_copy(t, m, type, f) && map_copy(t, m, f, &copied)) {
        return copied;
    }
    if (r == 0) {
        r = f->ops->mmap(f, (int)(m->prot & PROT_RWX), (int)type, &map);
    }
    if (r == 0 && map.host_fd < 0) {
        m->flags = (m->flags & ~(unsigned long)MAP_TYPE) | type | MAP_ANONYMOUS; /* /dev/zero */
        return map_anonymous(t, m, length);
    }
    if (r == 0) {
        r = map_note(t, f, &map);
    }
    if (r < 0) {
        return r;
    }
    return map_host_fd(t, m, type, f, &map);
}

long sys_mmap(struct task *t, uaddr_t addr, size_t length, unsigned long prot, unsigned long flags,
              int fd, long offset)
{
    struct map_request m = {.addr = addr, .prot = prot, .flags = flags, .offset = (uint64_t)offset};
    if (m.offset & (PAGE_SIZE - 1)) {
        return -EINVAL;
    }
    if (flags & MAP_ANONYMOUS) {
        return map_anonymous(t, &m, length);
    }
    AUTO_PUT(file) f = NULL;
    int r = file_in(t, fd, &f);
    return r < 0 ? r : map_file(t, &m, length, f);
}

long sys_munmap(struct task *t, uaddr_t addr, size_t len)
{
    if (addr & (PAGE_SIZE - 1) || len == 0 || !range_ok(addr, len)) {
        return -EINVAL;
    }
    const struct mem_call call = {
        .nr = SYS_munmap, .args = {addr, ALIGN_UP(len, PAGE_SIZE)}, .host_fd = -1};
    return mem_perform(t, &call);
}

long sys_mprotect(struct task *t, uaddr_t addr, size_t len, unsigned long prot)
{
    const unsigned long grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
    if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || addr & (PAGE_SIZE - 1)) {
        return -EINVAL;
    }
    if (len == 0) {
        return 0;
    }
    if (ALIGN_UP(len, PAGE_SIZE) < len || addr + ALIGN_UP(len, PAGE_SIZE) <= addr) {
        return -ENOMEM;
    }
    if (prot & ~(PROT_RWX | PROT_SEM_BIT | PROT_GROWSDOWN | PROT_GROWSUP)) {
        return -EINVAL;
    }
    if (!range_ok(addr, len)) {
        return -ENOMEM;
    }
    if (prot & PROT_EXEC && t->mm->shared_files) {
        note_shared(t, true);
    }
    const struct mem_call call = {.nr = SYS_mprotect,
                                  .args = {addr, ALIGN_UP(len, PAGE_SIZE), host_prot(prot) | grows},
                                  .host_fd = -1};
    return mem_perform(t, &call);
}

/* As a CPU without protection keys: there is none to name but -1, "no key". */
long sys_pkey_mprotect(struct task *t, uaddr_t addr, size_t len, unsigned long prot, int pkey)
{
    return pkey == -1 ? sys_mprotect(t, addr, len, prot) : -EINVAL;
}

long sys_pkey_alloc(struct task *t, unsigned long flags, unsigned long access_rights)
{
    (void)t;
    return flags || access_rights & ~(unsigned long)(PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE)
               ? -EINVAL
               : -ENOSPC;
}

long sys_pkey_free(struct task *t, int pkey)
{
    (void)t;
    (void)pkey;
    return -EINVAL;
}

static int remap_check(uaddr_t old_addr, uint64_t old_size, uint64_t new_size, unsigned long flags,
                       uaddr_t new_addr)
{
    if (flags & ~(unsigned long)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) {
        return -EINVAL;
    }
    if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE)) {
        return -EINVAL;
    }
    if (flags & MREMAP_DONTUNMAP && old_size != new_size) {
        return -EINVAL;
    }
    if (old_addr & (PAGE_SIZE - 1) || new_size == 0) {
        return -EINVAL;
    }
    if (flags & MREMAP_FIXED) {
        if (new_addr & (PAGE_SIZE - 1) || !range_ok(new_addr, new_size)) {
            return -EINVAL;
        }
        if (old_addr + old_size > new_addr && new_addr + new_size > old_addr) {
            return -EINVAL;
        }
    }
    return range_ok(old_addr, old_size) ? 0 : -EFAULT;
}

/*
 * DEVIATION: neighbouring mappings of one file that were made through different open file descriptions are one mapping to the host, which
 * can be resized, where Linux gives EFAULT.
 */
long sys_mremap(struct task *t, uaddr_t old_address, size_t old_size, size_t new_size,
                unsigned long flags, uaddr_t new_address)
{
    old_size = ALIGN_UP(old_size, PAGE_SIZE);
    new_size = ALIGN_UP(new_size, PAGE_SIZE);
    int r = remap_check(old_address, old_size, new_size, flags, new_address);
    if (r == 0 && new_size > old_size) {
        r = mm_limit_growth(t, new_size - old_size, false);
    }
    if (r < 0) {
        return r;
    }
    const struct mem_call call = {.nr = SYS_mremap,
                                  .args = {old_address, old_size, new_size, flags, new_address},
                                  .host_fd = -1};
    return mem_perform(t, &call);
}

static void brk_set(struct mm *mm, uaddr_t brk)
{
    mm->brk = brk;
    platform_set_brk(mm->space, mm->start_brk, brk);
}

/* For who shares the memory of one who was killed during the call: was it made? */
static bool brk_has_moved(struct mm *mm, const struct mem_call *call)
{
    char byte;
    bool is_mapped = platform_copy_in(mm->space, &byte, call->args[0], 1) == 1;
    return is_mapped == (call->nr == SYS_mmap);
}

/*
 * mm->brk moves before the host is asked, so that another thread's brk during the call starts from
 * the new end; a failure moves it back only if nobody has gone on from there.
 */
static long brk_move(struct task *t, uaddr_t brk, const struct mem_call *call)
{
    struct mm *mm = t->mm;
    const uaddr_t old = mm->brk;
    brk_set(mm, brk);
    long r = platform_mem(t->pt, call);
    if (r < 0 && mm_brk(mm) == brk && !(r == -ESRCH && brk_has_moved(mm, call))) {
        brk_set(mm, old);
    }
    return (long)mm_brk(mm);
}

/* Usually the stub moves it by itself. */
long sys_brk(struct task *t, uaddr_t addr)
{
    struct mm *mm = t->mm;
    mm->brk = mm_brk(mm);
    const uaddr_t old_end = ALIGN_UP(mm->brk, PAGE_SIZE);
    if (addr < mm->start_brk || addr > PLATFORM_TASK_SIZE - PAGE_SIZE) {
        return (long)mm->brk;
    }
    const uaddr_t new_end = ALIGN_UP(addr, PAGE_SIZE);
    if (new_end == old_end) {
        brk_set(mm, addr);
        return (long)addr;
    }
    if (new_end < old_end) {
        const struct mem_call shrink = {
            .nr = SYS_munmap, .args = {new_end, old_end - new_end}, .host_fd = -1};
        return brk_move(t, addr, &shrink);
    }
    const uint64_t limit = task_rlimit(t, RLIMIT_DATA);
    const uint64_t data = addr - mm->start_brk + (mm->end_data - mm->start_data);
    if (data > limit || mm_limit_growth(t, new_end - old_end, true) < 0) {
        return (long)mm->brk;
    }
    const struct mem_call grow = {
        .nr = SYS_mmap,
        .args = {old_end, new_end - old_end, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0},
        .host_fd = -1,
    };
    return brk_move(t, addr, &grow);
}
