/*
 * Where functions are in the host's vDSO: our own mapping of it says so, and stubs have the same image. See vdso(7).
 */
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#include "platform/seccomp/seccomp.h"

uint32_t vdso_offset(const char *name)
{
    const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
    const Elf64_Ehdr *ehdr = (const void *)base;
    const Elf64_Sym *symbols = NULL;
    const char *strings = NULL;
    const uint32_t *hash = NULL;
    if (!base) {
        return 0;
    }
    const Elf64_Phdr *phdr = (const void *)(base + ehdr->e_phoff);
    for (unsigned i = 0; i < ehdr->e_phnum; i++) {
        if (phdr[i].p_type != PT_DYNAMIC) {
            continue;
        }
        for (const Elf64_Dyn *d = (const void *)(base + phdr[i].p_offset); d->d_tag; d++) {
            const void *at = base + d->d_un.d_ptr;
            symbols = d->d_tag == DT_SYMTAB ? at : symbols;
            strings = d->d_tag == DT_STRTAB ? at : strings;
            hash = d->d_tag == DT_HASH ? at : hash;
        }
    }
    if (!symbols || !strings || !hash) {
        return 0;
    }
    for (uint32_t i = 0; i < hash[1]; i++) { /* the length of its chains is the number of symbols */
        const Elf64_Sym *s = &symbols[i];
        if (s->st_value && s->st_value < VDSO_TEXT_MAX && strcmp(strings + s->st_name, name) == 0) {
            return (uint32_t)s->st_value;
        }
    }
    return 0;
}
