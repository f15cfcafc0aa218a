/*
 * When files are leased to processes, and when leases are held. The kinds:
 *
 *   lease_file.c   regular files: bytes, position and size are the process's
 *   lease_pipe.c   pipes: a ring of bytes that the processes at both ends share
 *   here           an epoll set with nothing ready: all that the process knows is that, until something is
 *
 *      granted     what the lease page says is the file's state; the kernel's copy is old
 *         | hold: somebody in the kernel looked the file up (vfs/lease.h)
 *      held        the state was taken over; the processes have to ask
 *         | the last system call that held it is done
 *      granted     or ended: an fd was closed, the bytes moved, the address space is gone ...
 */
#include <sys/syscall.h>

#include "sentry/fs/epoll.h"
#include "sentry/fs/pipe.h"
#include "sentry/task/lease_internal.h"

struct idle_lease {
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

struct lease_table *lease_table_of(struct task *t)
{
    struct mm *mm = t->mm;
    struct platform_lease_page *page;
    if (!mm->leases && (page = platform_lease_page(mm->space))) {
        g_file_lease_hold = hold;
        mm->leases = calloc(1, sizeof(*mm->leases));
        if (mm->leases) {
            mm->leases->page = page;
            mm->leases->files = t->files;
            list_init(&mm->leases->idle);
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

/* --- idle epoll sets --- */

static void idle_end(struct file_lease *base)
{
    struct idle_lease *l = container_of(base, struct idle_lease, base);
    __atomic_store_n(&l->table->page->lease_of[l->file->lease_fd], 0, __ATOMIC_SEQ_CST);
    l->file->lease = NULL;
    list_del(&l->table_link);
}

static void idle_fd_closed(struct file_lease *base, struct file *f, const struct fd_table *t,
                           int fd)
{
    if (f->lease_files == t && f->lease_fd == fd) {
        file_lease_end(base);
    }
}

static void idle_free(struct file_lease *base)
{
    free(container_of(base, struct idle_lease, base));
}

static const struct file_lease_ops idle_ops = {
    .end = idle_end, .fd_closed = idle_fd_closed, .free = idle_free};

static void consider_epoll(struct task *t, struct file *f, int fd)
{
    struct lease_table *table = lease_table_of(t);
    struct idle_lease *l = table && !f->lease && epoll_is_idle(f) ? calloc(1, sizeof(*l)) : NULL;
    if (l) {
        l->table = table;
        l->file = f;
        f->lease = &l->base;
        f->lease_files = t->files;
        f->lease_fd = fd;
        list_add_tail(&l->table_link, &table->idle);
        file_lease_init(&l->base, &idle_ops, f->inode);
        __atomic_store_n(&table->page->lease_of[fd], LEASE_IDLE, __ATOMIC_SEQ_CST);
    }
}

/* --- system calls --- */

void lease_end_all(struct mm *mm)
{
    struct lease_table *table = take(&mm->leases);
    if (!table) {
        return;
    }
    struct idle_lease *l, *next;
    list_for_each_entry_safe (l, next, &table->idle, table_link) {
        file_lease_end(&l->base);
    }
    lease_end_regular(table);
    lease_end_rings(table);
    free(table);
}

/* The call that a success may make worth a lease, by the name it has for files; -1: none. */
static long call_of(const struct task *t, long nr, long result)
{
    switch (nr) {
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_lseek:
    case SYS_fstat:
        return nr;
    case SYS_newfstatat:
        return (int)t->syscall_args[3] & AT_EMPTY_PATH ? SYS_fstat : -1;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
        return result == 0 && (int)t->syscall_args[3] == 0 ? SYS_epoll_wait : -1;
    default:
        return -1;
    }
}

static void consider(struct task *t, long nr, long result)
{
    AUTO_PUT(file) f = NULL;
    int fd = (int)t->syscall_args[0];
    nr = call_of(t, nr, result);
    if (nr < 0 || fd < 0 || fd >= LEASE_FD_MAX || !lease_allowed(t) ||
        fd_table_peek(t->files, fd, &f) < 0) {
        return;
    }
    if (S_ISREG(f->inode->mode)) {
        lease_consider_regular(t, f, fd, nr);
    } else if (nr == SYS_epoll_wait) {
        if (file_is_epoll(f)) {
            consider_epoll(t, f, fd);
        }
    } else if (result > 0 && (nr == SYS_read || nr == SYS_write) && file_is_pipe(f)) {
        lease_consider_pipe(t, f, fd);
    }
}

void lease_call_done(struct task *t, long nr, long result)
{
    while (t->lease_count > 0) {
        file_lease_release(t->leases[--t->lease_count]);
    }
    if (t->must_exit || t->exec_started || !t->pt) {
        return;
    }
    if (result >= 0) {
        consider(t, nr, result);
    }
    if (t->mm->leases) {
        lease_unpin(t, t->mm->leases);
    }
}
