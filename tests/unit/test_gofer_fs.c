/* LINK: sentry/vfs/lease.o tests/unit/gofer_peer.o gofer/gofer.o gofer/proto.o gofer/resolve.o gofer/attr.o gofer/host_files.o gofer/serve_list.o gofer/serve_read.o gofer/serve_write.o sentry/fs/gofer_client.o sentry/fs/gofer_calls.o sentry/fs/gofer_dirents.o sentry/fs/gofer_fs.o sentry/fs/gofer_listing.o sentry/fs/gofer_listing_fetch.o sentry/fs/gofer_walk.o sentry/fs/gofer_lookup.o sentry/fs/gofer_dir.o sentry/fs/gofer_file.o sentry/fs/gofer_ahead.o sentry/fs/gofer_names.o sentry/vfs/cred.o sentry/vfs/dentry.o sentry/vfs/file.o sentry/vfs/inode.o sentry/vfs/stamp.o sentry/vfs/locks.o sentry/vfs/super.o sentry/vfs/mount.o sentry/vfs/mount_at.o sentry/vfs/namei.o sentry/vfs/open.o sentry/vfs/path.o sentry/vfs/attr.o sentry/vfs/seal.o sentry/vfs/modify.o sentry/vfs/rename.o sentry/vfs/anon.o sentry/mm/uio.o sentry/base/events.o sentry/base/kernel.o sentry/base/timer.o sentry/base/waitq.o lib/kthread.o lib/kthread_x86_64.o lib/hash.o lib/strbuf.o lib/host.o lib/log.o lib/bug.o */
/*
 * The gofer file system in a small kernel of its own: events thread, one kthread that plays the
 * program, and a real gofer in a child process. What the gofer was asked for is not visible here; the
 * tests see what a guest would.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host.h"
#include "sentry/base/events.h"
#include "sentry/base/kernel.h"
#include "sentry/base/timer.h"
#include "sentry/fs/fs.h"
#include "sentry/fs/gofer_client.h"
#include "sentry/mm/usercopy.h"
#include "tests/unit/gofer_env.h"

/* uio.o wants these; the test moves kernel memory only. */
size_t copy_in_partial(struct mm *mm, void *dst, uaddr_t src, size_t size)
{
    (void)mm, (void)dst, (void)src, (void)size;
    return 0;
}
size_t copy_out_partial(struct mm *mm, uaddr_t dst, const void *src, size_t size)
{
    (void)mm, (void)dst, (void)src, (void)size;
    return 0;
}
void *copy_out_window(struct mm *mm, uaddr_t dst, size_t *size)
{
    (void)mm, (void)dst, (void)size;
    return NULL;
}
void copy_out_placed(struct mm *mm, uaddr_t dst, size_t size)
{
    (void)mm, (void)dst, (void)size;
}
int copy_in(struct mm *mm, void *dst, uaddr_t src, size_t size)
{
    (void)mm, (void)dst, (void)src, (void)size;
    return -EFAULT;
}
int clear_user(struct mm *mm, uaddr_t dst, size_t size)
{
    (void)mm, (void)dst, (void)size;
    return -EFAULT;
}

static struct cred *g_cred;

static struct name nm(const char *text)
{
    return (struct name){text, strlen(text)};
}

/* --- a mounted tree, as a path walk sees it --- */

struct tree {
    struct mount_ns *ns; /* owned */
    struct path root;
    struct super_block *sb;
};

static void mount_tree(struct tree *t, uint32_t root, bool read_only, bool shared)
{
    memset(t, 0, sizeof(*t));
    CHECK_EQ(g_cred ? 0 : cred_new(&g_cred, 0, 0, NULL, 0), 0);
    CHECK_EQ(mount_ns_new(&t->ns), 0);
    struct mount *m = NULL;
    CHECK_EQ(gofer_fs_new(g_client, root, read_only, shared, &t->sb), 0);
    CHECK_EQ(mount_add(t->ns, NULL, t->sb, 0, "test", "", &m), 0);
    struct path p = {.mnt = m, .dentry = t->sb->root};
    path_copy(&t->root, &p);
}

