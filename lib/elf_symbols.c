#include "lib/elf_symbols.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#define MAX_SECTIONS 4096u
#define MAX_SYMBOLS  (1u << 20)
/* A label without a size (hand-written assembly) names what follows it only that far. */
#define MAX_LABEL_REACH 4096
#define CHUNK_SYMBOLS   64

struct search {
    const struct elf_reader *reader;
    struct elf_query *queries;
    size_t count;
    Elf64_Ehdr header;
};

static bool read_all(const struct elf_reader *r, void *dst, size_t size, uint64_t offset)
{
    return r->read(r->arg, dst, size, offset) == size;
}

static bool read_section(const struct search *s, uint32_t index, Elf64_Shdr *out)
{
    return index < MIN(s->header.e_shnum, MAX_SECTIONS) &&
           read_all(s->reader, out, sizeof(*out), s->header.e_shoff + index * sizeof(*out));
}

static bool names_code(const Elf64_Sym *sym)
{
    unsigned type = ELF64_ST_TYPE(sym->st_info);
    return sym->st_shndx != SHN_UNDEF && sym->st_name &&
           (type == STT_FUNC || type == STT_GNU_IFUNC || (type == STT_NOTYPE && !sym->st_size));
}

/* Best so far of one query: its symbol's place in the string table, and whether its size is known. */
struct candidate {
    uint64_t start;
    uint32_t name;
    bool found, sized;
};

static void consider(struct candidate *best, uint64_t value, const Elf64_Sym *sym)
{
    if (sym->st_value > value) {
        return;
    }
    uint64_t offset = value - sym->st_value;
    bool sized = sym->st_size != 0;
    if (offset >= (sized ? sym->st_size : MAX_LABEL_REACH) || (best->sized && !sized)) {
        return;
    }
    if (!best->found || sized != best->sized || sym->st_value > best->start) {
        *best = (struct candidate){sym->st_value, sym->st_name, true, sized};
    }
}

static void scan(const struct search *s, const Elf64_Shdr *table, const struct elf_query *q,
                 struct candidate *best)
{
    Elf64_Sym chunk[CHUNK_SYMBOLS];
    uint64_t total = MIN(table->sh_size / sizeof(chunk[0]), MAX_SYMBOLS);
    for (uint64_t i = 0; i < total;) {
        size_t want = (size_t)MIN(total - i, ARRAY_COUNT(chunk)) * sizeof(chunk[0]);
        size_t got =
            s->reader->read(s->reader->arg, chunk, want, table->sh_offset + i * sizeof(chunk[0])) /
            sizeof(chunk[0]);
        for (size_t k = 0; k < got; k++) {
            if (names_code(&chunk[k])) {
                consider(best, q->value, &chunk[k]);
            }
        }
        if (got < ARRAY_COUNT(chunk)) {
            return;
        }
        i += got;
    }
}

static void read_name(const struct search *s, const Elf64_Shdr *strings, uint32_t offset,
                      struct elf_query *q)
{
    if (offset >= strings->sh_size) {
        return;
    }
    size_t want = (size_t)MIN(strings->sh_size - offset, sizeof(q->name) - 1);
    size_t got = s->reader->read(s->reader->arg, q->name, want, strings->sh_offset + offset);
    q->name[MIN(got, sizeof(q->name) - 1)] = '\0';
}

/* One pass over the table a query: reports have few frames, and chunks come from a page cache. */
static void search_table(const struct search *s, const Elf64_Shdr *table)
{
    Elf64_Shdr strings;
    if (!read_section(s, table->sh_link, &strings) || strings.sh_type != SHT_STRTAB) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct candidate best = {0};
        struct elf_query *q = &s->queries[i];
        if (q->name[0]) {
            continue;
        }
        scan(s, table, q, &best);
        if (best.found) {
            q->start = best.start;
            read_name(s, &strings, best.name, q);
        }
    }
}

void elf_symbols_find(const struct elf_reader *r, struct elf_query *q, size_t count)
{
    struct search s = {.reader = r, .queries = q, .count = count};
    for (size_t i = 0; i < count; i++) {
        q[i].name[0] = '\0';
        q[i].start = 0;
    }
    if (!read_all(r, &s.header, sizeof(s.header), 0) ||
        memcmp(s.header.e_ident, ELFMAG, SELFMAG) != 0 ||
        s.header.e_ident[EI_CLASS] != ELFCLASS64 || s.header.e_shentsize != sizeof(Elf64_Shdr)) {
        return;
    }
    static const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
    for (size_t t = 0; t < ARRAY_COUNT(types); t++) {
        for (uint32_t i = 0; i < MIN(s.header.e_shnum, MAX_SECTIONS); i++) {
            Elf64_Shdr table;
            if (!read_section(&s, i, &table)) {
                break;
            }
            if (table.sh_type == types[t]) {
                search_table(&s, &table);
                break;
            }
        }
    }
}
