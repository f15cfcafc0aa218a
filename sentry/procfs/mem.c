/*
 * /proc/PID/mem: another process's memory as a file, whose offsets are addresses. Analogous to mem_rw in Linux's
 * fs/proc/base.c. See proc_pid_mem(5).
 *
 * As there, a file speaks of the address space that the process had when it was opened: nothing is there after an exec.
 * DEVIATION: memory without PROT_READ can't be read, and memory without PROT_WRITE only be written while a thread of the process is in a
 * ptrace stop.
 */
#include "sentry/procfs/proc.h"

#include <errno.h>
#include <string.h>

#include "sentry/mm/usercopy.h"
#include "sentry/task/ptrace.h"

#define CHUNK       (16 * PAGE_SIZE)
#define FORCE_CHUNK 64 /* what ptrace_write takes */

/*
 * The memory that f is about, with a reference, or NULL: nobody lives there any more. The thread by which it was opened may have ended before
 * others of its process.
 */
static struct mm *mem_get(const struct file *f)
{
    struct mm *mm = f->private;
    bool there = mm && (mm == proc_mm(proc_inode_of(f->inode)) || mm_is_inhabited(mm));
    return there ? mm_get(mm) : NULL;
}

int proc_mem_open(struct proc_inode *pi, struct file *f)
{
    struct mm *mm = proc_mm(pi);
    f->private = mm ? mm_get(mm) : NULL; /* so that no later one can be taken for it */
    return 0;
}

static void mem_release(struct file *f)
{
    if (f->private) {
        mm_put(f->private);
    }
}

/* A stopped thread of mm, by which its protected pages can be written; NULL. */
static struct ptrace_state *stopped_thread(const struct mm *mm)
{
    struct task *t;
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        const struct ptrace_state *p = t->mm == mm ? task_traced(t) : NULL;
        if (p && ptrace_is_stopped(p) && !p->blind && !t->must_exit) {
            return t->ptrace;
        }
    }
    return NULL;
}

/* Return: bytes written, -EIO when none could be. */
static ssize_t write_somehow(struct mm *mm, uaddr_t addr, const char *buf, size_t size)
{
    size_t done = copy_out_partial(mm, addr, buf, size);
    while (done < size) {
        size_t n = MIN(size - done, (size_t)FORCE_CHUNK);
        struct ptrace_state *p = stopped_thread(mm);
        int r = p ? ptrace_write(p, addr + done, buf + done, n) : -EIO;
        if (r == -EAGAIN) {
            continue; /* it went on: another may be stopped */
        }
        if (r < 0) {
            break;
        }
        done += n;
    }
    return done ? (ssize_t)done : -EIO;
}

/* Up to n bytes by way of buf. Return: how many; 0 or an error when there is none. */
static ssize_t move_chunk(struct mm *mm, uaddr_t addr, struct uio *u, char *buf, size_t n,
                          bool write)
{
    if (!write) {
        size_t got = copy_in_partial(mm, buf, addr, n);
        return got ? uio_copy_to(u, buf, got) : -EIO;
    }
    ssize_t got = uio_copy_from(u, buf, n);
    return got > 0 ? write_somehow(mm, addr, buf, (size_t)got) : got;
}

static ssize_t mem_move(struct file *f, struct uio *u, int64_t *pos, bool write)
{
    AUTO_PUT(mm) mm = mem_get(f);
    size_t done = 0, want = uio_size(u);
    AUTO_FREE char *buf = malloc(CHUNK);
    if (!buf) {
        return -ENOMEM;
    }
    while (mm && done < want) {
        size_t n = MIN(want - done, CHUNK);
        ssize_t moved = move_chunk(mm, (uaddr_t)*pos, u, buf, n, write);
        if (moved <= 0) {
            return done ? (ssize_t)done : moved;
        }
        *pos += moved;
        done += (size_t)moved;
        if ((size_t)moved < n) {
            break;
        }
    }
    return (ssize_t)done;
}

static ssize_t mem_read(struct file *f, struct uio *dst, int64_t *pos)
{
    return mem_move(f, dst, pos, false);
}

static ssize_t mem_write(struct file *f, struct uio *src, int64_t *pos)
{
    return mem_move(f, src, pos, true);
}

/* Offsets are addresses: there is no end to seek from. */
static int64_t mem_llseek(struct file *f, int64_t offset, int whence)
{
    if (whence != SEEK_SET && whence != SEEK_CUR) {
        return -EINVAL;
    }
    int64_t pos = whence == SEEK_CUR ? f->pos + offset : offset;
    f->pos = pos;
    return pos;
}

const struct file_ops proc_mem_ops = {
    .traits = FILE_NO_SPLICE_READ | FILE_NO_SPLICE_WRITE | FILE_NO_RWF_READ | FILE_NO_RWF_WRITE |
              FILE_ANY_POSITION,
    .read = mem_read,
    .write = mem_write,
    .llseek = mem_llseek,
    .release = mem_release,
};