/* Unmounting frees all of it: the leak checker of the asan build looks. */
static void drop_tree(struct tree *t)
{
    path_put(&t->root);
    mount_ns_free(t->ns);
    CHECK_EQ(t->sb->active, 0);
    CHECK_EQ(t->sb->ref.n, 1);
    super_put(t->sb);
}
#define AUTO_TREE __attribute__((cleanup(drop_tree))) struct tree

static struct walk walk_in(struct tree *t)
{
    return (struct walk){.cred = g_cred, .root = &t->root, .start = &t->root, .umask = 022};
}

static int open_in(struct tree *t, const char *name, unsigned flags, struct file **out)
{
    struct walk w = walk_in(t);
    w.flags = WALK_FOLLOW;
    *out = NULL;
    return vfs_open(&w, name, flags, 0644, out);
}

static int stat_in(struct tree *t, const char *name, struct stat *st)
{
    struct walk w = walk_in(t);
    AUTO_PATH p = {0};
    int r = vfs_lookup(&w, name, &p);
    return r < 0 ? r : vfs_stat(&p, st);
}

static ssize_t read_in(struct file *f, void *buf, size_t size, int64_t pos)
{
    struct uio u;
    uio_init_kernel(&u, buf, size);
    return file_pread(f, &u, pos);
}

static ssize_t write_in(struct file *f, const char *text)
{
    struct uio u;
    uio_init_kernel(&u, (void *)(uintptr_t)text, strlen(text));
    return file_write(f, &u);
}

/* --- the cases, run on a kthread --- */

