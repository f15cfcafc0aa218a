/* LINK: sentry/vfs/lease.o sentry/vfs/cred.o sentry/vfs/super.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/dentry.o sentry/vfs/mount.o sentry/vfs/path.o sentry/vfs/namei.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/attr.o sentry/vfs/open.o sentry/vfs/file.o sentry/vfs/anon.o sentry/vfs/fdtable.o sentry/vfs/locks.o sentry/vfs/seal.o sentry/vfs/mount_at.o sentry/fs/memfile.o sentry/fs/memfile_tree.o sentry/fs/memfile_fd.o sentry/fs/mempage.o sentry/fs/memdir.o sentry/fs/memnode.o sentry/fs/memnode_dir.o sentry/fs/memxattr.o sentry/fs/tmpfs.o sentry/mm/uio.o sentry/mm/usercopy.o sentry/base/kernel.o sentry/base/waitq.o sentry/base/timer.o sentry/base/events.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/host.o lib/strbuf.o lib/bug.o lib/log.o */
/*
 * The path walk and the calls that make, move and remove names; on a tmpfs.
 */
#include "tests/unit/vfs_env.h"

#include <linux/fs.h>

static int up(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    env_up(e);
    *state = e;
    return 0;
}
static int down(void **state)
{
    env_down(*state);
    free(*state);
    return 0;
}

static struct walk flags(const struct env *e, unsigned f)
{
    struct walk w = e->w;
    w.flags = f;
    return w;
}

static void vfs_lookup__plain_names__found(void **state)
{
    struct env *e = *state;
    assert_int_equal(vfs_mkdir(&e->w, "/a", 0777), 0);
    assert_int_equal(vfs_mkdir(&e->w, "a/b/", 0777), 0);
    put_file(e, "/a/b/f", "hello");
    assert_content(e, "/a/b/f", "hello");
    assert_content(e, "a//b/../b/./f", "hello");
    assert_content(e, "/../../a/b/f", "hello");
    assert_int_equal(exists(e, "/a/x"), -ENOENT);
    assert_int_equal(exists(e, "/x/y"), -ENOENT);
    assert_int_equal(exists(e, ""), -ENOENT);
    assert_int_equal(exists(e, "/a/b/f/"), -ENOTDIR);
    assert_int_equal(exists(e, "/a/b/f/x"), -ENOTDIR);
    assert_int_equal(exists(e, "/a/b/f/.."), -ENOTDIR);
    assert_int_equal(exists(e, "/a/b/"), 0);
}

static void vfs_lookup__long_names__enametoolong(void **state)
{
    struct env *e = *state;
    char name[5000];
    memset(name, 'x', 256);
    name[256] = '\0';
    assert_int_equal(exists(e, name), -ENAMETOOLONG);
    name[255] = '\0';
    assert_int_equal(exists(e, name), -ENOENT);
    for (size_t i = 0; i < 4095; i++) {
        name[i] = i % 2 ? '.' : '/';
    }
    name[4095] = '\0';
    assert_int_equal(exists(e, name), 0);
    name[4095] = '/';
    name[4096] = '\0';
    assert_int_equal(exists(e, name), -ENAMETOOLONG);
}

static void vfs_lookup__symlinks__followed(void **state)
{
    struct env *e = *state;
    assert_int_equal(vfs_mkdir(&e->w, "/d", 0777), 0);
    put_file(e, "/d/f", "x");
    assert_int_equal(vfs_symlink(&e->w, "d", "/l"), 0);
    assert_int_equal(vfs_symlink(&e->w, "/l/f", "/d/m"), 0);
    assert_int_equal(vfs_symlink(&e->w, "gone", "/dangling"), 0);
    assert_int_equal(vfs_symlink(&e->w, "/", "/slash"), 0);
    assert_content(e, "/l/m", "x");
    assert_content(e, "/slash/l/../l/m", "x");
    struct walk w = flags(e, 0);
    struct stat st;
    assert_int_equal(stat_name(&w, "/l", &st), 0);
    assert_true(S_ISLNK(st.st_mode) && st.st_size == 1);
    assert_int_equal(stat_name(&w, "/l/", &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(stat_name(&e->w, "/dangling", &st), -ENOENT);
    assert_int_equal(stat_name(&w, "/d/m/", &st), -ENOTDIR);
}

static void vfs_lookup__many_links__eloop(void **state)
{
    struct env *e = *state;
    char name[16], target[16];
    put_file(e, "/l0", "end");
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof(name), "/l%d", i);
        snprintf(target, sizeof(target), "l%d", i - 1);
        assert_int_equal(vfs_symlink(&e->w, target, name), 0);
    }
    assert_content(e, "/l40", "end");
    struct stat st;
    assert_int_equal(stat_name(&e->w, "/l41", &st), -ELOOP);
    assert_int_equal(vfs_symlink(&e->w, "self/x", "/self"), 0);
    assert_int_equal(stat_name(&e->w, "/self", &st), -ELOOP);
}

