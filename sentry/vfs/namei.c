/*
 * The path walk: a name, component by component, to a path. Analogous to link_path_walk and its
 * neighbours in Linux's fs/namei.c; see path_resolution(7) and openat2(2).
 *
 * Text still to be walked lies on a stack of pieces: the caller's name at the bottom, the text of
 * each symbolic link met above it. A component is the last one when nothing but slashes is left in any
 * piece; then the walk stops at its parent and leaves the decision to the caller: vfs_lookup looks
 * it up, open may create it, unlink removes it.
 */
#include "sentry/vfs/namei.h"

#include <errno.h>
#include <string.h>

#include "sentry/vfs/dcache.h"
#include "sentry/vfs/lease.h"
#include "sentry/vfs/stamp.h"

static bool is_scoped(const struct walk *w)
{
    return w->flags & (WALK_BENEATH | WALK_IN_ROOT);
}

static void set_at(struct namei *n, const struct path *to)
{
    struct path next;
    path_copy(&next, to);
    path_put(&n->at);
    n->at = next;
}

/* An absolute name or link text begins here. */
static int jump_to_root(struct namei *n)
{
    if (n->w->flags & WALK_BENEATH) {
        return -EXDEV;
    }
    if ((n->w->flags & WALK_NO_XDEV) && n->at.dentry && n->at.mnt != n->root.mnt) {
        return -EXDEV;
    }
    set_at(n, &n->root);
    return 0;
}

int namei_start(struct namei *n, const struct walk *w, const char *name)
{
    /* pieces is left as it is: depth says what is valid */
    n->w = w;
    n->at = (struct path){0};
    /* A reference of its own: another thread may chroot while this one sleeps. */
    path_copy(&n->root, is_scoped(w) ? w->start : w->root);
    n->kind = LAST_NONE;
    n->slash = n->opens = false;
    n->links = 0;
    n->depth = 0;
    if (name[0] == '\0') {
        if (!(w->flags & WALK_EMPTY_PATH)) {
            return -ENOENT;
        }
        set_at(n, w->start);
        return 0;
    }
    if (strlen(name) >= PATH_SIZE_MAX) {
        return -ENAMETOOLONG;
    }
    if (name[0] == '/') {
        int r = jump_to_root(n);
        if (r < 0) {
            return r;
        }
        name += strspn(name, "/");
    } else {
        set_at(n, w->start);
        if (!S_ISDIR(n->at.dentry->inode->mode)) {
            return -ENOTDIR;
        }
    }
    n->pieces[n->depth++] = (struct namei_piece){.rest = name};
    return 0;
}

static void drop_finished_pieces(struct namei *n)
{
    while (n->depth > 0 && *n->pieces[n->depth - 1].rest == '\0') {
        free(n->pieces[--n->depth].owned);
    }
}

void namei_end(struct namei *n)
{
    while (n->depth > 0) {
        free(n->pieces[--n->depth].owned);
    }
    path_put(&n->at);
    path_put(&n->root);
}

static bool text_left(const struct namei *n)
{
    for (size_t i = 0; i < n->depth; i++) {
        if (*n->pieces[i].rest != '\0') {
            return true;
        }
    }
    return false;
}

/* Takes the next component off the text. Return: 1, 0 when none is left, or -errno. */
static int next_component(struct namei *n, struct name *out, bool *out_slash)
{
    drop_finished_pieces(n);
    if (n->depth == 0) {
        return 0;
    }
    struct namei_piece *p = &n->pieces[n->depth - 1];
    out->text = p->rest;
    out->size = strcspn(p->rest, "/");
    p->rest += out->size;
    size_t slashes = strspn(p->rest, "/");
    p->rest += slashes;
    *out_slash = slashes > 0;
    return 1;
}

static enum last_kind kind_of(const struct name *c)
{
    if (c->size == 1 && c->text[0] == '.') {
        return LAST_DOT;
    }
    if (c->size == 2 && c->text[0] == '.' && c->text[1] == '.') {
        return LAST_DOTDOT;
    }
    return LAST_NORM;
}

static int may_search(const struct namei *n)
{
    struct inode *dir = n->at.dentry->inode;
    if (!S_ISDIR(dir->mode)) {
        return -ENOTDIR;
    }
    if ((dir->mode & 0111) == 0111 && !dir->ops->permission) {
        return 0;
    }
    return inode_permission(dir, n->w->cred, MAY_EXEC);
}

