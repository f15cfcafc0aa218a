/*
 * When files are leased to processes, and when leases are held. The kinds:
 *
 *   lease_file.c   regular files: bytes, position and size are the process's
 *   lease_pipe.c   pipes: a ring of bytes that the processes at both ends share
 *   lease_close.c  regular files that were just opened: position, size, attributes; and closing them
 *   lease_directory.c  directories that were just opened: attributes, entries; closing and copying their fds
 *   lease_locks.c  record locks on a leased file
 *   notes.c        memory files that were just opened or made: what is done to them is told later
 *   here           files of which the process knows one thing: an epoll set that nothing is ready, until
 *                  something is; /dev/zero and /dev/null what they are
 *
 *      granted     what the lease page says is the file's state; the kernel's copy is old
 *         | hold: somebody in the kernel looked the file up (vfs/lease.h)
 *      held        the state was taken over; the processes have to ask
 *         | the last system call that held it is done
 *      granted     or ended: an fd was closed, the bytes moved, the address space is gone ...
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "sentry/fs/epoll.h"
#include "sentry/fs/eventfd.h"
#include "sentry/fs/pipe.h"
#include "sentry/task/lease_internal.h"

#define FCNTL_WORTH_IT  8
#define STALE_BYTES_MAX (8UL * 1024 * 1024) /* of ended leases that a process may keep mapped */

struct fact_lease {
    struct file_lease base;
    struct list table_link;
    struct lease_table *table;
    struct file *file; /* borrowed */
};

static void hold(struct file_lease *l)
{
    struct task *t = task_current();
    for (unsigned i = 0; t && i < t->lease_count; i++) {
        if (t->leases[i] == l) {
            return;
        }
    }
    if (!t || t->lease_count == TASK_LEASES_MAX) {
        file_lease_end(l);
        return;
    }
    t->leases[t->lease_count++] = l;
    file_lease_acquire(l);
}

/* Any of its parent's mappings may be there. */
static void expect_inherited(struct lease_table *table)
{
    for (unsigned i = 0; i < LEASE_MAX; i++) {
        table->stale[i] = lease_room(i);
    }
    memset(table->stale_rings, true, sizeof(table->stale_rings));
    table->unmap_wanted = true;
}

struct lease_table *lease_table_of(struct task *t)
{
    struct mm *mm = t->mm;
    struct platform_lease_page *page;
    if (!mm->leases && (page = platform_lease_page(mm->space))) {
        g_file_lease_hold = hold;
        g_file_lease_yield_room = lease_yield_room;
        mm->leases = calloc(1, sizeof(*mm->leases));
        if (mm->leases) {
            mm->leases->page = page;
            mm->leases->files = t->files;
            mm->leases->space = mm->space;
            mm->leases->worth = LEASE_WORTH_IT;
            list_init(&mm->leases->facts);
            lease_closes_init(mm->leases, t->files);
            if (mm->inherited_leases) {
                expect_inherited(mm->leases);
                mm->inherited_leases = false;
            }
        }
    }
    return mm->leases;
}

bool lease_allowed(const struct task *t)
{
    return !lease_is_foreign(t) && fd_table_users(t->files) == (unsigned)t->tg->live_threads;
}

bool lease_is_foreign(const struct task *t)
{
    return t->tg->vm_borrowed || (t->mm->leases && t->mm->leases->files != t->files);
}

bool lease_has_table(const struct task *t, const struct lease_table *table)
{
    return !t->must_exit && lease_owns_table(t, table);
}

bool lease_owns_table(const struct task *t, const struct lease_table *table)
{
    return t->mm && t->mm->leases == table;
}

bool lease_leads_to(const struct task *t, int fd, const struct file *f)
{
    AUTO_PUT(file) now = NULL;
    return fd_table_peek(t->files, fd, &now) == 0 && now == f;
}

/* --- mappings of ended leases --- */

/* They keep the bytes alive, and in the process's reach. */
void lease_set_stale(struct lease_table *table, unsigned index, uint64_t mapped, uint64_t kept)
{
    table->stale_bytes += kept - table->kept[index];
    table->kept[index] = kept;
    table->stale[index] = mapped;
}

void lease_unmap_stale(struct task *t, struct lease_table *table, int only)
{
    unsigned indices[LEASE_MAX + RING_MAX];
    size_t count = 0;
    for (int i = 0; i < LEASE_MAX; i++) {
        if (table->stale[i] && (only < 0 || only == i)) {
            indices[count++] = (unsigned)i;
            lease_set_stale(table, (unsigned)i, 0, 0);
        }
    }
    for (unsigned i = 0; only < 0 && i < RING_MAX; i++) {
        if (table->stale_rings[i] && !table->rings[i]) {
            indices[count++] = LEASE_MAX + i;
        }
        table->stale_rings[i] = false;
    }
    if (count > 0) {
        platform_lease_unmap(t->pt, indices, count);
    }
}

