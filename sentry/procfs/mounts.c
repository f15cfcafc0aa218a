/*
 * /proc/PID/{mounts,mountinfo,mountstats}: the mounts that a process can see from its root.
 * Analogous to Linux's fs/proc_namespace.c. See proc_pid_mountinfo(5).
 */
#include "sentry/procfs/proc.h"

#include <string.h>
#include <sys/sysmacros.h>

/* Spaces and the like would end a field: they are written in octal. */
static void add_escaped(struct strbuf *out, const char *text, const char *also)
{
    for (; *text; text++) {
        if (strchr(" \t\n\\", *text) || strchr(also, *text)) {
            strbuf_printf(out, "\\%03o", (unsigned char)*text);
        } else {
            strbuf_addc(out, *text);
        }
    }
}

static void add_mount_flags(const struct mount *m, struct strbuf *out)
{
    static const struct {
        unsigned flag;
        const char *text;
    } names[] = {
        {MNT_NOSUID, ",nosuid"},   {MNT_NODEV, ",nodev"},       {MNT_NOEXEC, ",noexec"},
        {MNT_NOATIME, ",noatime"}, {MNT_RELATIME, ",relatime"},
    };
    strbuf_adds(out, m->flags & MNT_RDONLY ? "ro" : "rw");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (m->flags & names[i].flag) {
            strbuf_adds(out, names[i].text);
        }
    }
}

static void add_super_flags(const struct mount *m, struct strbuf *out)
{
    strbuf_adds(out, m->sb->flags & SB_RDONLY ? "ro" : "rw");
    if (m->options && m->options[0]) {
        strbuf_addc(out, ',');
        strbuf_adds(out, m->options);
    }
}

static const char *source_of(const struct mount *m)
{
    return m->source && m->source[0] ? m->source : "none";
}

/* Where m is, as the process's root shows it. false: outside of that root. */
static bool mount_point(const struct mount *m, const struct path *root, struct strbuf *out)
{
    const struct path at = {.mnt = (struct mount *)m, .dentry = m->root};
    if (root && root->mnt) {
        const struct mount *up = m;
        while (up && up != root->mnt) {
            up = up->parent;
        }
        if (!up) {
            return false;
        }
    }
    return path_name(&at, root, out) == 0;
}

static int show_each(struct proc_inode *pi, struct strbuf *out,
                     void (*one)(const struct mount *m, const char *at, struct strbuf *out))
{
    const struct task *t = proc_task(pi);
    const struct path *root = t && t->fs ? &t->fs->root : NULL;
    const struct mount *m;
    list_for_each_entry (m, &g_kernel->mounts->all, all) {
        AUTO_STRBUF at = {0};
        if (mount_point(m, root, &at)) {
            one(m, at.text, out);
        }
    }
    return 0;
}

static void one_mount(const struct mount *m, const char *at, struct strbuf *out)
{
    add_escaped(out, source_of(m), "#");
    strbuf_addc(out, ' ');
    add_escaped(out, at, "");
    strbuf_printf(out, " %s ", m->sb->type_name);
    add_mount_flags(m, out);
    if (m->options && m->options[0]) {
        strbuf_printf(out, ",%s", m->options);
    }
    strbuf_adds(out, " 0 0\n");
}

static void one_mountinfo(const struct mount *m, const char *at, struct strbuf *out)
{
    strbuf_printf(out, "%d %d %u:%u ", m->id, m->parent ? m->parent->id : m->id, major(m->sb->dev),
                  minor(m->sb->dev));
    AUTO_STRBUF root = {0};
    const struct path in_fs = {.mnt = NULL, .dentry = m->root};
    if (m->root->parent && path_name(&in_fs, NULL, &root) == 0) {
        add_escaped(out, root.text, "");
    } else {
        strbuf_addc(out, '/');
    }
    strbuf_addc(out, ' ');
    add_escaped(out, at, "");
    strbuf_addc(out, ' ');
    add_mount_flags(m, out);
    strbuf_printf(out, " - %s ", m->sb->type_name);
    add_escaped(out, source_of(m), "#");
    strbuf_addc(out, ' ');
    add_super_flags(m, out);
    strbuf_addc(out, '\n');
}

static void one_mountstat(const struct mount *m, const char *at, struct strbuf *out)
{
    strbuf_adds(out, "device ");
    add_escaped(out, source_of(m), "#");
    strbuf_adds(out, " mounted on ");
    add_escaped(out, at, "");
    strbuf_printf(out, " with fstype %s\n", m->sb->type_name);
}

int proc_show_mounts(struct proc_inode *pi, struct strbuf *out)
{
    return show_each(pi, out, one_mount);
}

int proc_show_mountinfo(struct proc_inode *pi, struct strbuf *out)
{
    return show_each(pi, out, one_mountinfo);
}

int proc_show_mountstats(struct proc_inode *pi, struct strbuf *out)
{
    return show_each(pi, out, one_mountstat);
}
