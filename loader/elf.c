#include "loader/elf.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "platform/platform.h"

void elf_image_free(struct elf_image *image)
{
    free(image->loads);
    *image = (struct elf_image){0};
}

int elf_parse_header(const void *data, size_t size, Elf64_Ehdr *out)
{
    if (size < sizeof(*out)) {
        return -ENOEXEC;
    }
    memcpy(out, data, sizeof(*out));
    if (memcmp(out->e_ident, ELFMAG, SELFMAG) != 0 ||
        (out->e_type != ET_EXEC && out->e_type != ET_DYN)) {
        return -ENOEXEC;
    }
    /*
     * As in Linux the class byte is not looked at. i386 has another machine, and the bytes of an
     * x32 header make no valid e_phentsize.
     */
    if (out->e_machine != EM_X86_64 || out->e_phentsize != sizeof(Elf64_Phdr)) {
        return -ENOEXEC;
    }
    if (out->e_phnum == 0 || elf_phdrs_size(out) > ELF_PHDRS_MAX) {
        return -ENOEXEC;
    }
    return 0;
}

static int prot_of_flags(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
           (flags & PF_X ? PROT_EXEC : 0);
}

static int check_load(const Elf64_Phdr *ph)
{
    if (ph->p_vaddr >= PLATFORM_TASK_SIZE || ph->p_memsz > PLATFORM_TASK_SIZE ||
        ph->p_vaddr > PLATFORM_TASK_SIZE - ph->p_memsz || ph->p_filesz > ph->p_memsz) {
        return -EINVAL;
    }
    if (ph->p_filesz == 0) {
        return 0; /* no file page is mapped: the offset may be anything */
    }
    if (ph->p_offset % PAGE_SIZE != ph->p_vaddr % PAGE_SIZE) {
        return -EINVAL; /* mmap's answer to an offset that is no page */
    }
    /* filesz <= TASK_SIZE: the sum can't wrap once the offset is a valid file position. */
    if (ph->p_offset > (uint64_t)INT64_MAX - PLATFORM_TASK_SIZE - PAGE_SIZE) {
        return -EINVAL;
    }
    return 0;
}

static void note_ranges(struct elf_image *image, const Elf64_Phdr *ph)
{
    uint64_t file_end = ph->p_vaddr + ph->p_filesz;
    if ((ph->p_flags & PF_X) && ph->p_vaddr < image->start_code) {
        image->start_code = ph->p_vaddr;
    }
    if (ph->p_vaddr > image->start_data) {
        image->start_data = ph->p_vaddr;
    }
    if ((ph->p_flags & PF_X) && file_end > image->end_code) {
        image->end_code = file_end;
    }
    image->end_data = MAX(image->end_data, file_end);
    image->end_bss = MAX(image->end_bss, ph->p_vaddr + ph->p_memsz);
}

static int add_load(struct elf_image *image, const Elf64_Ehdr *header, const Elf64_Phdr *ph)
{
    int err = check_load(ph);
    if (err < 0) {
        return err;
    }
    image->loads[image->load_count++] = (struct elf_load){
        .vaddr = ph->p_vaddr,
        .memsz = ph->p_memsz,
        .offset = ph->p_offset,
        .filesz = ph->p_filesz,
        .prot = prot_of_flags(ph->p_flags),
    };
    image->low = MIN(image->low, ALIGN_DOWN(ph->p_vaddr, PAGE_SIZE));
    image->high = MAX(image->high, ALIGN_UP(ph->p_vaddr + ph->p_memsz, PAGE_SIZE));
    if (ph->p_align > image->align && (ph->p_align & (ph->p_align - 1)) == 0) {
        image->align = ph->p_align;
    }
    if (ph->p_offset <= header->e_phoff && header->e_phoff - ph->p_offset < ph->p_filesz) {
        image->phdr_vaddr = header->e_phoff - ph->p_offset + ph->p_vaddr;
    }
    note_ranges(image, ph);
    return 0;
}

static int parse_one(struct elf_image *image, const Elf64_Ehdr *header, const Elf64_Phdr *ph)
{
    switch (ph->p_type) {
    case PT_LOAD:
        return add_load(image, header, ph);
    case PT_INTERP:
        if (image->interp_size) {
            return 0; /* only the first counts */
        }
        if (ph->p_filesz > PATH_MAX || ph->p_filesz < 2 || ph->p_offset > INT64_MAX) {
            return -ENOEXEC;
        }
        image->interp_offset = ph->p_offset;
        image->interp_size = ph->p_filesz;
        return 0;
    case PT_GNU_STACK:
        image->exec_stack = ph->p_flags & PF_X;
        return 0;
    default:
        return 0;
    }
}