static void read_and_map(void)
{
    AUTO_TREE t;
    struct file *f;
    struct stat st;
    char buf[64] = {0};
    mount_tree(&t, RO, true, false);
    CHECK_EQ(open_in(&t, "/sub/deep/leaf", O_RDONLY, &f), 0);
    CHECK_EQ(read_in(f, buf, sizeof(buf), 0), 4);
    CHECK(!memcmp(buf, "leaf", 4));
    CHECK_EQ(read_in(f, buf, sizeof(buf), 4), 0);
    CHECK_EQ(read_in(f, buf, sizeof(buf), 2), 2);
    struct file_map map;
    CHECK_EQ(f->ops->mmap(f, 0, 0, &map), 0);
    CHECK_EQ(fcntl(map.host_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    file_put(f);
    CHECK_EQ(open_in(&t, "/upsub/inner", O_RDONLY, &f), 0); /* the sentry follows links itself */
    file_put(f);
    CHECK_EQ(open_in(&t, "/out", O_RDONLY, &f), -ENOENT); /* "../canary" is looked up inside */
    CHECK_EQ(open_in(&t, "/abs", O_RDONLY, &f), -ENOENT);
    CHECK_EQ(open_in(&t, "/file/x", O_RDONLY, &f), -ENOTDIR);
    CHECK_EQ(open_in(&t, "/none/x", O_RDONLY, &f), -ENOENT);
    CHECK_EQ(open_in(&t, "/file", O_RDWR, &f), -EROFS);
    CHECK_EQ(open_in(&t, "/new", O_RDWR | O_CREAT, &f), -EROFS);
    CHECK_EQ(open_in(&t, "/../../../etc/passwd", O_RDONLY, &f), -ENOENT);
    CHECK_EQ(stat_in(&t, "/file", &st), 0);
    CHECK_EQ(st.st_size, 8);
    CHECK_EQ(st.st_dev, t.sb->dev);
    CHECK_EQ(stat_in(&t, "/out", &st), 0);
    CHECK(S_ISLNK(st.st_mode));
    struct statfs fs;
    CHECK_EQ(t.sb->ops->statfs(t.sb->root->inode, &fs), 0);
    CHECK(fs.f_bsize > 0);
}

struct names {
    struct dir_context c;
    char all[4096];
    size_t room; /* entries that are still taken */
    int count;
};
static bool take_name(struct dir_context *c, const char *name, size_t size, uint64_t ino,
                      unsigned char type, int64_t next_pos)
{
    struct names *n = container_of(c, struct names, c);
    (void)type;
    (void)next_pos;
    CHECK(ino != 0);
    if (n->room == 0) {
        return false;
    }
    n->room--;
    n->count++;
    if (strlen(n->all) + size + 2 < sizeof(n->all)) {
        strncat(n->all, name, size);
        strcat(n->all, " ");
    }
    return true;
}

static void directory(bool shared)
{
    AUTO_TREE t;
    struct file *f;
    struct stat st;
    static struct names whole, parts;
    mount_tree(&t, RO, true, shared);
    CHECK_EQ(open_in(&t, "/", O_RDONLY | O_DIRECTORY, &f), 0);
    whole = (struct names){.c = {.emit = take_name}, .room = 1000};
    CHECK_EQ(f->ops->readdir(f, &whole.c), 0);
    CHECK_EQ(whole.count, 10);
    CHECK(strstr(whole.all, "file ") && strstr(whole.all, ".. "));
    CHECK_EQ(f->ops->readdir(f, &whole.c), 0);
    CHECK_EQ(whole.count, 10);
    /* Two entries at a time, from the listing that is now complete, and on a fresh description. */
    for (int again = 0; again < 2; again++) {
        parts = (struct names){.c = {.emit = take_name}};
        for (int i = 0; i < 8; i++) {
            parts.room = 2;
            CHECK_EQ(f->ops->readdir(f, &parts.c), 0);
        }
        CHECK(!strcmp(parts.all, whole.all));
        file_put(f);
        CHECK_EQ(open_in(&t, "/", O_RDONLY | O_DIRECTORY, &f), 0);
    }
    file_put(f);
    CHECK_EQ(stat_in(&t, "/sub", &st), 0);
    CHECK(S_ISDIR(st.st_mode));
    CHECK_EQ(stat_in(&t, "/absent", &st), -ENOENT);
    CHECK_EQ(stat_in(&t, "/fifo", &st), 0);
    CHECK(S_ISFIFO(st.st_mode));
}

static void directory_frozen(void)
{
    directory(false);
}
static void directory_shared(void)
{
    directory(true);
}

static void changes(void)
{
    AUTO_TREE t;
    struct file *f, *g;
    struct stat st;
    char buf[64] = {0};
    mount_tree(&t, RW, false, true);
    struct walk w = walk_in(&t);
    CHECK_EQ(vfs_mkdir(&w, "/d", 0755), 0);
    CHECK_EQ(open_in(&t, "/d/f", O_WRONLY | O_CREAT | O_EXCL | O_APPEND, &f), 0);
    CHECK_EQ(write_in(f, "one "), 4);
    CHECK_EQ(write_in(f, "two"), 3);
    CHECK_EQ(f->pos, 7);
    CHECK_EQ(open_in(&t, "/d/f", O_RDONLY, &g), 0);
    CHECK_EQ(read_in(g, buf, sizeof(buf), 0), 7);
    CHECK(!memcmp(buf, "one two", 7));
    CHECK_EQ(stat_in(&t, "/d/f", &st), 0);
    CHECK_EQ(st.st_size, 7);
    CHECK_EQ(open_in(&t, "/d/f", O_RDWR | O_CREAT | O_EXCL, &(struct file *){NULL}), -EEXIST);
    /* A directory that moves takes its files along. */
    struct walk w2 = walk_in(&t);
    CHECK_EQ(vfs_rename(&w, "/d", &w2, "/sub/e", 0), 0);
    CHECK_EQ(stat_in(&t, "/d/f", &st), -ENOENT);
    CHECK_EQ(stat_in(&t, "/sub/e/f", &st), 0);
    CHECK_EQ(write_in(f, "!"), 1);
    CHECK_EQ(f->ops->fsync(f, false), 0);
    /* One inode for two names. */
    CHECK_EQ(vfs_link(&w, "/sub/e/f", &w2, "/hard"), 0);
    CHECK_EQ(stat_in(&t, "/hard", &st), 0);
    CHECK_EQ(st.st_nlink, 2);
    CHECK_EQ(st.st_size, 8);
    CHECK_EQ(vfs_unlink(&w, "/sub/e/f"), 0);
    CHECK_EQ(stat_in(&t, "/hard", &st), 0);
    CHECK_EQ(st.st_nlink, 1);
    CHECK_EQ(vfs_ftruncate(f, 3), 0);
    CHECK_EQ(stat_in(&t, "/hard", &st), 0);
    CHECK_EQ(st.st_size, 3);
    /* Unlinked while open: the data stays until the last close. */
    CHECK_EQ(vfs_unlink(&w, "/hard"), 0);
    CHECK_EQ(stat_in(&t, "/hard", &st), -ENOENT);
    CHECK_EQ(write_in(f, "xyz"), 3);
    CHECK_EQ(read_in(g, buf, sizeof(buf), 0), 6);
    CHECK(!memcmp(buf, "onexyz", 6));
    CHECK_EQ(g->inode->ops->getattr(g->inode), 0);
    CHECK_EQ(g->inode->nlink, 0);
    CHECK_EQ(g->inode->size, 6);
    file_put(f);
    file_put(g);
    CHECK_EQ(vfs_symlink(&w, "e", "/sub/l"), 0);
    CHECK_EQ(stat_in(&t, "/sub/l", &st), 0);
    CHECK_EQ(vfs_mknod(&w, "/sub/l/p", S_IFIFO | 0600, 0), 0);
    CHECK_EQ(vfs_mknod(&w, "/dev", S_IFCHR | 0600, 0x103), -EPERM);
    CHECK_EQ(vfs_rmdir(&w, "/sub/e"), -ENOTEMPTY);
    CHECK_EQ(vfs_unlink(&w, "/sub/e/p"), 0);
    CHECK_EQ(vfs_rmdir(&w, "/sub/e"), 0);
    AUTO_PATH p = {0};
    CHECK_EQ(vfs_lookup(&w, "/file", &p), 0);
    CHECK_EQ(vfs_chmod(&p, g_cred, 0600), 0);
    CHECK_EQ(vfs_utimes(&p, g_cred, 5 * NSEC_PER_SEC, 7 * NSEC_PER_SEC), 0);
    CHECK_EQ(vfs_stat(&p, &st), 0);
    CHECK_EQ(st.st_mode, S_IFREG | 0600);
    CHECK_EQ(st.st_mtim.tv_sec, 7);
}

/* The host changes a shared tree under us. */
static void shared_with_host(void)
{
    AUTO_TREE t;
    struct stat st;
    char command[256];
    mount_tree(&t, RW, false, true);
    CHECK_EQ(stat_in(&t, "/sub/inner", &st), 0);
    CHECK_EQ(stat_in(&t, "/later", &st), -ENOENT);
    ino_t ino = st.st_ino;
    snprintf(
        command, sizeof(command),
        "cd %s/tree && echo longer-text > n && mv n sub/inner && touch later && mv sub/deep up",
        g_peer.base);
    CHECK_EQ(system(command), 0);
    usleep(20000); /* longer than answers are believed */
    CHECK_EQ(stat_in(&t, "/sub/inner", &st), 0);
    CHECK_EQ(st.st_size, 12);
    CHECK(st.st_ino != ino);
    CHECK_EQ(stat_in(&t, "/later", &st), 0);
    CHECK_EQ(stat_in(&t, "/sub/deep/leaf", &st), -ENOENT);
    CHECK_EQ(stat_in(&t, "/up/leaf", &st), 0);
}

/* tree/many/f0 ... */
static const char *file_name(int i)
{
    static char name[32];
    snprintf(name, sizeof(name), "/many/f%d", i);
    return name;
}
static void make_files(int count)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/tree/many", g_peer.base);
    CHECK_EQ(mkdir(path, 0755), 0);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/tree%s", g_peer.base, file_name(i));
        close(open(path, O_CREAT | O_WRONLY, 0644));
    }
}