/* Goes down into what is mounted on *p. */
static int cross_mounts(const struct namei *n, struct path *p)
{
    while (p->mnt && p->dentry->mount_count > 0) {
        struct mount *m = mount_covering(p->mnt, p->dentry);
        if (!m) {
            break; /* the mount is on this dentry as seen through another mount */
        }
        if (n->w->flags & WALK_NO_XDEV) {
            return -EXDEV;
        }
        const struct path root = {.mnt = m, .dentry = m->root};
        struct path next;
        path_copy(&next, &root);
        path_put(p);
        *p = next;
    }
    return 0;
}

int namei_enter(struct namei *n, struct dentry *d, struct path *out)
{
    *out = (struct path){.mnt = n->at.mnt ? mount_get(n->at.mnt) : NULL, .dentry = d};
    int r = d->mount_count > 0 ? cross_mounts(n, out) : 0;
    if (r < 0) {
        path_put(out);
    }
    return r;
}

/* ".." from n->at: stops at the root, leaves a mount at its root. */
static int go_up(struct namei *n)
{
    struct path p;
    path_copy(&p, &n->at);
    int r = 0;
    while (!path_equal(&p, &n->root) && p.mnt && p.dentry == p.mnt->root && p.mnt->parent) {
        if (n->w->flags & WALK_NO_XDEV) {
            r = -EXDEV;
            goto out;
        }
        const struct path covered = {.mnt = p.mnt->parent, .dentry = p.mnt->mountpoint};
        struct path next;
        path_copy(&next, &covered);
        path_put(&p);
        p = next;
    }
    if (path_equal(&p, &n->root)) {
        r = n->w->flags & WALK_BENEATH ? -EXDEV : 0;
        goto out;
    }
    if (p.dentry->parent) {
        struct dentry *parent = dentry_get(p.dentry->parent);
        dentry_put(p.dentry);
        p.dentry = parent;
        r = cross_mounts(n, &p);
    }
out:
    if (r == 0) {
        set_at(n, &p);
    }
    path_put(&p);
    return r;
}

int namei_dots(struct namei *n)
{
    return n->kind == LAST_DOTDOT ? go_up(n) : 0;
}

/* A link of /proc that leads to an object, not to a name. */
static int jump_magic(struct namei *n, const struct path *link)
{
    const struct inode *inode = link->dentry->inode;
    if (n->w->flags & WALK_NO_MAGICLINKS) {
        return -ELOOP;
    }
    struct path to = {0};
    int r = inode->ops->get_link_path(link->dentry->inode, n->w->cred, &to);
    if (r < 0) {
        return r;
    }
    if (is_scoped(n->w) || ((n->w->flags & WALK_NO_XDEV) && to.mnt != n->at.mnt)) {
        path_put(&to);
        return -EXDEV;
    }
    path_put(&n->at);
    n->at = to;
    return 0;
}

int namei_follow(struct namei *n, const struct path *link)
{
    struct inode *inode = link->dentry->inode;
    if (n->links++ >= MAX_LINKS || (n->w->flags & WALK_NO_SYMLINKS)) {
        return -ELOOP;
    }
    if (inode->ops->get_link_path) {
        return jump_magic(n, link);
    }
    if (!inode->ops->readlink) {
        return -EINVAL;
    }
    AUTO_FREE char *text = NULL;
    int r = inode->ops->readlink(inode, &text);
    if (r < 0) {
        return r;
    }
    path_accessed(link);
    if (text[0] == '\0') {
        return -ENOENT;
    }
    if (strlen(text) >= PATH_SIZE_MAX) {
        return -ENAMETOOLONG;
    }
    const char *rest = text;
    if (text[0] == '/') {
        r = jump_to_root(n);
        if (r < 0) {
            return r;
        }
        rest += strspn(text, "/");
    }
    /* The component that named the link is done with: its piece may go, so the stack never
     * outgrows the number of links. */
    drop_finished_pieces(n);
    n->pieces[n->depth++] = (struct namei_piece){.rest = rest, .owned = take(&text)};
    return 0;
}

