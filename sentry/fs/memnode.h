/*
 * An inode that lives in memory, and everything that file systems made of such inodes share: tmpfs
 * is nothing else; the overlay adds nodes that begin as views of a lower file system's inodes.
 */
#pragma once

#include "sentry/fs/memdir.h"
#include "sentry/fs/memfile.h"
#include "sentry/vfs/file.h"

struct mem_xattr;

struct mem_node {
    struct inode inode; /* the base comes first */
    union {
        struct memfile data; /* S_ISREG */
        struct memdir names; /* S_ISDIR */
        char *target;        /* S_ISLNK, owned */
    };
    struct mem_xattr *xattrs; /* owned list */
};

/* What differs between the file systems. */
struct mem_fs_type {
    size_t node_size; /* bytes of a node: struct mem_node first */
    const struct inode_ops *dir_ops, *file_ops, *link_ops, *special_ops;
    int64_t dir_size, dirent_size; /* st_size of an empty directory, and what each name adds */
    /* The node, whose names or attributes changed, can't be made anew from anything else. NULL: never can. */
    void (*modified)(struct mem_node *node);
    /* 1: the directory has no names (it has none in memory already), 0, or -errno. NULL: 1. May block. */
    MUST_CHECK int (*lower_empty)(struct mem_node *dir);
};

/* super_block.private begins with this. */
struct mem_fs {
    const struct mem_fs_type *type;
    struct mem_budget budget;
    uint64_t inodes, max_inodes; /* 0: no limit */
    uint64_t reserved_inodes;    /* of files whose making is still to be made known */
};

static inline struct mem_node *mem_node(struct inode *inode)
{
    return (struct mem_node *)inode;
}
static inline struct mem_fs *mem_fs(const struct super_block *sb)
{
    return sb->private;
}

/* limit_bytes 0: half of the sandbox's memory, as Linux's tmpfs. */
void mem_fs_init(struct mem_fs *fs, const struct mem_fs_type *type, uint64_t limit_bytes);
/* A node with fresh attributes; uid, gid and mode are final. Errors: -ENOSPC (inodes), -ENOMEM. */
MUST_CHECK int mem_node_new(struct super_block *sb, uint32_t mode, uint32_t uid, uint32_t gid,
                            struct mem_node **out);
/* super_ops.free_inode; also frees the struct. */
void mem_free_inode(struct inode *inode);
/* super_ops.put: drops the whole tree under root, without recursion. */
void mem_drop_tree(struct inode *root);
MUST_CHECK int mem_statfs(struct inode *root, struct statfs *out);
/* Tells the file system of a change that it must remember. */
static inline void mem_modified(struct mem_node *n)
{
    const struct mem_fs_type *type = mem_fs(n->inode.sb)->type;
    if (type->modified) {
        type->modified(n);
    }
}

/* inode_ops of directories (memnode_dir.c) */
MUST_CHECK int mem_lookup(struct inode *dir, const struct name *name, struct inode **out);
MUST_CHECK int mem_create(struct inode *dir, const struct name *name, uint32_t mode,
                          const struct cred *cred, struct inode **out);
MUST_CHECK int mem_mknod(struct inode *dir, const struct name *name, uint32_t mode, dev_t rdev,
                         const struct cred *cred, struct inode **out);
MUST_CHECK int mem_symlink(struct inode *dir, const struct name *name, const char *target,
                           const struct cred *cred, struct inode **out);
MUST_CHECK int mem_tmpfile(struct inode *dir, uint32_t mode, const struct cred *cred,
                           struct inode **out);
MUST_CHECK int mem_link(struct inode *dir, const struct name *name, struct inode *inode);
MUST_CHECK int mem_unlink(struct inode *dir, const struct name *name, struct inode *inode);
MUST_CHECK int mem_rmdir(struct inode *dir, const struct name *name, struct inode *inode);
MUST_CHECK int mem_rename(struct inode *old_dir, const struct name *old_name, struct inode *inode,
                          struct inode *new_dir, const struct name *new_name, struct inode *target,
                          unsigned flags);
/* Emits ".", ".." and the names in memory, from c->pos. Return: true when all of them were taken. */
bool mem_emit_names(struct file *f, struct dir_context *c);
MUST_CHECK int mem_open_dir(struct inode *inode, struct file *f);
MUST_CHECK size_t mem_names_after(struct inode *dir, const struct name *after, char *names,
                                  size_t size, size_t max);

MUST_CHECK int mem_reserve_names(struct inode *dir, int count);
MUST_CHECK bool mem_each_name(const struct inode *dir, size_t max,
                              void (*tell)(void *to, const struct name *name), void *to);

/* inode_ops of all kinds (memnode.c) */
MUST_CHECK int mem_open_file(struct inode *inode, struct file *f);
bool mem_opens_at_once(struct inode *inode);
MUST_CHECK int mem_getattr(struct inode *inode);
MUST_CHECK int mem_setattr(struct inode *inode, const struct inode_attr *attr);
MUST_CHECK int mem_readlink(struct inode *inode, char **out);
MUST_CHECK ssize_t mem_getxattr(struct inode *inode, const char *name, void *value, size_t size);
MUST_CHECK int mem_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
                            int flags);
MUST_CHECK ssize_t mem_listxattr(struct inode *inode, char *list, size_t size);
MUST_CHECK int mem_removexattr(struct inode *inode, const char *name);
bool mem_lacks_xattrs(struct inode *inode);
void mem_xattrs_free(struct mem_node *n);

/* file_ops of regular files */
MUST_CHECK ssize_t mem_file_read(struct file *f, struct uio *dst, int64_t *pos);
MUST_CHECK ssize_t mem_file_write(struct file *f, struct uio *src, int64_t *pos);
MUST_CHECK int64_t mem_file_llseek(struct file *f, int64_t offset, int whence);
MUST_CHECK int mem_file_lease(struct file *f, struct lease_terms *out);
void mem_file_lease_end(struct file *f, int64_t size, int64_t mtime_ns);
MUST_CHECK int mem_file_reserve(struct file *f, int64_t bytes);
bool mem_file_steady(const struct file *f);
MUST_CHECK int mem_file_mmap(struct file *f, int prot, int flags, struct file_map *out);
MUST_CHECK int mem_file_fsync(struct file *f, bool data_only);
MUST_CHECK int mem_file_fallocate(struct file *f, int mode, int64_t offset, int64_t size);