/* In a frozen tree a name that was looked up once stays; what it leads to may be replaced. */
static void frozen_file_replaced(void)
{
    AUTO_TREE t;
    struct file *f;
    char command[256], buf[32];
    make_files(300);
    mount_tree(&t, RO, true, false);
    CHECK_EQ(open_in(&t, "/sub/inner", O_RDONLY, &f), 0);
    snprintf(command, sizeof(command), "cd %s/tree && echo longer-text > n && mv n sub/inner",
             g_peer.base);
    CHECK_EQ(system(command), 0);
    CHECK_EQ(read_in(f, buf, sizeof(buf), 0), 5);
    file_put(f);
    /* The idle fd still shows the old file; without it, the new one comes. */
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(open_in(&t, file_name(i), O_RDONLY, &f), 0);
        file_put(f);
    }
    CHECK_EQ(open_in(&t, "/sub/inner", O_RDONLY, &f), 0);
    CHECK_EQ(read_in(f, buf, sizeof(buf), 0), 12);
    CHECK_EQ(f->inode->size, 12);
    file_put(f);
}

/* One trip primes the whole walk; the lookups that follow find it without the gofer. */
static void walk_ahead_primes(void)
{
    AUTO_TREE t;
    struct inode *found = NULL, *inner = NULL;
    struct name sub = nm("sub"), deep = nm("deep"), leaf = nm("leaf"), none = nm("none");
    mount_tree(&t, RO, true, false);
    struct inode *root = t.sb->root->inode;
    root->ops->walk_ahead(root, "sub//deep/leaf/", false);
    kill(g_peer.pid, SIGSTOP); /* the gofer can't answer any more */
    CHECK_EQ(root->ops->lookup(root, &sub, &found), 0);
    CHECK_EQ(found->ops->lookup(found, &deep, &inner), 0);
    inode_put(found);
    CHECK_EQ(inner->ops->lookup(inner, &leaf, &found), 0);
    CHECK_EQ(found->size, 4);
    inode_put(found);
    kill(g_peer.pid, SIGCONT);
    inode_put(inner);
    root->ops->walk_ahead(root, "upsub/../etc/x", false);
    root->ops->walk_ahead(root, "sub/none/x", false);
    CHECK_EQ(root->ops->lookup(root, &sub, &found), 0);
    kill(g_peer.pid, SIGSTOP);
    CHECK_EQ(found->ops->lookup(found, &none, &inner), -ENOENT);
    kill(g_peer.pid, SIGCONT);
    inode_put(found);
}