/* Names in dir come without being stamped at once: somebody notes them. */
static bool has_noted_names(const struct inode *dir)
{
    const struct file_lease *l;
    list_for_each_entry (l, &dir->leases, inode_link) {
        if (l->writes) {
            return true;
        }
    }
    return false;
}

void namei_trace_name(const struct namei *n, const struct name *name)
{
    struct walk_trace *trace = n->w->trace;
    const struct inode *dir = n->at.dentry->inode;
    if (trace && trace->count < TRACE_NAMES) {
        trace->names[trace->count++] = stamp_of_name(dir, name->text, name->size);
        trace->missing = stamp_of_missing(dir);
        trace->unsteady |= has_noted_names(dir);
        trace->made_here = !(dir->i_flags & INODE_FROZEN) && n->at.dentry != n->w->root->dentry;
    } else if (trace) {
        trace->unsteady = true;
    }
}

static void trace_dir(const struct namei *n)
{
    if (n->w->trace && !(n->at.dentry->sb->flags & SB_STEADY)) {
        n->w->trace->unsteady = true;
    }
}

/* A component that more follow: it must lead to a directory, through links if need be. */
static int walk_middle(struct namei *n, const struct name *c)
{
    struct dentry *d;
    int r = dentry_lookup(n->at.dentry, c, LOOKUP_MORE | (n->opens ? LOOKUP_OPEN : 0), &d);
    if (r < 0) {
        return r;
    }
    if (!d->inode) {
        namei_trace_name(n, c);
        dentry_put(d);
        return -ENOENT;
    }
    if (likely(S_ISDIR(d->inode->mode) && d->mount_count == 0)) {
        dentry_put(n->at.dentry);
        n->at.dentry = d;
        return 0;
    }
    AUTO_PATH next;
    r = namei_enter(n, d, &next);
    if (r < 0) {
        return r;
    }
    if (S_ISLNK(next.dentry->inode->mode)) {
        namei_trace_name(n, c);
        return namei_follow(n, &next);
    }
    set_at(n, &next);
    return 0;
}

int namei_parent(struct namei *n)
{
    for (;;) {
        struct name c;
        bool slash = false;
        int r = next_component(n, &c, &slash);
        if (r <= 0) {
            n->kind = LAST_NONE;
            return r;
        }
        trace_dir(n);
        r = may_search(n);
        if (r < 0) {
            return r;
        }
        if (c.size > NAME_SIZE_MAX) {
            return -ENAMETOOLONG;
        }
        n->kind = kind_of(&c);
        if (!text_left(n)) {
            n->last = c;
            n->slash |= slash;
            return 0;
        }
        r = n->kind == LAST_NORM ? walk_middle(n, &c) : namei_dots(n);
        if (r < 0) {
            return r;
        }
    }
}

int namei_finish(struct namei *n, bool follow)
{
    for (;;) {
        int r = namei_parent(n);
        if (r < 0) {
            return r;
        }
        if (n->kind != LAST_NORM) {
            r = namei_dots(n);
            if (r < 0) {
                return r;
            }
            break;
        }
        struct dentry *d;
        r = dentry_lookup(n->at.dentry, &n->last, 0, &d);
        if (r < 0) {
            return r;
        }
        namei_trace_name(n, &n->last);
        if (!d->inode) {
            dentry_put(d);
            return -ENOENT;
        }
        AUTO_PATH next;
        r = namei_enter(n, d, &next);
        if (r < 0) {
            return r;
        }
        if (!S_ISLNK(next.dentry->inode->mode) || !(follow || n->slash)) {
            set_at(n, &next);
            break;
        }
        if (n->w->trace) {
            n->w->trace->last_link = true;
        }
        r = namei_follow(n, &next);
        if (r < 0) {
            return r;
        }
    }
    if ((n->slash || (n->w->flags & WALK_DIRECTORY)) && !S_ISDIR(n->at.dentry->inode->mode)) {
        return -ENOTDIR;
    }
    return 0;
}

int vfs_lookup(const struct walk *w, const char *name, struct path *out)
{
    AUTO_NAMEI n;
    int r = namei_start(&n, w, name);
    if (r == 0) {
        r = namei_finish(&n, w->flags & WALK_FOLLOW);
    }
    if (r == 0) {
        *out = n.at;
        n.at = (struct path){0};
        if (out->dentry->inode) {
            inode_take_notes(out->dentry->inode);
        }
    }
    return r;
}
