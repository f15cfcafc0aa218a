/*
 * ELF64 x86-64 programs and interpreters: from a file's bytes to a checked struct elf_image.
 * Analogous to the parsing half of Linux's fs/binfmt_elf.c. Everything here works on private
 * copies and trusts no field: after elf_parse_phdrs every address and size in the image is known
 * not to overflow, and to lie in a user's address space when the image is placed as layout.h does.
 * See elf(5).
 */
#pragma once

#include <elf.h>
#include <stdbool.h>

#include "lib/macros.h"

/* Linux's bound of a program header table (load_elf_phdrs). */
#define ELF_PHDRS_MAX 65536

struct elf_load { /* a PT_LOAD */
    uint64_t vaddr, memsz;
    uint64_t offset, filesz;
    int prot; /* PROT_* */
};
struct elf_image {
    bool fixed; /* ET_EXEC: addresses are final */
    uint64_t entry;
    uint64_t phdr_vaddr; /* where the program headers are in memory; 0: in no segment */
    uint16_t phdr_count;
    struct elf_load *loads; /* owned; in file order */
    size_t load_count;
    uint64_t low, high;     /* pages spanned by all segments, before relocation */
    uint64_t align;         /* at least PAGE_SIZE; a power of two */
    uint64_t interp_offset; /* of PT_INTERP's string */
    uint64_t interp_size;   /* with its NUL; 0: no interpreter */
    bool exec_stack;
    uint64_t start_code, end_code, start_data, end_data, end_bss;
};

void elf_image_free(struct elf_image *image);

/**
 * elf_parse_header - check an ELF header.
 * @data: the first bytes of the file.
 * @size: how many there are; fewer than a header is -ENOEXEC.
 *
 * Return: 0 with the header copied to *out.
 * Errors: -ENOEXEC not an ELF for this machine (i386 and x32 included), or a bad program header size or count.
 */
MUST_CHECK int elf_parse_header(const void *data, size_t size, Elf64_Ehdr *out);
/* Bytes of the program header table that header announces; at most ELF_PHDRS_MAX. */
static inline size_t elf_phdrs_size(const Elf64_Ehdr *header)
{
    return header->e_phnum * sizeof(Elf64_Phdr);
}
/**
 * elf_parse_phdrs - check the program headers and describe what to load.
 * @header: passed elf_parse_header.
 * @phdrs:  elf_phdrs_size(header) bytes, of any alignment.
 *
 * Return: 0; *out is to be freed with elf_image_free.
 * Errors: -ENOEXEC (bad PT_INTERP size), -EINVAL (segments), -ENOMEM.
 *
 * DEVIATION: Linux finds bad segments only after the old program is gone, and kills the process
 * with SIGSEGV; here the caller of execve gets the error.
 */
MUST_CHECK int elf_parse_phdrs(const Elf64_Ehdr *header, const void *phdrs, struct elf_image *out);

struct load_list;
struct load_op;
/**
 * elf_add_ops - append what loads image at low + bias.
 * @fd, @fd_offset: the host fd that shows the file, and where in it the file begins.
 *
 * Errors: -ENOMEM.
 */
MUST_CHECK int elf_add_ops(const struct elf_image *image, uint64_t bias, int fd, uint64_t fd_offset,
                           struct load_list *list);

/* A growing array of load_op (platform.h). */
struct load_list {
    struct load_op *ops; /* owned */
    size_t count, capacity;
};
MUST_CHECK int load_list_add(struct load_list *list, const struct load_op *op);
void load_list_free(struct load_list *list);