/* A file that will be read comes with its fd: an open is one trip. */
static void walk_opens(void)
{
    AUTO_TREE t;
    struct file *f;
    char buf[8];
    mount_tree(&t, RO, true, false);
    struct inode *root = t.sb->root->inode;
    root->ops->walk_ahead(root, "sub/deep/leaf", true);
    root->ops->walk_ahead(root, "file", true);
    kill(g_peer.pid, SIGSTOP);
    CHECK_EQ(open_in(&t, "/sub/deep/leaf", O_RDONLY, &f), 0);
    CHECK_EQ(read_in(f, buf, sizeof(buf), 0), 4);
    file_put(f);
    CHECK_EQ(open_in(&t, "/file", O_RDONLY, &f), 0);
    file_put(f);
    kill(g_peer.pid, SIGCONT);
    root->ops->walk_ahead(root, "fifo", true);
    CHECK_EQ(open_in(&t, "/fifo/x", O_RDONLY, &f), -ENOTDIR);
    CHECK_EQ(open_in(&t, "/none", O_RDONLY, &f), -ENOENT);
}

/* A complete listing of a frozen directory answers stat of its names, and of others. */
static void listing_answers(void)
{
    AUTO_TREE t;
    struct file *f;
    struct stat st;
    struct names n = {.c = {.emit = take_name}, .room = 1000};
    mount_tree(&t, RO, true, false);
    CHECK_EQ(open_in(&t, "/sub", O_RDONLY | O_DIRECTORY, &f), 0);
    CHECK_EQ(f->ops->readdir(f, &n.c), 0);
    kill(g_peer.pid, SIGSTOP);
    CHECK_EQ(stat_in(&t, "/sub/inner", &st), 0);
    CHECK_EQ(st.st_size, 5);
    CHECK_EQ(stat_in(&t, "/sub/absent", &st), -ENOENT);
    struct names again = {.c = {.emit = take_name}, .room = 1000};
    CHECK_EQ(f->ops->readdir(f, &again.c), 0);
    CHECK_EQ(again.count, n.count);
    kill(g_peer.pid, SIGCONT);
    file_put(f);
}

