/*
 * struct fs_context: root, working directory and umask, shared by CLONE_FS (Linux's fs_struct); and
 * the walk that a task's system calls start from it.
 */
#include "sentry/mm/usercopy.h"
#include "sentry/task/facts.h"
#include "sentry/task/internal.h"
#include "sentry/vfs/stamp.h"
#include "sentry/vfs/vfs.h"

#include <limits.h>

int fs_context_new(const struct path *root, const struct path *cwd, uint32_t umask,
                   struct fs_context **out)
{
    struct fs_context *fs = calloc(1, sizeof(*fs));
    if (!fs) {
        return -ENOMEM;
    }
    refcount_init(&fs->ref);
    path_copy(&fs->root, root);
    path_copy(&fs->cwd, cwd);
    fs->umask = umask;
    fs->cwd_stamp = stamp_new_id();
    fs->root_stamp = stamp_new_id();
    *out = fs;
    return 0;
}

int fs_context_copy(const struct fs_context *fs, struct fs_context **out)
{
    return fs_context_new(&fs->root, &fs->cwd, facts_umask(fs), out);
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
    refcount_get(&fs->ref);
    return fs;
}

void fs_context_put(struct fs_context *fs)
{
    if (refcount_put(&fs->ref)) {
        facts_end_at(fs);
        path_put(&fs->root);
        path_put(&fs->cwd);
        free(fs);
    }
}

/**
 * task_walk - where a path walk for this task starts, and as whom.
 * @dirfd: AT_FDCWD or an open directory (also O_PATH); the walk itself finds out whether it is one.
 * @start: gets references, so that a chdir by another thread can't pull it away; path_put it.
 *
 * The root is borrowed from fs: valid while this task does not call chroot.
 * Errors: -EBADF.
 */
int task_walk(struct task *t, int dirfd, unsigned flags, struct walk *w, struct path *start)
{
    if (dirfd == AT_FDCWD) {
        path_copy(start, &t->fs->cwd);
    } else {
        AUTO_PUT(file) f = NULL;
        int r = fd_table_lookup_any(t->files, dirfd, &f);
        if (r < 0) {
            return r;
        }
        path_copy(start, &f->path);
    }
    *w = (struct walk){.cred = t->cred,
                       .root = &t->fs->root,
                       .start = start,
                       .umask = facts_umask(t->fs),
                       .flags = flags};
    return 0;
}

int task_path_in(struct task *t, uaddr_t name, char *buf, bool allow_empty)
{
    ssize_t size = copy_in_str(t->mm, buf, name, PATH_MAX);
    if (size < 0) {
        return (int)size;
    }
    return size == 0 && !allow_empty ? -ENOENT : 0;
}