static void vfs_lookup__resolve_flags__refuse(void **state)
{
    struct env *e = *state;
    struct stat st;
    assert_int_equal(vfs_mkdir(&e->w, "/jail", 0777), 0);
    assert_int_equal(vfs_mkdir(&e->w, "/jail/sub", 0777), 0);
    put_file(e, "/jail/f", "in");
    put_file(e, "/f", "out");
    assert_int_equal(vfs_symlink(&e->w, "/f", "/jail/abs"), 0);
    assert_int_equal(vfs_symlink(&e->w, "../f", "/jail/up"), 0);
    assert_int_equal(vfs_symlink(&e->w, "sub/../f", "/jail/ok"), 0);
    AUTO_PATH jail = {0};
    assert_int_equal(vfs_lookup(&e->w, "/jail", &jail), 0);
    struct walk w = flags(e, WALK_FOLLOW | WALK_BENEATH);
    w.start = &jail;
    assert_int_equal(stat_name(&w, "abs", &st), -EXDEV);
    assert_int_equal(stat_name(&w, "up", &st), -EXDEV);
    assert_int_equal(stat_name(&w, "/f", &st), -EXDEV);
    assert_int_equal(stat_name(&w, "..", &st), -EXDEV);
    assert_int_equal(stat_name(&w, "ok", &st), 0);
    assert_int_equal(st.st_size, 2);
    w.flags = WALK_FOLLOW | WALK_IN_ROOT;
    assert_int_equal(stat_name(&w, "abs", &st), 0);
    assert_int_equal(st.st_size, 2);
    assert_int_equal(stat_name(&w, "../../up", &st), 0);
    w.flags = WALK_FOLLOW | WALK_NO_SYMLINKS;
    assert_int_equal(stat_name(&w, "ok", &st), -ELOOP);
}

static void vfs_lookup__mounts__crossed(void **state)
{
    struct env *e = *state;
    struct super_block *sb;
    struct stat st, top;
    assert_int_equal(tmpfs_new(0755, 0, 0, 0, &sb), 0);
    assert_int_equal(vfs_mount_at(e->ns, "/mnt/deep", true, sb, 0, "tmpfs", ""), 0);
    super_put(sb);
    put_file(e, "/mnt/deep/f", "m");
    assert_int_equal(stat_name(&e->w, "/mnt/deep", &st), 0);
    assert_int_equal(stat_name(&e->w, "/", &top), 0);
    assert_true(st.st_dev != top.st_dev);
    assert_int_equal(stat_name(&e->w, "/mnt/deep/..", &st), 0);
    assert_true(st.st_dev == top.st_dev);
    assert_int_equal(vfs_rmdir(&e->w, "/mnt/deep"), -EBUSY);
    assert_int_equal(vfs_rename(&e->w, "/mnt/deep", &e->w, "/x", 0), -EBUSY);
    assert_int_equal(vfs_rename(&e->w, "/mnt/deep/f", &e->w, "/x", 0), -EXDEV);
    assert_int_equal(vfs_link(&e->w, "/mnt/deep/f", &e->w, "/x"), -EXDEV);
    struct walk w = flags(e, WALK_FOLLOW | WALK_NO_XDEV);
    assert_int_equal(stat_name(&w, "/mnt/deep/f", &st), -EXDEV);
    AUTO_PATH p = {0};
    AUTO_STRBUF name = {0};
    assert_int_equal(vfs_lookup(&e->w, "/mnt/deep/f", &p), 0);
    assert_int_equal(path_name(&p, &e->root, &name), 0);
    assert_string_equal(name.text, "/mnt/deep/f");
}