void lease_unmap_lost(struct task *t, unsigned index)
{
    if (!t->must_exit && t->mm && !t->mm->leases) { /* else the next one may have its own there */
        platform_lease_unmap(t->pt, &index, 1);
    }
}

void lease_table_unlock(struct task *t, struct lease_table *table)
{
    while (lease_has_table(t, table) && table->unmap_wanted) {
        table->unmap_wanted = false;
        lease_unmap_stale(t, table, -1);
    }
    if (lease_owns_table(t, table)) {
        table->busy = false;
    }
}

/* Calls after which a process may be trusted less: what it has closed must be out of its reach then. */
static bool gives_up_rights(const struct task *t, long nr)
{
    switch (nr) {
    case SYS_prctl:
        return t->syscall_args[0] == PR_CAPBSET_DROP || t->syscall_args[0] == PR_SET_SECCOMP ||
               t->syscall_args[0] == PR_SET_NO_NEW_PRIVS;
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setfsuid:
    case SYS_setfsgid:
    case SYS_setgroups:
    case SYS_capset:
    case SYS_chroot:
    case SYS_pivot_root:
    case SYS_setns:
    case SYS_unshare:
    case SYS_seccomp:
        return true;
    default:
        return false;
    }
}

static void tidy(struct task *t, long nr)
{
    struct lease_table *table = t->mm->leases;
    bool rights = gives_up_rights(t, nr);
    notes_replied(table);
    if (rights) {
        lease_end_kept(table);
        lease_open_withdraw(table);
        lease_forget_copies(table);
        lease_end_rings(table); /* the others' trust ends: they go on with a ring of their own */
    }
    if (rights || table->stale_bytes > STALE_BYTES_MAX) {
        table->unmap_wanted = true;
    }
    if (table->unmap_wanted && !table->busy) {
        table->busy = true;
        lease_table_unlock(t, table);
    }
}

/* --- files of which one thing is known --- */

static void fact_end(struct file_lease *base)
{
    struct fact_lease *l = container_of(base, struct fact_lease, base);
    __atomic_store_n(&l->table->page->lease_of[l->file->lease_fd], 0, __ATOMIC_SEQ_CST);
    l->file->lease = NULL;
    list_del(&l->table_link);
}

static void fact_fd_closed(struct file_lease *base, struct file *f, const struct fd_table *t,
                           int fd)
{
    if (f->lease_files == t && f->lease_fd == fd) {
        file_lease_end(base);
    }
}

static void fact_free(struct file_lease *base)
{
    free(container_of(base, struct fact_lease, base));
}

static const struct file_lease_ops fact_ops = {
    .end = fact_end, .fd_closed = fact_fd_closed, .free = fact_free};

/* fact: LEASE_IDLE ... */
static void grant_fact(struct task *t, struct file *f, int fd, uint8_t fact)
{
    struct lease_table *table = lease_table_of(t);
    struct fact_lease *l = table && !f->lease ? calloc(1, sizeof(*l)) : NULL;
    if (l) {
        l->table = table;
        l->file = f;
        f->lease = &l->base;
        f->lease_files = t->files;
        f->lease_fd = fd;
        list_add_tail(&l->table_link, &table->facts);
        file_lease_init(&l->base, &fact_ops, f->inode);
        __atomic_store_n(&table->page->lease_of[fd], fact, __ATOMIC_SEQ_CST);
    }
}

/* What these say never changes. */
static void consider_device(struct task *t, struct file *f, int fd)
{
    uint32_t rights = LEASE_READ * file_readable(f) | LEASE_WRITE * file_writable(f);
    if (f->inode->rdev == makedev(1, 3)) {
        grant_fact(t, f, fd, (uint8_t)(LEASE_NULL + rights));
    } else if (f->inode->rdev == makedev(1, 5)) {
        grant_fact(t, f, fd, (uint8_t)(LEASE_ZERO + rights));
    }
}

/* --- system calls --- */

void lease_end_all(struct mm *mm)
{
    struct lease_table *table = take(&mm->leases);
    if (!table) {
        return;
    }
    struct fact_lease *l, *next;
    list_for_each_entry_safe (l, next, &table->facts, table_link) {
        file_lease_end(&l->base);
    }
    lease_end_regular(table);
    lease_end_rings(table);
    notes_free(table);
    lease_closes_end(table);
    fd_table_hide(platform_facts_behind(table->page)->fds);
    free(table);
}

void lease_leave(struct task *t)
{
    struct lease_table *table = t->mm->leases;
    if (!table) {
        return;
    }
    lease_end_regular(table);
    lease_end_rings(table);
    table->busy = true; /* nothing else is mapped meanwhile */
    lease_unmap_stale(t, table, -1);
    if (lease_has_table(t, table)) {
        lease_forget_copies(table);
        lease_end_all(t->mm);
    }
}

