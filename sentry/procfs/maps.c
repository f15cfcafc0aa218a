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

static int show_mapping(const struct mm_mapping *m, void *arg)
{
    struct strbuf *out = arg;
    size_t line = out->size;
    strbuf_printf(out, "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %02x:%02x %" PRIu64 " ",
                  m->start, m->end, m->prot, m->offset, major(m->dev), minor(m->dev), m->ino);
    if (m->name[0]) {
        while (!out->oom && out->size - line < NAME_COLUMN) {
            strbuf_addc(out, ' ');
        }
        strbuf_adds(out, m->name);
    }
    strbuf_addc(out, '\n');
    return 0;
}

static int show_known(const struct mm *mm, struct strbuf *out)
{
    struct mm_mapping m = {.prot = "rw-p"};
    if (mm->brk > mm->start_brk) {
        m.start = mm->start_brk;
        m.end = ALIGN_UP(mm->brk, PAGE_SIZE);
        m.name = "[heap]";
        show_mapping(&m, out);
    }
    if (mm->stack_top) {
        m.start = mm->stack_low;
        m.end = mm->stack_top;
        m.name = "[stack]";
        show_mapping(&m, out);
    }
    return 0;
}

int proc_show_maps(struct proc_inode *pi, struct strbuf *out)
{
    AUTO_PUT(mm) mm = proc_mm(pi);
    if (!mm) {
        return 0;
    }
    mm_get(mm); /* the process may die while the host's text is fetched */
    int err = mm_map_walk(mm, show_mapping, out);
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

void proc_memory_of(struct mm *mm, struct proc_memory *out)
{
    *out = (struct proc_memory){0};
    if (!mm) {
        return;
    }
    mm_get(mm);
    AUTO_STRBUF statm = {0};
    uint64_t size;
    if (mm_map_walk(mm, count_mapping, out) < 0) {
        *out = (struct proc_memory){0};
    }
    if (mm_host_proc(mm, "statm", &statm) < 0 || !statm.text ||
        sscanf(statm.text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &size, &out->resident,
               &out->shared) != 3) {
        out->resident = out->shared = 0;
    }
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