static void vfs_lookup__no_search_permission__eacces(void **state)
{
    struct env *e = *state;
    struct stat st;
    assert_int_equal(vfs_mkdir(&e->w, "/secret", 0700), 0);
    put_file(e, "/secret/f", "x");
    assert_int_equal(stat_name(&e->user_w, "/secret/f", &st), -EACCES);
    assert_int_equal(stat_name(&e->user_w, "/secret/none", &st), -EACCES);
    assert_int_equal(stat_name(&e->user_w, "/secret", &st), 0);
    assert_int_equal(stat_name(&e->w, "/secret/f", &st), 0);
}

static void vfs_open__create_flags__as_linux(void **state)
{
    struct env *e = *state;
    struct file *f;
    assert_int_equal(vfs_mkdir(&e->w, "/d", 0777), 0);
    put_file(e, "/f", "12345");
    assert_int_equal(open_name(e, "/none", O_RDONLY, &f), -ENOENT);
    assert_int_equal(open_name(e, "/f", O_WRONLY | O_CREAT | O_EXCL, &f), -EEXIST);
    assert_int_equal(open_name(e, "/new/", O_WRONLY | O_CREAT, &f), -EISDIR);
    assert_int_equal(open_name(e, "/d", O_RDONLY | O_CREAT, &f), -EISDIR);
    assert_int_equal(open_name(e, "/d", O_WRONLY, &f), -EISDIR);
    assert_int_equal(open_name(e, "/f", O_RDONLY | O_DIRECTORY, &f), -ENOTDIR);
    assert_int_equal(open_name(e, "/f", O_RDONLY | O_DIRECTORY | O_CREAT, &f), -EINVAL);
    assert_int_equal(vfs_symlink(&e->w, "made", "/l"), 0);
    assert_int_equal(open_name(e, "/l", O_WRONLY | O_CREAT | O_EXCL, &f), -EEXIST);
    assert_int_equal(open_name(e, "/l", O_WRONLY | O_CREAT | O_NOFOLLOW, &f), -ELOOP);
    assert_int_equal(open_name(e, "/l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, &f), -ENOTDIR);
    assert_int_equal(open_name(e, "/l", O_WRONLY | O_CREAT, &f), 0); /* through the dangling link */
    file_put(f);
    assert_int_equal(exists(e, "/made"), 0);
    assert_int_equal(open_name(e, "/l", O_PATH | O_NOFOLLOW, &f), 0);
    assert_true(S_ISLNK(f->inode->mode));
    file_put(f);
    assert_int_equal(open_name(e, "/f", O_WRONLY | O_TRUNC, &f), 0);
    assert_int_equal(f->inode->size, 0);
    file_put(f);
}

static void vfs_open__permissions__as_linux(void **state)
{
    struct env *e = *state;
    struct file *f;
    put_file(e, "/f", "x"); /* 0644, root's */
    assert_int_equal(vfs_open(&e->user_w, "/f", O_RDONLY, 0, &f), 0);
    file_put(f);
    assert_int_equal(vfs_open(&e->user_w, "/f", O_RDWR, 0, &f), -EACCES);
    assert_int_equal(vfs_open(&e->user_w, "/f", O_RDONLY | O_NOATIME, 0, &f), -EPERM);
    assert_int_equal(vfs_open(&e->user_w, "/mine", O_RDWR | O_CREAT, 0, &f),
                     0); /* mode 0, just created */
    file_put(f);
    assert_int_equal(vfs_open(&e->user_w, "/mine", O_RDONLY, 0, &f), -EACCES);
    assert_int_equal(vfs_mkdir(&e->w, "/ro", 0755), 0);
    assert_int_equal(vfs_open(&e->user_w, "/ro/x", O_WRONLY | O_CREAT, 0666, &f), -EACCES);
    AUTO_PATH p = {0};
    assert_int_equal(vfs_lookup(&e->w, "/f", &p), 0);
    p.dentry->inode->write_denied = 1;
    assert_int_equal(open_name(e, "/f", O_WRONLY, &f), -ETXTBSY);
    p.dentry->inode->write_denied = 0;
    e->ns->root->flags = MNT_RDONLY;
    assert_int_equal(open_name(e, "/f", O_WRONLY, &f), -EROFS);
    assert_int_equal(open_name(e, "/fresh", O_WRONLY | O_CREAT, &f), -EROFS);
    assert_int_equal(vfs_mkdir(&e->w, "/f", 0777), -EEXIST);
    assert_int_equal(vfs_mkdir(&e->w, "/g", 0777), -EROFS);
    assert_int_equal(vfs_unlink(&e->w, "/f"), -EROFS);
}

static void vfs_open__tmpfile__can_be_linked(void **state)
{
    struct env *e = *state;
    struct file *f;
    struct uio u;
    char text[] = "tmp";
    assert_int_equal(open_name(e, "/", O_TMPFILE | O_RDONLY, &f), -EINVAL);
    assert_int_equal(open_name(e, "/", O_TMPFILE | O_RDWR, &f), 0);
    uio_init_kernel(&u, text, 3);
    assert_int_equal(file_write(f, &u), 3);
    assert_int_equal(f->inode->nlink, 0);
    struct walk from = flags(e, WALK_EMPTY_PATH);
    from.start = &f->path;
    assert_int_equal(vfs_link(&from, "", &e->w, "/named"), 0);
    assert_int_equal(f->inode->nlink, 1);
    file_put(f);
    assert_content(e, "/named", "tmp");
    assert_names(e, "/", "named");
    assert_int_equal(open_name(e, "/", O_TMPFILE | O_RDWR | O_EXCL, &f), 0);
    from.start = &f->path;
    assert_int_equal(vfs_link(&from, "", &e->w, "/named2"), -ENOENT);
    file_put(f);
}

static void vfs_remove__errors__as_linux(void **state)
{
    struct env *e = *state;
    assert_int_equal(vfs_mkdir(&e->w, "/d", 0777), 0);
    put_file(e, "/d/f", "x");
    assert_int_equal(vfs_unlink(&e->w, "/d"), -EISDIR);
    assert_int_equal(vfs_unlink(&e->w, "/d/"), -EISDIR);
    assert_int_equal(vfs_unlink(&e->w, "/d/f/"), -ENOTDIR);
    assert_int_equal(vfs_unlink(&e->w, "/d/g/"), -ENOENT);
    assert_int_equal(vfs_unlink(&e->w, "/d/."), -EISDIR);
    assert_int_equal(vfs_rmdir(&e->w, "/d"), -ENOTEMPTY);
    assert_int_equal(vfs_rmdir(&e->w, "/d/f"), -ENOTDIR);
    assert_int_equal(vfs_rmdir(&e->w, "/d/."), -EINVAL);
    assert_int_equal(vfs_rmdir(&e->w, "/d/.."), -ENOTEMPTY);
    assert_int_equal(vfs_rmdir(&e->w, "/"), -EBUSY);
    assert_int_equal(vfs_rmdir(&e->w, "/none"), -ENOENT);
    assert_int_equal(vfs_mkdir(&e->w, "/d/f/x", 0777), -ENOTDIR);
    assert_int_equal(vfs_mkdir(&e->w, "/", 0777), -EEXIST);
    assert_int_equal(vfs_symlink(&e->w, "x", "/d/n/"), -ENOENT);
    assert_int_equal(vfs_mknod(&e->w, "/n", S_IFDIR | 0777, 0), -EPERM);
    assert_int_equal(vfs_mknod(&e->user_w, "/n", S_IFCHR | 0666, 0x103), -EPERM);
    assert_int_equal(vfs_mknod(&e->user_w, "/n", S_IFIFO | 0666, 0), 0);
    assert_int_equal(vfs_link(&e->w, "/d", &e->w, "/d2"), -EPERM);
    assert_int_equal(vfs_unlink(&e->w, "/d/f"), 0);
    assert_int_equal(vfs_rmdir(&e->w, "/d/"), 0);
    assert_int_equal(exists(e, "/d"), -ENOENT);
}

static void vfs_rmdir__directory_in_use__takes_no_names(void **state)
{
    struct env *e = *state;
    AUTO_PATH d = {0};
    AUTO_STRBUF name = {0};
    struct file *f;
    assert_int_equal(vfs_mkdir(&e->w, "/d", 0777), 0);
    assert_int_equal(vfs_lookup(&e->w, "/d", &d), 0);
    assert_int_equal(vfs_rmdir(&e->w, "/d"), 0);
    struct walk w = e->w;
    w.start = &d;
    assert_int_equal(vfs_open(&w, "x", O_CREAT | O_WRONLY, 0666, &f), -ENOENT);
    assert_int_equal(vfs_mkdir(&w, "x", 0777), -ENOENT);
    assert_int_equal(path_name(&d, &e->root, &name), 0);
    assert_string_equal(name.text, "/d (deleted)");
}

static void vfs_remove__sticky_directory__owner_only(void **state)
{
    struct env *e = *state;
    put_file(e, "/roots", "x"); /* the root directory is 01777 */
    assert_int_equal(vfs_unlink(&e->user_w, "/roots"), -EPERM);
    assert_int_equal(vfs_rename(&e->user_w, "/roots", &e->user_w, "/x", 0), -EPERM);
    assert_int_equal(vfs_mkdir(&e->user_w, "/users", 0777), 0);
    assert_int_equal(vfs_rmdir(&e->user_w, "/users"), 0);
}

static void vfs_rename__rules__as_linux(void **state)
{
    struct env *e = *state;
    assert_int_equal(vfs_mkdir(&e->w, "/a", 0777), 0);
    assert_int_equal(vfs_mkdir(&e->w, "/a/b", 0777), 0);
    assert_int_equal(vfs_mkdir(&e->w, "/c", 0777), 0);
    put_file(e, "/f", "f");
    put_file(e, "/g", "g");
    assert_int_equal(vfs_rename(&e->w, "/none", &e->w, "/x", 0), -ENOENT);
    assert_int_equal(vfs_rename(&e->w, "/a", &e->w, "/a/b/c", 0), -EINVAL);
    assert_int_equal(vfs_rename(&e->w, "/a/b", &e->w, "/a", 0), -ENOTEMPTY);
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/a", 0), -EISDIR);
    assert_int_equal(vfs_rename(&e->w, "/a", &e->w, "/f", 0), -ENOTDIR);
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/x/", 0), -ENOTDIR);
    assert_int_equal(vfs_rename(&e->w, "/a/.", &e->w, "/x", 0), -EBUSY);
    assert_int_equal(vfs_rename(&e->w, "/c", &e->w, "/a", 0), -ENOTEMPTY);
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/g", RENAME_NOREPLACE), -EEXIST);
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/x", RENAME_EXCHANGE), -ENOENT);
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/x", RENAME_EXCHANGE | RENAME_NOREPLACE),
                     -EINVAL);
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/g", RENAME_EXCHANGE), 0);
    assert_content(e, "/f", "g");
    assert_content(e, "/g", "f");
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/a/b/f", 0), 0);
    assert_int_equal(exists(e, "/f"), -ENOENT);
    assert_int_equal(vfs_rename(&e->w, "/a/b", &e->w, "/c/", 0), 0); /* replaces the empty /c */
    assert_content(e, "/c/f", "g");
    assert_int_equal(vfs_rename(&e->w, "/g", &e->w, "/c/f", 0), 0);
    assert_content(e, "/c/f", "f");
    assert_names(e, "/", "a c");
    struct stat st;
    assert_int_equal(stat_name(&e->w, "/", &st), 0);
    assert_int_equal(st.st_nlink, 4);
    assert_int_equal(stat_name(&e->w, "/a", &st), 0);
    assert_int_equal(st.st_nlink, 2);
}

static void vfs_link__same_file__rename_does_nothing(void **state)
{
    struct env *e = *state;
    struct stat st;
    put_file(e, "/f", "x");
    assert_int_equal(vfs_link(&e->w, "/f", &e->w, "/g"), 0);
    assert_int_equal(vfs_rename(&e->w, "/f", &e->w, "/g", 0), 0);
    assert_int_equal(stat_name(&e->w, "/f", &st), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(vfs_link(&e->w, "/f", &e->w, "/g"), -EEXIST);
}

static void vfs_mkdir__setgid_parent__inherited(void **state)
{
    struct env *e = *state;
    struct stat st;
    AUTO_PATH p = {0};
    assert_int_equal(vfs_mkdir(&e->w, "/g", 0777), 0);
    assert_int_equal(vfs_lookup(&e->w, "/g", &p), 0);
    assert_int_equal(vfs_chown(&p, e->root_cred, UINT32_MAX, 2000), 0);
    assert_int_equal(vfs_chmod(&p, e->root_cred, 02777), 0);
    assert_int_equal(vfs_mkdir(&e->user_w, "/g/sub", 0777), 0);
    assert_int_equal(stat_name(&e->w, "/g/sub", &st), 0);
    assert_int_equal(st.st_gid, 2000);
    assert_int_equal(st.st_mode, S_IFDIR | 02755);
}

static void vfs_chmod__rules__as_linux(void **state)
{
    struct env *e = *state;
    AUTO_PATH p = {0};
    struct inode *inode;
    put_file(e, "/f", "x");
    assert_int_equal(vfs_lookup(&e->w, "/f", &p), 0);
    inode = p.dentry->inode;
    assert_int_equal(vfs_chmod(&p, e->user_cred, 0777), -EPERM);
    assert_int_equal(vfs_chown(&p, e->user_cred, 1000, UINT32_MAX), -EPERM);
    assert_int_equal(vfs_utimes(&p, e->user_cred, 1, 1), -EPERM);
    assert_int_equal(vfs_utimes(&p, e->user_cred, UTIME_NOW_NS, UTIME_NOW_NS), -EACCES);
    assert_int_equal(vfs_chown(&p, e->root_cred, 1000, 1000), 0);
    assert_int_equal(vfs_chmod(&p, e->user_cred, 06755), 0);
    assert_int_equal(inode->mode & 07777, 06755);
    assert_int_equal(vfs_chown(&p, e->user_cred, UINT32_MAX, 2000), 0); /* a group it is in */
    assert_int_equal(inode->mode & 07777, 0755);                        /* set-id bits are gone */
    assert_int_equal(vfs_chown(&p, e->user_cred, UINT32_MAX, 3000), -EPERM);
    assert_int_equal(vfs_utimes(&p, e->user_cred, 5, UTIME_OMIT_NS), 0);
    assert_int_equal(inode->atime_ns, 5);
    assert_int_equal(vfs_access(&p, e->user_cred, MAY_READ | MAY_WRITE), 0);
    assert_int_equal(vfs_chmod(&p, e->user_cred, 0), 0);
    assert_int_equal(vfs_access(&p, e->root_cred, MAY_READ | MAY_WRITE), 0);
    assert_int_equal(vfs_access(&p, e->root_cred, MAY_EXEC), -EACCES);
    assert_int_equal(vfs_access(&p, e->user_cred, MAY_READ), -EACCES);
    assert_int_equal(vfs_truncate(&p, e->user_cred, 0), -EACCES);
}

static void file_write__set_id_file__bits_cleared(void **state)
{
    struct env *e = *state;
    struct file *f;
    struct uio u;
    char c = 'x';
    assert_int_equal(vfs_open(&e->user_w, "/s", O_RDWR | O_CREAT, 0777, &f), 0);
    assert_int_equal(vfs_chmod(&f->path, e->user_cred, 04777), 0);
    uio_init_kernel(&u, &c, 1);
    assert_int_equal(file_write(f, &u), 1);
    assert_int_equal(f->inode->mode & 07777, 0777);
    file_put(f);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        CASE(vfs_lookup__plain_names__found),
        CASE(vfs_lookup__long_names__enametoolong),
        CASE(vfs_lookup__symlinks__followed),
        CASE(vfs_lookup__many_links__eloop),
        CASE(vfs_lookup__resolve_flags__refuse),
        CASE(vfs_lookup__mounts__crossed),
        CASE(vfs_lookup__no_search_permission__eacces),
        CASE(vfs_open__create_flags__as_linux),
        CASE(vfs_open__permissions__as_linux),
        CASE(vfs_open__tmpfile__can_be_linked),
        CASE(vfs_remove__errors__as_linux),
        CASE(vfs_rmdir__directory_in_use__takes_no_names),
        CASE(vfs_remove__sticky_directory__owner_only),
        CASE(vfs_rename__rules__as_linux),
        CASE(vfs_link__same_file__rename_does_nothing),
        CASE(vfs_mkdir__setgid_parent__inherited),
        CASE(vfs_chmod__rules__as_linux),
        CASE(file_write__set_id_file__bits_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