static int list_in(struct tree *t, const char *name)
{
    struct file *f;
    struct names n = {.c = {.emit = take_name}, .room = 1000};
    int r = open_in(t, name, O_RDONLY | O_DIRECTORY, &f);
    if (r == 0) {
        r = f->ops->readdir(f, &n.c);
        file_put(f);
    }
    return r < 0 ? r : n.count;
}

/* Who lists a directory and then one below it gets what comes next as well. */
static void listings_ahead(void)
{
    AUTO_TREE t;
    struct stat st;
    mount_tree(&t, RO, true, false);
    CHECK_EQ(list_in(&t, "/"), 10);
    CHECK_EQ(list_in(&t, "/sub"), 4);
    CHECK_EQ(list_in(&t, "/closed"), 4);
    kill(g_peer.pid, SIGSTOP);
    CHECK_EQ(list_in(&t, "/sub/deep"), 3);
    CHECK_EQ(stat_in(&t, "/sub/deep/leaf", &st), 0);
    CHECK_EQ(st.st_size, 4);
    CHECK_EQ(stat_in(&t, "/upsub/inner", &st), 0); /* the link's text came, too */
    CHECK_EQ(stat_in(&t, "/closed/none", &st), -ENOENT);
    kill(g_peer.pid, SIGCONT);
}

enum { WALKED_DIRS = 150, WALKED_FILES = 12 };

/* A tree whose listings fill several replies. */
static void make_walked(void)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/tree/walked", g_peer.base);
    CHECK_EQ(mkdir(path, 0755), 0);
    for (int i = 0; i < WALKED_DIRS; i++) {
        snprintf(path, sizeof(path), "%s/tree/walked/dir-%03d", g_peer.base, i);
        CHECK_EQ(mkdir(path, 0755), 0);
        for (int j = 0; j < WALKED_FILES; j++) {
            snprintf(path, sizeof(path), "%s/tree/walked/dir-%03d/file-%02d", g_peer.base, i, j);
            int fd = open(path, O_WRONLY | O_CREAT, 0644);
            CHECK(fd >= 0);
            close(fd);
        }
    }
}

/* Who goes through a tree finds all of it, whatever was asked for before it was wanted; and may leave at any time. */
static void walk_posted(void)
{
    make_walked();
    for (int leave = 0; leave <= WALKED_DIRS; leave += 7) {
        AUTO_TREE t;
        struct file *f;
        struct stat st;
        static struct names top;
        mount_tree(&t, RO, true, false);
        CHECK_EQ(list_in(&t, "/"), 11);
        CHECK_EQ(open_in(&t, "/walked", O_RDONLY | O_DIRECTORY, &f), 0);
        top = (struct names){.c = {.emit = take_name}, .room = 1000};
        CHECK_EQ(f->ops->readdir(f, &top.c), 0);
        CHECK_EQ(top.count, WALKED_DIRS + 2);
        file_put(f);
        int seen = 0;
        for (char *name = strtok(top.all, " "); name && seen < leave; name = strtok(NULL, " ")) {
            char path[64];
            if (name[0] == '.') {
                continue;
            }
            snprintf(path, sizeof(path), "/walked/%s", name);
            CHECK_EQ(list_in(&t, path), WALKED_FILES + 2);
            snprintf(path, sizeof(path), "/walked/%s/file-%02d", name, seen % WALKED_FILES);
            CHECK_EQ(stat_in(&t, path, &st), 0);
            snprintf(path, sizeof(path), "/walked/%s/none", name);
            CHECK_EQ(stat_in(&t, path, &st), -ENOENT);
            seen++;
        }
        CHECK_EQ(seen, leave);
    }
    CHECK(gofer_client_alive(g_client));
}

/* Lookup after lookup in one directory: its listing answers the rest. */
static void listing_for_lookups(void)
{
    AUTO_TREE t;
    struct stat st;
    make_files(20);
    mount_tree(&t, RO, true, false);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(stat_in(&t, file_name(i), &st), 0);
    }
    kill(g_peer.pid, SIGSTOP);
    CHECK_EQ(stat_in(&t, file_name(19), &st), 0);
    CHECK_EQ(stat_in(&t, file_name(20), &st), -ENOENT);
    kill(g_peer.pid, SIGCONT);
}