/* The call that a success may make worth a lease, by the name it has for files; -1: none. */
static long call_of(const struct task *t, long nr, long result)
{
    switch (nr) {
    case SYS_preadv:
    case SYS_pwritev:
    case SYS_preadv2:
    case SYS_pwritev2:
        return result > 0 ? SYS_pread64 : -1;
    case SYS_readv:
        return SYS_read;
    case SYS_writev:
        return SYS_write;
    case SYS_read:
    case SYS_write:
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_lseek:
    case SYS_fstat:
    case SYS_open:
    case SYS_openat:
    case SYS_openat2:
    case SYS_creat:
    case SYS_getdents64:
        return nr;
    case SYS_newfstatat:
        return (int)t->syscall_args[3] & AT_EMPTY_PATH ? SYS_fstat : -1;
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
        return SYS_poll;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
        return result == 0 && (int)t->syscall_args[3] == 0 ? SYS_epoll_wait : -1;
    default:
        return -1;
    }
}

static bool is_open_call(long nr)
{
    return nr == SYS_open || nr == SYS_openat || nr == SYS_openat2 || nr == SYS_creat;
}

_Static_assert(FACT_FDS == FDS_SHOWN && FD_KNOWN == FD_SHOWN &&
                   FD_CLOEXEC_BIT == FD_SHOWN_CLOEXEC && FD_PLAIN == FD_SHOWN_PLAIN &&
                   FD_STREAM == FD_SHOWN_STREAM && FD_NULL == FD_SHOWN_NULL,
               "the platform's words are the fd table's");

/* A process that often asks about its fds is shown what there is to know. */
static void asked_about_fd(struct task *t, unsigned heat)
{
    struct lease_table *table = lease_allowed(t) ? lease_table_of(t) : NULL;
    if (table && table->fd_heat < FCNTL_WORTH_IT && (table->fd_heat += heat) >= FCNTL_WORTH_IT) {
        fd_table_show(t->files, platform_facts_behind(table->page)->fds);
    }
}

void lease_show_fds(struct task *t)
{
    asked_about_fd(t, FCNTL_WORTH_IT);
}

static void consider_fcntl(struct task *t)
{
    unsigned cmd = (unsigned)t->syscall_args[1];
    if (cmd == F_GETFL || cmd == F_GETFD || cmd == F_SETFD) {
        asked_about_fd(t, 1);
    } else if (cmd == F_SETLK || cmd == F_SETLKW) {
        lease_locks_called(t, (int)t->syscall_args[0]);
    }
}

static void consider(struct task *t, long nr, long result)
{
    if (nr == SYS_fcntl) {
        consider_fcntl(t);
        return;
    }
    AUTO_PUT(file) f = NULL;
    int fd = is_open_call(nr) ? (int)result : (int)t->syscall_args[0];
    nr = call_of(t, nr, result);
    fd = nr == SYS_poll ? t->polled_fd : fd;
    if (nr < 0 || fd < 0 || fd >= LEASE_FD_MAX || !lease_allowed(t) ||
        fd_table_peek(t->files, fd, &f) < 0) {
        return;
    }
    if (S_ISDIR(f->inode->mode)) {
        if (is_open_call(nr)) {
            lease_consider_directory(t, f, fd);
        } else if (nr == SYS_getdents64 && result > 0) {
            lease_directory_read(t);
        }
    } else if (is_open_call(nr)) {
        lease_consider_opened(t, f, fd);
    } else if (S_ISREG(f->inode->mode)) {
        lease_consider_regular(t, f, fd, nr, result);
    } else if (nr == SYS_epoll_wait) {
        if (file_is_epoll(f) && epoll_is_idle(f)) {
            grant_fact(t, f, fd, LEASE_IDLE);
        }
    } else if (file_is_pipe(f) || file_is_eventfd(f)) {
        if (nr == SYS_poll || (result > 0 && (nr == SYS_read || nr == SYS_write))) {
            lease_consider_pipe(t, f, fd);
        }
    } else if (S_ISCHR(f->inode->mode) && !(f->flags & O_PATH)) {
        consider_device(t, f, fd);
    }
}

void lease_call_done(struct task *t, long nr, long result)
{
    while (t->lease_count > 0) {
        file_lease_release(t->leases[--t->lease_count]);
    }
    notes_call_done(t, nr);
    if (t->must_exit || t->exec_started || !t->pt) {
        return;
    }
    if (result >= 0) {
        consider(t, nr, result);
    } else if ((nr == SYS_ioctl && result == -ENOTTY) || (nr == SYS_lseek && result == -ESPIPE)) {
        asked_about_fd(t, 1);
    }
    if (t->mm && (t->mm->leases || (t->mm->inherited_leases && lease_table_of(t)))) {
        tidy(t, nr);
    }
}
