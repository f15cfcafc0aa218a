/*
 * /proc/PID/maps, and a process's memory in numbers. The map is the host kernel's (sentry/mm/mm_map.h);
 * when the host has no /proc to read it from, what the sentry itself knows must do.
 */
#include "sentry/procfs/proc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sentry/mm/mm_map.h"
#include "sentry/mm/usercopy.h"

#define NAME_COLUMN 73

struct map_view {
    struct strbuf *out;
    struct walk walk;       /* as the kernel, from the process's root */
    struct strbuf checked;  /* the last name looked up, ... */
    bool deleted;           /* ... and what came of it */
    struct mm_mapping last; /* not shown yet; its name is last_name */
    struct strbuf last_name;
};

/*
 * The sentry remembers under which name a file was mapped, and not the file itself: that would keep
 * every file that was ever mapped. So whether the name still means it is asked when it is shown.
 */
static bool is_deleted(struct map_view *v, const char *name, uint64_t dev, uint64_t ino)
{
    if (v->checked.text && strcmp(v->checked.text, name) == 0) {
        return v->deleted;
    }
    strbuf_clear(&v->checked);
    strbuf_adds(&v->checked, name);
    if (strbuf_error(&v->checked) < 0 || !v->checked.text) {
        return false;
    }
    AUTO_PATH p = {0};
    int err = vfs_lookup(&v->walk, v->checked.text, &p);
    v->deleted = err == -ENOENT || err == -ENOTDIR ||
                 (err == 0 && (p.dentry->inode->ino != ino || p.dentry->inode->dev != dev));
    return v->deleted;
}

static void add_mapping(const struct mm_mapping *m, struct strbuf *out)
{
    size_t line = out->size;
    strbuf_printf(out, "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %02x:%02x %" PRIu64 " ",
                  m->start, m->end, m->prot, m->offset, major(m->dev), minor(m->dev), m->ino);
    if (m->name[0]) {
        while (!out->oom && out->size - line < NAME_COLUMN) {
            strbuf_addc(out, ' ');
        }
        strbuf_adds(out, m->name);
    }
}

static void show_last(struct map_view *v)
{
    const struct mm_mapping *m = &v->last;
    if (m->start == m->end) {
        return;
    }
    add_mapping(m, v->out);
    size_t size = strlen(m->name);
    bool known = size > 10 && strcmp(m->name + size - 10, " (deleted)") == 0;
    if (m->name[0] == '/' && !known && is_deleted(v, m->name, m->dev, m->ino)) {
        strbuf_adds(v->out, " (deleted)");
    }
    strbuf_addc(v->out, '\n');
}

/*
 * Text that has been written to, as the platform writes to it, stays another mapping to the host than the text around it. To the guest
 * it is one: profilers and debuggers look for the one that has the program's code.
 */
static bool goes_on(const struct map_view *v, const struct mm_mapping *m)
{
    const struct mm_mapping *last = &v->last;
    return last->start < last->end && m->start == last->end && m->ino != 0 && m->ino == last->ino &&
           m->dev == last->dev && strcmp(m->prot, "r-xp") == 0 &&
           strcmp(last->prot, m->prot) == 0 && m->offset - last->offset == m->start - last->start &&
           strcmp(m->name, last->name) == 0;
}

static int show_mapping(const struct mm_mapping *m, void *arg)
{
    struct map_view *v = arg;
    if (goes_on(v, m)) {
        v->last.end = m->end;
        return 0;
    }
    show_last(v);
    v->last = *m;
    strbuf_clear(&v->last_name);
    strbuf_adds(&v->last_name, m->name);
    v->last.name = v->last_name.text ? v->last_name.text : "";
    return strbuf_error(&v->last_name);
}

static int show_known(const struct mm *mm, struct strbuf *out)
{
    struct mm_mapping m = {.prot = "rw-p"};
    if (mm_brk(mm) > mm->start_brk) {
        m.start = mm->start_brk;
        m.end = ALIGN_UP(mm_brk(mm), PAGE_SIZE);
        m.name = "[heap]";
        add_mapping(&m, out);
        strbuf_addc(out, '\n');
    }
    if (mm->stack_top) {
        m.start = mm->stack_low;
        m.end = mm->stack_top;
        m.name = "[stack]";
        add_mapping(&m, out);
        strbuf_addc(out, '\n');
    }
    return 0;
}

int proc_show_maps(struct proc_inode *pi, struct strbuf *out)
{
    struct mm *shown = proc_mm(pi);
    const struct task *t = proc_task(pi);
    if (!shown || !t->fs) {
        return 0;
    }
    /* The process may die, or exec, while its files are looked up. */
    AUTO_PUT(mm) mm = mm_get(shown);
    AUTO_PATH root = {0};
    AUTO_PUT(cred) kernel = NULL;
    path_copy(&root, &t->fs->root);
    int err = cred_new(&kernel, 0, 0, NULL, 0);
    if (err < 0) {
        return err;
    }
    struct map_view v = {.out = out, .walk = {.cred = kernel, .root = &root, .start = &root}};
    err = mm_map_walk(mm, show_mapping, &v);
    show_last(&v);
    strbuf_free(&v.checked);
    strbuf_free(&v.last_name);
    return err == -ENOENT ? show_known(mm, out) : err;
}

static int count_mapping(const struct mm_mapping *m, void *arg)
{
    struct proc_memory *count = arg;
    uint64_t pages = (m->end - m->start) / PAGE_SIZE;
    count->size += pages;
    if (strcmp(m->name, "[stack]") == 0) {
        count->stack += pages;
    } else if (m->prot[2] == 'x' && m->prot[1] != 'w') {
        count->lib += pages; /* all code for now: the program's own is taken off below */
    }
    if (m->prot[1] == 'w' && m->prot[3] == 'p') {
        count->data += pages;
    }
    return 0;
}

void proc_resident_of(struct mm *mm, uint64_t *out_resident, uint64_t *out_shared)
{
    AUTO_STRBUF statm = {0};
    uint64_t size;
    if (mm_host_proc(mm, "statm", &statm) < 0 || !statm.text ||
        sscanf(statm.text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &size, out_resident, out_shared) !=
            3) {
        *out_resident = *out_shared = 0;
    }
}

void proc_memory_of(struct mm *mm, struct proc_memory *out)
{
    *out = (struct proc_memory){0};
    if (!mm) {
        return;
    }
    mm_get(mm);
    if (mm_map_walk(mm, count_mapping, out) < 0) {
        *out = (struct proc_memory){0};
    }
    proc_resident_of(mm, &out->resident, &out->shared);
    out->text =
        (ALIGN_UP(mm->end_code, PAGE_SIZE) - ALIGN_DOWN(mm->start_code, PAGE_SIZE)) / PAGE_SIZE;
    out->lib -= MIN(out->lib, out->text);
    out->resident = MIN(out->resident, out->size);
    mm_put(mm);
}

int proc_add_memory(struct mm *mm, uaddr_t addr, uint64_t size, struct strbuf *out)
{
    char buf[1024];
    while (size > 0) {
        size_t want = MIN(size, (uint64_t)sizeof(buf));
        size_t got = copy_in_partial(mm, buf, addr, want);
        strbuf_add(out, buf, got);
        if (got < want) {
            break;
        }
        addr += got;
        size -= got;
    }
    return strbuf_error(out);
}
