#include "syscalls/crash_modules.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "lib/kthread.h"
#include "sentry/mm/mm_map.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "sentry/vfs/vfs.h"

#define MAX_MODULES 512
#define MAX_HEADERS 64
/* A file's symbols are read under the baton: let others in between. */
#define READS_BETWEEN_YIELDS 64

/* --- the map --- */

static bool is_module(const struct mm_mapping *m)
{
    return m->name[0] == '/' || strcmp(m->name, "[vdso]") == 0;
}

static int add_mapping(const struct mm_mapping *m, void *arg)
{
    struct crash_modules *modules = arg;
    struct crash_module *last = modules->count ? &modules->list[modules->count - 1] : NULL;
    if (!is_module(m)) {
        return 0;
    }
    if (last && m->offset && last->ino == m->ino && last->dev == m->dev &&
        strcmp(last->name, m->name) == 0) {
        last->end = m->end;
        return 0;
    }
    if (m->offset || modules->count == MAX_MODULES) {
        return 0;
    }
    if (modules->count % 32 == 0) {
        struct crash_module *more =
            reallocarray(modules->list, modules->count + 32, sizeof(*modules->list));
        if (!more) {
            return -ENOMEM;
        }
        modules->list = more;
    }
    char *name = strdup(m->name);
    if (!name) {
        return -ENOMEM;
    }
    modules->list[modules->count++] = (struct crash_module){
        .start = m->start, .end = m->end, .dev = m->dev, .ino = m->ino, .name = name};
    return 0;
}

/* The program headers, as they are in memory, say where the file expected to be and where its table is. */
static void read_headers(struct crash_module *m, struct mm *mm)
{
    Elf64_Ehdr header;
    Elf64_Phdr p;
    bool placed = false;
    uaddr_t table = 0;
    m->bias = m->start;
    if (get_user(mm, &header, m->start) < 0 || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_phentsize != sizeof(p)) {
        return;
    }
    for (unsigned i = 0; i < MIN(header.e_phnum, (unsigned)MAX_HEADERS); i++) {
        if (get_user(mm, &p, m->start + header.e_phoff + i * sizeof(p)) < 0) {
            return;
        }
        if (p.p_type == PT_LOAD && !placed) {
            m->bias = m->start - ALIGN_DOWN(p.p_vaddr - p.p_offset, PAGE_SIZE);
            placed = true;
        } else if (p.p_type == PT_GNU_EH_FRAME) {
            table = p.p_vaddr;
        }
    }
    m->table = table ? m->bias + table : 0;
}

void crash_modules_load(struct crash_modules *m, struct task *t)
{
    *m = (struct crash_modules){0};
    int r = mm_map_walk(t->mm, add_mapping, m);
    (void)r; /* what was found until then */
    for (size_t i = 0; i < m->count; i++) {
        read_headers(&m->list[i], t->mm);
    }
}

void crash_modules_free(struct crash_modules *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->list[i].name);
    }
    free(m->list);
    *m = (struct crash_modules){0};
}

const struct crash_module *crash_modules_find(const struct crash_modules *m, uaddr_t addr)
{
    for (size_t i = 0; i < m->count; i++) {
        if (addr >= m->list[i].start && addr < m->list[i].end) {
            return &m->list[i];
        }
    }
    return NULL;
}

/* --- names --- */

/* Where a module's bytes come from: its file, or (the vDSO has none) memory. */
struct source {
    struct file *file;
    struct mm *mm;
    uaddr_t start, end;
    unsigned reads;
};

static size_t read_source(void *arg, void *dst, size_t size, uint64_t offset)
{
    struct source *s = arg;
    if (!s->file) {
        return offset < s->end - s->start ? copy_in_partial(s->mm, dst, s->start + offset,
                                                            MIN(size, s->end - s->start - offset))
                                          : 0;
    }
    if (offset > INT64_MAX - size) {
        return 0;
    }
    if (++s->reads % READS_BETWEEN_YIELDS == 0) {
        kthread_yield();
    }
    ssize_t n = file_kernel_read(s->file, dst, size, (int64_t)offset);
    return n > 0 ? (size_t)n : 0;
}

/* The file that name means now: only if it is still the mapped one, and a file (a FIFO would wait). NULL: no. */
static struct file *open_module(const struct crash_module *m, struct task *t)
{
    struct file *f = NULL;
    AUTO_PATH start = {0};
    AUTO_PATH p = {0};
    struct walk w;
    if (m->name[0] != '/' || task_walk(t, AT_FDCWD, WALK_FOLLOW, &w, &start) < 0 ||
        vfs_lookup(&w, m->name, &p) < 0) {
        return NULL;
    }
    const struct inode *inode = p.dentry->inode;
    if (!S_ISREG(inode->mode) || inode->ino != m->ino || inode->dev != m->dev ||
        vfs_open_path(&p, O_RDONLY, t->cred, &f) < 0) {
        return NULL;
    }
    return f;
}

static void name_in_module(const struct crash_module *m, struct task *t,
                           struct crash_symbol *symbols, size_t count)
{
    struct source source = {.mm = t->mm, .start = m->start, .end = m->end};
    const struct elf_reader reader = {.read = read_source, .arg = &source};
    source.file = open_module(m, t);
    for (size_t i = 0; i < count; i++) {
        if (symbols[i].module == m) {
            elf_symbols_find(&reader, &symbols[i].symbol, 1);
        }
    }
    if (source.file) {
        file_put(source.file);
    }
}

void crash_modules_name(const struct crash_modules *m, struct task *t, struct crash_symbol *symbols,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        symbols[i].module = crash_modules_find(m, symbols[i].addr);
        symbols[i].symbol.name[0] = '\0';
        if (symbols[i].module) {
            symbols[i].symbol.value = symbols[i].addr - symbols[i].module->bias;
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool done = !symbols[i].module;
        for (size_t k = 0; k < i && !done; k++) {
            done = symbols[k].module == symbols[i].module;
        }
        if (!done) {
            name_in_module(symbols[i].module, t, symbols, count);
        }
    }
}
