/*
 * memfd_create(2) and the fcntl commands for its seals. Analogous to Linux's mm/memfd.c. The files are
 * nameless files of a tmpfs that is mounted nowhere.
 */
#include "syscalls/fd_seal.h"

#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/host.h"
#include "lib/strbuf.h"
#include "sentry/base/errno.h"
#include "sentry/fs/fs.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x8U
#define MFD_EXEC        0x10U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#define SEALS_ALL                                                                                  \
    ((unsigned)(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE |   \
                F_SEAL_EXEC))
#define MEMFD_NAME_MAX 249 /* NAME_MAX without "memfd:" */

/* Every file of a tmpfs has seals; those that have a name are sealed against sealing. */
long fcntl_get_seals(const struct file *f)
{
    const struct inode *inode = f->inode;
    if (inode->i_flags & INODE_SEALABLE) {
        return (long)inode->seals;
    }
    return S_ISREG(inode->mode) && inode->sb->magic == TMPFS_MAGIC ? F_SEAL_SEAL : -EINVAL;
}

/* One line of a map: does it show a part of the host file (st; from map's offset on) that others see written? */
static bool line_maps_shared(const char *line, const struct stat *st, const struct file_map *map,
                             int64_t size)
{
    unsigned long start, end, offset, ino;
    unsigned dev_major, dev_minor;
    char perms[5];
    if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, perms, &offset, &dev_major,
               &dev_minor, &ino) != 7) {
        return false;
    }
    return perms[3] == 's' && ino == st->st_ino && makedev(dev_major, dev_minor) == st->st_dev &&
           offset < map->host_offset + (uint64_t)size && offset + (end - start) > map->host_offset;
}

static int space_maps_shared(struct platform_space *space, const struct stat *st,
                             const struct file_map *map, int64_t size)
{
    AUTO_STRBUF text = {0};
    int r = platform_proc_read(space, "maps", &text);
    if (r < 0) {
        return r == -ESRCH ? 0 : r; /* the process is gone */
    }
    char *save = NULL;
    for (char *line = strtok_r(text.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (line_maps_shared(line, st, map, size)) {
            return 1;
        }
    }
    return 0;
}

/*
 * Is the file mapped shared anywhere? Only the host knows, so its maps are read; sealing is rare.
 * DEVIATION: a shared mapping through a read-only open counts, too; Linux lets it be.
 */
static int file_mapped_shared(struct file *f)
{
    struct file_map map;
    struct stat st;
    const struct task *t;
    const struct mm *last = NULL;
    if (f->inode->size == 0) {
        return 0;
    }
    int r = f->ops->mmap ? f->ops->mmap(f, PROT_READ, MAP_SHARED, &map) : -ENODEV;
    if (r == 0) {
        r = host_fstat(map.host_fd, &st);
    }
    if (r < 0) {
        return r;
    }
    list_for_each_entry (t, &g_kernel->tasks, all_link) {
        if (!t->mm || t->mm == last || !t->mm->space) {
            continue;
        }
        last = t->mm;
        r = space_maps_shared(t->mm->space, &st, &map, f->inode->size);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

long fcntl_add_seals(struct file *f, unsigned seals)
{
    struct inode *inode = f->inode;
    if (!file_writable(f)) {
        return -EPERM;
    }
    const long now = fcntl_get_seals(f);
    if (now < 0 || seals & ~SEALS_ALL) {
        return -EINVAL;
    }
    if (now & F_SEAL_SEAL) {
        return -EPERM;
    }
    if (seals & F_SEAL_WRITE && !(inode->seals & F_SEAL_WRITE)) {
        int r = file_mapped_shared(f);
        if (r != 0) {
            return r < 0 ? r : -EBUSY;
        }
    }
    if (seals & F_SEAL_EXEC && inode->mode & 0111) {
        seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    }
    inode->seals |= seals;
    return 0;
}

/* --- memfd_create --- */

static int shm_super(struct super_block **out)
{
    if (!g_kernel->shm_sb) {
        int r = tmpfs_new(0777, 0, 0, 0, &g_kernel->shm_sb);
        if (r < 0) {
            return r;
        }
    }
    *out = g_kernel->shm_sb;
    return 0;
}

static int memfd_new(const struct cred *cred, const char *name, unsigned flags, struct file **out)
{
    struct super_block *sb;
    AUTO_PUT(inode) inode = NULL;
    AUTO_PUT(file) f = NULL;
    char shown[sizeof("/memfd: (deleted)") + MEMFD_NAME_MAX];
    const uint32_t mode = S_IFREG | (flags & MFD_NOEXEC_SEAL ? 0666 : 0777);
    int r = shm_super(&sb);
    if (r == 0) {
        struct inode *dir = sb->root->inode;
        r = dir->ops->tmpfile(dir, mode, cred, &inode);
    }
    if (r == 0) {
        inode->i_flags |= INODE_SEALABLE;
        inode->seals = flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) ? 0 : F_SEAL_SEAL;
        inode->seals |= flags & MFD_NOEXEC_SEAL ? F_SEAL_EXEC : 0;
        r = file_open_inode(inode, O_RDWR | 0100000 /* O_LARGEFILE */, cred, &f);
    }
    if (r == 0) {
        snprintf(shown, sizeof(shown), "/memfd:%s (deleted)", name);
        r = dentry_new_anon(shown, inode_get(inode), &f->path.dentry);
    }
    if (r == 0) {
        f->lax_writer = true;
        inode->lax_writers++;
        *out = take(&f);
    }
    return r;
}

long sys_memfd_create(struct task *t, uaddr_t name_addr, unsigned flags)
{
    AUTO_PUT(file) f = NULL;
    char name[MEMFD_NAME_MAX + 1];
    if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC) ||
        (flags & MFD_NOEXEC_SEAL && flags & MFD_EXEC)) {
        return -EINVAL;
    }
    ssize_t n = copy_in_str(t->mm, name, name_addr, sizeof(name));
    if (n < 0) {
        return n == -ENAMETOOLONG ? -EINVAL : n;
    }
    if (flags & MFD_HUGETLB) {
        return -ENOSYS; /* a kernel without hugetlbfs */
    }
    int r = memfd_new(t->cred, name, flags, &f);
    if (r < 0) {
        return r;
    }
    return fd_table_install(t->files, f, 0, fd_limit(t), flags & MFD_CLOEXEC);
}