int elf_parse_phdrs(const Elf64_Ehdr *header, const void *phdrs, struct elf_image *out)
{
    struct elf_image image = {
        .fixed = header->e_type == ET_EXEC,
        .entry = header->e_entry,
        .phdr_count = header->e_phnum,
        .low = UINT64_MAX,
        .align = PAGE_SIZE,
        .start_code = UINT64_MAX,
    };
    image.loads = calloc(header->e_phnum, sizeof(*image.loads));
    if (!image.loads) {
        return -ENOMEM;
    }
    int err = 0;
    for (size_t i = 0; i < header->e_phnum && err == 0; i++) {
        Elf64_Phdr ph;
        memcpy(&ph, (const char *)phdrs + i * sizeof(ph), sizeof(ph));
        err = parse_one(&image, header, &ph);
    }
    if (err == 0 && (image.load_count == 0 || image.low >= image.high)) {
        err = -EINVAL;
    }
    if (err == 0 && image.entry >= PLATFORM_TASK_SIZE) {
        err = -EINVAL;
    }
    if (err < 0) {
        elf_image_free(&image);
        return err;
    }
    if (image.start_code == UINT64_MAX) {
        image.start_code = 0;
    }
    *out = image;
    return 0;
}

int load_list_add(struct load_list *list, const struct load_op *op)
{
    if (list->count == list->capacity) {
        size_t capacity = MAX(list->capacity * 2, (size_t)16);
        struct load_op *ops = realloc(list->ops, capacity * sizeof(*ops));
        if (!ops) {
            return -ENOMEM;
        }
        list->ops = ops;
        list->capacity = capacity;
    }
    list->ops[list->count++] = *op;
    return 0;
}

void load_list_free(struct load_list *list)
{
    free(list->ops);
    *list = (struct load_list){0};
}

/* The part of a segment behind its file bytes: the rest of the last file page, then whole pages. */
static int add_zero_ops(const struct elf_load *l, uint64_t bias, struct load_list *list)
{
    uint64_t zero_start = bias + l->vaddr + l->filesz, zero_end = bias + l->vaddr + l->memsz;
    uint64_t page_end = ALIGN_UP(zero_start, PAGE_SIZE);
    int err = 0;
    if (l->filesz == 0) {
        page_end = ALIGN_DOWN(zero_start, PAGE_SIZE);
    } else if (page_end > zero_start && (l->prot & PROT_WRITE)) {
        /* To the end of the page, not of the segment, as Linux does. A read-only page keeps its file bytes. */
        err = load_list_add(list, &(struct load_op){.kind = LOAD_ZERO,
                                                    .host_fd = -1,
                                                    .addr = zero_start,
                                                    .size = page_end - zero_start});
    }
    uint64_t end = ALIGN_UP(zero_end, PAGE_SIZE);
    if (err == 0 && end > page_end) {
        err = load_list_add(
            list, &(struct load_op){.kind = LOAD_MAP_ANON,
                                    .prot = PROT_READ | PROT_WRITE | (l->prot & PROT_EXEC),
                                    .host_fd = -1,
                                    .addr = page_end,
                                    .size = end - page_end});
    }
    return err;
}

/*
 * A segment that begins in the page where an earlier one ended replaces that page, zeroes and all.
 * The platform may write after it has mapped everything, so such zeroes must not be written.
 */
static void drop_covered_zeroes(struct load_list *list, size_t first, uint64_t start, uint64_t end)
{
    for (size_t i = first; i < list->count; i++) {
        struct load_op *op = &list->ops[i];
        if (op->kind == LOAD_ZERO && op->addr < end && start < op->addr + op->size) {
            list->count--;
            memmove(op, op + 1, (list->count - i) * sizeof(*op));
            i--;
        }
    }
}

int elf_add_ops(const struct elf_image *image, uint64_t bias, int fd, uint64_t fd_offset,
                struct load_list *list)
{
    size_t first = list->count;
    for (size_t i = 0; i < image->load_count; i++) {
        const struct elf_load *l = &image->loads[i];
        uint64_t in_page = l->vaddr % PAGE_SIZE, start = bias + l->vaddr - in_page;
        int err = 0;
        drop_covered_zeroes(list, first, start, ALIGN_UP(start + in_page + l->memsz, PAGE_SIZE));
        if (l->filesz > 0) {
            err = load_list_add(list,
                                &(struct load_op){.kind = LOAD_MAP_FILE,
                                                  .prot = l->prot,
                                                  .host_fd = fd,
                                                  .addr = start,
                                                  .size = ALIGN_UP(l->filesz + in_page, PAGE_SIZE),
                                                  .offset = fd_offset + l->offset - in_page});
        }
        if (err == 0 && l->memsz > l->filesz) {
            err = add_zero_ops(l, bias, list);
        }
        if (err < 0) {
            return err;
        }
    }
    return 0;
}
