#include "loader/loader.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>

#include "lib/host.h"
#include "loader/elf.h"
#include "loader/layout.h"
#include "loader/script.h"

struct exec_object {   /* the program or its interpreter */
    struct file *file; /* ref; NULL: none */
    struct elf_image image;
    struct file_map map;
};
struct exec_plan {
    const struct exec_request *request; /* borrowed */
    struct exec_object program, interp;
    struct exec_cred cred;
    uint64_t stack_size;
    struct {
        uint64_t layout[4];
        uint64_t padding;
        uint8_t at_random[16];
    } random;
};

static void exec_object_free(struct exec_object *o)
{
    elf_image_free(&o->image);
    if (o->file) {
        file_put(take(&o->file));
    }
}

void exec_plan_free(struct exec_plan *plan)
{
    if (plan) {
        exec_object_free(&plan->program);
        exec_object_free(&plan->interp);
        if (plan->cred.cred) {
            cred_put(plan->cred.cred);
        }
        free(plan);
    }
}

struct exec_cred *exec_plan_cred(struct exec_plan *plan)
{
    return &plan->cred;
}

struct file *exec_plan_file(struct exec_plan *plan)
{
    return plan->program.file;
}

/* Return: bytes read, fewer than size only at the end of the file. */
static ssize_t read_at(struct file *f, void *buf, size_t size, uint64_t pos)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = file_kernel_read(f, (char *)buf + done, size - done, (int64_t)(pos + done));
        if (n < 0) {
            return n;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int read_exactly(struct file *f, void *buf, size_t size, uint64_t pos)
{
    if (pos > (uint64_t)INT64_MAX - size) {
        return -EINVAL;
    }
    ssize_t n = read_at(f, buf, size, pos);
    return n < 0 ? (int)n : (size_t)n == size ? 0 : -EIO;
}

/*
 * Every file page of a segment must exist. DEVIATION: Linux maps what is not there, and the program
 * gets SIGBUS at its first touch; here a file that was cut short is refused. (In-memory files share
 * a host file: what lies behind their end is another file's.)
 */
static bool file_holds(const struct elf_image *image, int64_t file_size)
{
    uint64_t end = ALIGN_UP((uint64_t)file_size, PAGE_SIZE);
    for (size_t i = 0; i < image->load_count; i++) {
        const struct elf_load *l = &image->loads[i];
        if (l->filesz > 0 && ALIGN_UP(l->offset + l->filesz, PAGE_SIZE) > end) {
            return false;
        }
    }
    return true;
}

/* Reads and checks the program headers of o->file. */
static int parse_object(struct exec_object *o, const Elf64_Ehdr *header)
{
    size_t size = elf_phdrs_size(header);
    AUTO_FREE char *phdrs = malloc(size);
    if (!phdrs) {
        return -ENOMEM;
    }
    if (read_exactly(o->file, phdrs, size, header->e_phoff) < 0) {
        return -ENOEXEC;
    }
    int err = elf_parse_phdrs(header, phdrs, &o->image);
    if (err < 0) {
        return err;
    }
    if (!file_holds(&o->image, o->file->inode->size)) {
        return -ENOEXEC;
    }
    if (!o->file->ops->mmap) {
        return -ENOEXEC;
    }
    return o->file->ops->mmap(o->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &o->map);
}

static int open_interp(struct exec_plan *plan)
{
    const struct elf_image *image = &plan->program.image;
    AUTO_FREE char *name = malloc(image->interp_size);
    if (!name) {
        return -ENOMEM;
    }
    int err = read_exactly(plan->program.file, name, image->interp_size, image->interp_offset);
    if (err < 0) {
        return err;
    }
    if (name[image->interp_size - 1] != '\0') {
        return -ENOEXEC;
    }
    struct exec_object *o = &plan->interp;
    err = loader_open(plan->request->walk, name, &o->file);
    if (err < 0) {
        return err;
    }
    Elf64_Ehdr header;
    err = read_exactly(o->file, &header, sizeof(header), 0);
    if (err < 0) {
        return err;
    }
    if (elf_parse_header(&header, sizeof(header), &header) < 0) {
        return -ELIBBAD;
    }
    err = parse_object(o, &header);
    return err == -ENOEXEC || err == -EINVAL ? -ELIBBAD : err;
}

/*
 * One #! line: the interpreter becomes the program, and the script's name its argument. name is
 * what the current file was called, and is replaced.
 */
static int follow_script(struct exec_plan *plan, char buf[static SCRIPT_BUFFER_SIZE], char **name)
{
    const struct exec_request *r = plan->request;
    struct script_line line;
    int err = script_parse(buf, &line);
    if (err < 0) {
        return err;
    }
    if (r->path_closes) {
        return -ENOENT;
    }
    const char *texts[3] = {line.interp};
    size_t count = 1;
    if (line.arg) {
        texts[count++] = line.arg;
    }
    texts[count++] = *name ? *name : r->filename;
    err = arg_list_replace_first(r->args, texts, count);
    if (err == 0) {
        err = arg_check(r->rlimit_stack, r->args, r->env, r->filename);
    }
    struct file *file = NULL;
    if (err == 0) {
        err = loader_open(r->walk, line.interp, &file);
    }
    if (err < 0) {
        return err;
    }
    file_put(plan->program.file);
    plan->program.file = file;
    free(*name);
    *name = strdup(line.interp);
    return *name ? 0 : -ENOMEM;
}

/* Follows scripts to the ELF file at their end. */
static int find_program(struct exec_plan *plan, Elf64_Ehdr *header)
{
    AUTO_FREE char *name = NULL;
    for (int depth = 0; depth <= SCRIPT_DEPTH_MAX; depth++) {
        char buf[SCRIPT_BUFFER_SIZE] = {0};
        ssize_t n = read_at(plan->program.file, buf, sizeof(buf), 0);
        if (n < 0) {
            return (int)n;
        }
        if (!script_is(buf)) {
            return elf_parse_header(buf, (size_t)n, header);
        }
        int err = follow_script(plan, buf, &name);
        if (err < 0) {
            return err;
        }
    }
    return -ELOOP;
}

static int compute_cred(struct exec_plan *plan)
{
    const struct exec_request *r = plan->request;
    const struct file *f = plan->program.file;
    const struct exec_cred_request cr = {
        .old = r->walk->cred,
        .mode = f->inode->mode,
        .uid = f->inode->uid,
        .gid = f->inode->gid,
        .nosuid = f->path.mnt && (f->path.mnt->flags & MNT_NOSUID),
        .no_new_privs = r->no_new_privs,
    };
    int err = exec_cred_compute(&cr, &plan->cred);
    if (err == 0 && inode_permission(f->inode, r->walk->cred, MAY_READ) < 0) {
        plan->cred.dumpable = false; /* its memory would show what the caller may not read */
    }
    return err;
}

static struct layout_request layout_request_of(const struct exec_plan *plan, uaddr_t vdso)
{
    struct layout_request r = {
        .program = &plan->program.image,
        .interp = plan->interp.file ? &plan->interp.image : NULL,
        .stack_size = plan->stack_size,
        .vdso = vdso,
        .randomize = !(plan->request->personality & ADDR_NO_RANDOMIZE),
    };
    memcpy(r.random, plan->random.layout, sizeof(r.random));
    return r;
}

static int prepare(struct exec_plan *plan)
{
    const struct exec_request *r = plan->request;
    Elf64_Ehdr header;
    int err = find_program(plan, &header);
    if (err == 0) {
        err = parse_object(&plan->program, &header);
    }
    if (err == 0 && plan->program.image.interp_size) {
        err = open_interp(plan);
    }
    if (err == 0) {
        err = compute_cred(plan);
    }
    if (err < 0) {
        return err;
    }
    host_random(&plan->random, sizeof(plan->random));
    uint64_t limit = r->rlimit_stack;
    if (plan->cred.secure) {
        limit = MIN(limit, 8UL << 20); /* as Linux: a privileged program gets a known layout */
    }
    plan->stack_size = layout_stack_size(limit, stack_size_bound(r->args, r->env, r->filename));
    /* A trial: with the vDSO's place known, loader_load does it again with the same numbers. */
    struct layout_request lr = layout_request_of(plan, 0);
    struct layout layout;
    return layout_choose(&lr, &layout);
}

int loader_prepare(const struct exec_request *r, struct exec_plan **out)
{
    struct exec_plan *plan = calloc(1, sizeof(*plan));
    if (!plan) {
        return -ENOMEM;
    }
    plan->request = r;
    plan->program.file = file_get(r->file);
    int err = prepare(plan);
    if (err < 0) {
        exec_plan_free(plan);
        return err;
    }
    *out = plan;
    return 0;
}

/* In Linux's order; the 0 values are stack_build's to fill in. */
static void build_auxv(const struct exec_plan *plan, const struct layout *layout,
                       const struct platform_boot *boot, const struct cred *cred, struct auxv *a)
{
    const struct elf_image *image = &plan->program.image;
    if (boot->vdso) {
        auxv_add(a, AT_SYSINFO_EHDR, boot->vdso);
    }
    if (boot->minsigstksz) {
        auxv_add(a, AT_MINSIGSTKSZ, boot->minsigstksz);
    }
    auxv_add(a, AT_HWCAP, boot->hwcap);
    auxv_add(a, AT_PAGESZ, PAGE_SIZE);
    auxv_add(a, AT_CLKTCK, boot->clktck ? boot->clktck : 100);
    auxv_add(a, AT_PHDR, image->phdr_vaddr + layout->program_bias);
    auxv_add(a, AT_PHENT, sizeof(Elf64_Phdr));
    auxv_add(a, AT_PHNUM, image->phdr_count);
    auxv_add(a, AT_BASE, layout->interp_bias);
    auxv_add(a, AT_FLAGS, 0);
    auxv_add(a, AT_ENTRY, layout->program_entry);
    auxv_add(a, AT_UID, cred->uid);
    auxv_add(a, AT_EUID, cred->euid);
    auxv_add(a, AT_GID, cred->gid);
    auxv_add(a, AT_EGID, cred->egid);
    auxv_add(a, AT_SECURE, plan->cred.secure);
    auxv_add(a, AT_RANDOM, 0);
    auxv_add(a, AT_HWCAP2, boot->hwcap2);
    auxv_add(a, AT_EXECFN, 0);
    auxv_add(a, AT_PLATFORM, 0);
}

static int note_object(struct mm *mm, const struct exec_object *o, const struct path *root)
{
    AUTO_STRBUF name = {0};
    int err = path_name(&o->file->path, root, &name);
    if (err < 0) {
        return err;
    }
    const struct inode *inode = o->file->inode;
    return mm_note_file(mm, o->map.host_fd, inode->dev, inode->ino, name.text);
}

static void fill_mm(struct mm *mm, const struct exec_plan *plan, const struct layout *layout,
                    const struct stack_image *stack, const struct auxv *auxv)
{
    const struct elf_image *image = &plan->program.image;
    mm->start_code = image->start_code + layout->program_bias;
    mm->end_code = image->end_code + layout->program_bias;
    mm->start_data = image->start_data + layout->program_bias;
    mm->end_data = image->end_data + layout->program_bias;
    mm->start_brk = mm->brk = layout->start_brk;
    mm->stack_low = layout->stack_low;
    mm->stack_top = layout->stack_top;
    mm->start_stack = stack->sp;
    mm->arg_start = stack->arg_start;
    mm->arg_end = stack->arg_end;
    mm->env_start = stack->env_start;
    mm->env_end = stack->env_end;
    _Static_assert(sizeof(mm->auxv) == sizeof(auxv->words), "one size of auxv");
    memcpy(mm->auxv, auxv->words, sizeof(mm->auxv));
}

static int add_stack_ops(const struct exec_plan *plan, const struct layout *layout,
                         const struct stack_image *stack, struct load_list *list)
{
    int prot = PROT_READ | PROT_WRITE | (plan->program.image.exec_stack ? PROT_EXEC : 0);
    int err = load_list_add(list, &(struct load_op){.kind = LOAD_MAP_ANON,
                                                    .prot = prot,
                                                    .host_fd = -1,
                                                    .addr = layout->stack_low,
                                                    .size = plan->stack_size});
    if (err == 0) {
        err = load_list_add(list, &(struct load_op){.kind = LOAD_COPY,
                                                    .host_fd = -1,
                                                    .addr = stack->sp,
                                                    .size = stack->size,
                                                    .data = stack->bytes});
    }
    return err;
}

static int load_objects(struct exec_plan *plan, struct platform_thread *th,
                        const struct layout *layout, const struct stack_image *stack)
{
    struct load_list list = {0};
    size_t first = 0; /* op of the object in which it begins */
    const struct exec_object *p = &plan->program, *i = &plan->interp;
    int err =
        elf_add_ops(&p->image, layout->program_bias, p->map.host_fd, p->map.host_offset, &list);
    uaddr_t entry = layout->program_entry;
    if (err == 0 && i->file) {
        first = list.count;
        err =
            elf_add_ops(&i->image, layout->interp_bias, i->map.host_fd, i->map.host_offset, &list);
        entry = layout->interp_entry;
    }
    for (size_t k = first; k < list.count; k++) {
        list.ops[k].shared = !(plan->request->personality & ADDR_NO_RANDOMIZE);
    }
    if (err == 0) {
        err = add_stack_ops(plan, layout, stack, &list);
    }
    if (err == 0) {
        err = platform_load(th, list.ops, list.count, entry, stack->sp);
    }
    load_list_free(&list);
    return err;
}

int loader_load(struct exec_plan *plan, struct platform_thread *th,
                const struct platform_boot *boot, const struct cred *cred, struct mm *mm)
{
    const struct exec_request *r = plan->request;
    struct layout_request lr = layout_request_of(plan, boot->vdso);
    struct layout layout;
    const struct exec_object *first = plan->interp.file ? &plan->interp : &plan->program;
    if (lr.randomize) {
        lr.there = platform_preloaded(th, first->map.host_fd);
    }
    int err = layout_choose(&lr, &layout);
    if (err < 0) {
        return err;
    }
    struct auxv auxv = {0};
    build_auxv(plan, &layout, boot, cred, &auxv);
    struct stack_request sr = {
        .args = r->args,
        .env = r->env,
        .execfn = r->filename,
        .top = layout.stack_top,
        .padding = lr.randomize ? plan->random.padding % 8192 : 0,
    };
    memcpy(sr.random, plan->random.at_random, sizeof(sr.random));
    struct stack_image stack;
    err = stack_build(&sr, &auxv, &stack);
    if (err < 0) {
        return err;
    }
    mm->space = platform_space(th);
    mm->vdso = boot->vdso;
    fill_mm(mm, plan, &layout, &stack, &auxv);
    platform_set_brk(mm->space, mm->start_brk, mm->brk);
    err = note_object(mm, &plan->program, r->walk->root);
    if (err == 0 && plan->interp.file) {
        err = note_object(mm, &plan->interp, r->walk->root);
    }
    if (err == 0) {
        err = load_objects(plan, th, &layout, &stack);
    }
    stack_image_free(&stack);
    return err;
}