/* A directory that is read file by file: the fds of the next files come with one that is opened. */
static void files_ahead(void)
{
    AUTO_TREE t;
    struct file *f;
    char buf[8];
    make_files(5);
    mount_tree(&t, RO, true, false);
    CHECK_EQ(list_in(&t, "/many"), 7);
    for (int i = 0; i < 5; i++) {
        if (i == 3) {
            kill(g_peer.pid, SIGSTOP);
        }
        CHECK_EQ(open_in(&t, file_name(i), O_RDONLY, &f), 0);
        CHECK_EQ(read_in(f, buf, sizeof(buf), 0), 0);
        file_put(f);
    }
    kill(g_peer.pid, SIGCONT);
}

static void world_only(void)
{
    AUTO_TREE t;
    struct file *f;
    mount_tree(&t, WORLD, true, false);
    CHECK_EQ(open_in(&t, "/file", O_RDONLY, &f), 0);
    file_put(f);
    CHECK_EQ(open_in(&t, "/private", O_RDONLY, &f), -EACCES);
    CHECK_EQ(open_in(&t, "/closed/open", O_RDONLY, &f), -EACCES);
    AUTO_TREE one;
    mount_tree(&one, FILE_ROOT, true, false);
    CHECK(S_ISREG(one.sb->root->inode->mode));
    char buf[8];
    CHECK_EQ(vfs_open_path(&one.root, O_RDONLY, g_cred, &f), 0);
    CHECK_EQ(read_in(f, buf, sizeof(buf), 0), 8);
    file_put(f);
}

static void gofer_killed(void)
{
    AUTO_TREE t;
    struct stat st;
    mount_tree(&t, RO, true, false);
    kill(g_peer.pid, SIGKILL);
    CHECK_EQ(stat_in(&t, "/file", &st), -EIO);
    CHECK_EQ(stat_in(&t, "/sub", &st), -EIO);
    CHECK(!gofer_client_alive(g_client));
}

CASE(gofer_fs__read_only__reads_and_maps, read_and_map)
CASE(readdir__frozen__whole_and_in_parts, directory_frozen)
CASE(readdir__shared__whole_and_in_parts, directory_shared)
CASE(gofer_fs__writable__changes, changes)
CASE(gofer_fs__shared__sees_host_changes, shared_with_host)
CASE(open__frozen_file_replaced__new_file, frozen_file_replaced)
CASE(walk_ahead__several_names__one_trip, walk_ahead_primes)
CASE(walk_ahead__opens__one_trip, walk_opens)
CASE(lookup__after_readdir__no_rpc, listing_answers)
CASE(readdir__tree_walk__comes_ahead, listings_ahead)
CASE(lookup__again_and_again__one_listing, listing_for_lookups)
CASE(readdir__tree_walk__asked_for_before, walk_posted)
CASE(open__file_by_file__comes_ahead, files_ahead)
CASE(gofer_fs__policy_and_file_roots, world_only)
CASE(gofer_client__gofer_killed__eio, gofer_killed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gofer_fs__read_only__reads_and_maps),
        cmocka_unit_test(readdir__frozen__whole_and_in_parts),
        cmocka_unit_test(readdir__shared__whole_and_in_parts),
        cmocka_unit_test(gofer_fs__writable__changes),
        cmocka_unit_test(gofer_fs__shared__sees_host_changes),
        cmocka_unit_test(open__frozen_file_replaced__new_file),
        cmocka_unit_test(walk_ahead__several_names__one_trip),
        cmocka_unit_test(walk_ahead__opens__one_trip),
        cmocka_unit_test(lookup__after_readdir__no_rpc),
        cmocka_unit_test(readdir__tree_walk__comes_ahead),
        cmocka_unit_test(lookup__again_and_again__one_listing),
        cmocka_unit_test(readdir__tree_walk__asked_for_before),
        cmocka_unit_test(open__file_by_file__comes_ahead),
        cmocka_unit_test(gofer_fs__policy_and_file_roots),
        cmocka_unit_test(gofer_client__gofer_killed__eio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
