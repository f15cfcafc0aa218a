/*
 * Building a sandbox's tree: mounting by name, with the directories on the way made when they are
 * missing. For the sandbox's own start and for mount(2); acts as root.
 */
#include "sentry/vfs/namei.h"

#include <errno.h>
#include <string.h>

static int make_mountpoint(const struct walk *w, const char *path, bool is_dir)
{
    if (is_dir) {
        return vfs_mkdir(w, path, 0755);
    }
    return vfs_mknod(w, path, S_IFREG | 0644, 0);
}

/* Makes every missing directory of path, and its last component as a directory or a file. */
static int make_missing(const struct walk *w, const char *path, bool is_dir)
{
    AUTO_FREE char *copy = strdup(path);
    if (!copy) {
        return -ENOMEM;
    }
    for (char *end = copy + strspn(copy, "/"); *end != '\0';) {
        end += strcspn(end, "/");
        char *next = end + strspn(end, "/");
        bool last = *next == '\0';
        *end = '\0';
        struct path found = {0};
        int r = vfs_lookup(w, copy, &found);
        path_put(&found);
        if (r == -ENOENT) {
            r = make_mountpoint(w, copy, !last || is_dir);
        }
        if (r < 0) {
            return r;
        }
        if (!last) {
            *end = '/';
        }
        end = next;
    }
    return 0;
}

/**
 * vfs_mount_at - mount sb at an absolute guest path.
 * @guest_path: "/" only for the first mount of ns.
 * @make_dirs: missing directories (and a missing file, when sb's root is one) are made in whatever
 *             file system is there.
 *
 * Context: may block.
 * Errors:  of the walk; -EROFS when a directory is missing on a read-only file system; -ENOTDIR;
 *          -EBUSY a second root; -ENOMEM.
 */
int vfs_mount_at(struct mount_ns *ns, const char *guest_path, bool make_dirs,
                 struct super_block *sb, unsigned flags, const char *source, const char *options)
{
    if (guest_path[0] != '/') {
        return -EINVAL;
    }
    if (guest_path[strspn(guest_path, "/")] == '\0') {
        return mount_add(ns, NULL, sb, flags, source, options, NULL);
    }
    if (!ns->root) {
        return -ENOENT;
    }
    AUTO_PUT(cred) root_cred = NULL;
    int r = cred_new(&root_cred, 0, 0, NULL, 0);
    if (r < 0) {
        return r;
    }
    const struct path root = {.mnt = ns->root, .dentry = ns->root->root};
    const struct walk w = {.cred = root_cred, .root = &root, .start = &root, .flags = WALK_FOLLOW};
    if (make_dirs) {
        r = make_missing(&w, guest_path, S_ISDIR(sb->root->inode->mode));
        if (r < 0) {
            return r;
        }
    }
    AUTO_PATH at = {0};
    r = vfs_lookup(&w, guest_path, &at);
    return r < 0 ? r : mount_add(ns, &at, sb, flags, source, options, NULL);
}
