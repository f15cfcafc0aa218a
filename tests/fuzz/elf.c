/* LINK: loader/elf.o loader/layout.o loader/script.o tests/unit/fake_range.o lib/bug.o */
/*
 * Mutates ELF headers and #! lines, and checks what the loader makes of them: whatever is accepted
 * must lead to operations inside the guest's address space and outside of the platform's slice.
 * Usage: elf [seconds [seed]]. Ends with status 0, or aborts and says which seed to use again.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "loader/elf.h"
#include "loader/layout.h"
#include "loader/script.h"
#include "platform/platform.h"

#define PHDRS_MAX 24

struct input {
    Elf64_Ehdr header;
    Elf64_Phdr phdrs[PHDRS_MAX];
};

static uint64_t seed, round_seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void require(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "elf fuzzer: %s (seed %lu)\n", what, (unsigned long)round_seed);
        abort();
    }
}

/* Values at which arithmetic goes wrong. */
static uint64_t interesting(void)
{
    static const uint64_t values[] = {
        0,
        1,
        0xfff,
        0x1000,
        0x1001,
        0x10000,
        0x400000,
        PLATFORM_SLICE_START - 0x1000,
        PLATFORM_SLICE_START,
        PLATFORM_SLICE_END,
        PLATFORM_TASK_SIZE - 0x1000,
        PLATFORM_TASK_SIZE - 1,
        PLATFORM_TASK_SIZE,
        1UL << 47,
        INT64_MAX,
        1UL << 63,
        UINT64_MAX - 0xfff,
        UINT64_MAX,
    };
    uint64_t v = values[next_random() % ARRAY_COUNT(values)];
    return next_random() % 3 ? v : v + next_random() % 0x3000 - 0x1800;
}

/* A fixed program, somewhere. */
static void make_fixed(struct input *in)
{
    uint64_t base = next_random() % 2 ? 0x400000 : interesting() & ~0xfffUL;
    in->header.e_type = ET_EXEC;
    in->header.e_entry += base;
    for (size_t i = 0; i < PHDRS_MAX; i++) {
        in->phdrs[i].p_vaddr += base;
    }
}

static void mutate(struct input *in, const struct input *original)
{
    *in = *original;
    if (next_random() % 2) {
        make_fixed(in);
    }
    uint16_t type = in->header.e_type;
    for (uint64_t n = next_random() % 6; n > 0; n--) {
        uint64_t *words = (uint64_t *)in;
        size_t at = next_random() % (sizeof(*in) / sizeof(*words));
        switch (next_random() % 4) {
        case 0:
            words[at] = interesting();
            break;
        case 1:
            words[at] ^= 1UL << next_random() % 64;
            break;
        case 2:
            ((uint8_t *)in)[next_random() % sizeof(*in)] = (uint8_t)next_random();
            break;
        default:
            in->phdrs[next_random() % PHDRS_MAX] = in->phdrs[next_random() % PHDRS_MAX];
            break;
        }
    }
    if (next_random() % 4) { /* mostly past the first checks */
        memcpy(&in->header, &original->header, 24);
        in->header.e_type = type;
        in->header.e_phentsize = sizeof(Elf64_Phdr);
        in->header.e_phnum = (uint16_t)MIN(in->header.e_phnum, PHDRS_MAX);
    }
}

static void check_ops(const struct elf_image *image, uint64_t bias)
{
    struct load_list list = {0};
    require(elf_add_ops(image, bias, 3, 0, &list) == 0, "out of memory");
    for (size_t i = 0; i < list.count; i++) {
        const struct load_op *op = &list.ops[i];
        require(op->size > 0 && op->addr < PLATFORM_TASK_SIZE &&
                    op->size <= PLATFORM_TASK_SIZE - op->addr,
                "an operation outside of the address space");
        require(!platform_range_reserved(op->addr, op->size), "an operation in the slice");
        require(op->addr >= LAYOUT_MIN_ADDR, "an operation below mmap_min_addr");
        require(op->addr >= image->low + bias && op->addr + op->size <= image->high + bias,
                "an operation outside of the image");
        require(op->kind == LOAD_ZERO || op->addr % PAGE_SIZE == 0, "an unaligned mapping");
        require(op->kind != LOAD_MAP_FILE ||
                    (op->offset % PAGE_SIZE == 0 && op->offset < INT64_MAX),
                "a bad file offset");
    }
    load_list_free(&list);
}

static void try_layout(const struct elf_image *program, const struct elf_image *interp)
{
    struct layout_request r = {
        .program = program,
        .interp = interp,
        .stack_size = layout_stack_size(interesting(), next_random() % (1 << 23)),
        .randomize = next_random() % 2,
        .vdso = next_random() % 2 ? interesting() % PLATFORM_TASK_SIZE & ~0xfffUL : 0,
        .random = {next_random(), next_random(), next_random(), next_random()},
    };
    struct layout l;
    if (layout_choose(&r, &l) < 0) {
        return;
    }
    require(l.program_entry < PLATFORM_TASK_SIZE, "entry outside of the address space");
    check_ops(program, l.program_bias);
    if (interp) {
        require(l.interp_entry < PLATFORM_TASK_SIZE, "entry outside of the address space");
        check_ops(interp, l.interp_bias);
    }
    require(l.stack_low < l.stack_top && l.stack_top <= PLATFORM_TASK_SIZE, "a bad stack");
}

static bool try_parse(const struct input *in, struct elf_image *image)
{
    Elf64_Ehdr header;
    size_t size = next_random() % 16 ? sizeof(*in) : next_random() % sizeof(*in);
    if (elf_parse_header(in, size, &header) < 0 || header.e_phnum > PHDRS_MAX) {
        return false;
    }
    return elf_parse_phdrs(&header, in->phdrs, image) == 0;
}

static void try_script(void)
{
    static const char alphabet[] = "aaaabbbb//// \t\n#!"; /* with its NUL */
    char buf[SCRIPT_BUFFER_SIZE];
    for (size_t i = 0; i < sizeof(buf); i++) {
        buf[i] = alphabet[next_random() % sizeof(alphabet)];
    }
    memcpy(buf, "#!", 2);
    struct script_line line;
    if (script_parse(buf, &line) == 0) {
        require(line.interp > buf && line.interp < buf + sizeof(buf) &&
                    memchr(line.interp, 0, (size_t)(buf + sizeof(buf) - line.interp)),
                "an interpreter's name without an end");
        require(!line.arg || (line.arg > line.interp && line.arg < buf + sizeof(buf)),
                "a bad argument");
    }
}

static void load_original(struct input *in)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    require(fd >= 0 && pread(fd, in, sizeof(*in), 0) == sizeof(*in),
            "can't read the program itself");
    close(fd);
}

int main(int argc, char **argv)
{
    static struct input original, mutated;
    time_t end = time(NULL) + (argc > 1 ? atol(argv[1]) : 5);
    seed = argc > 2 ? strtoul(argv[2], NULL, 0) : (uint64_t)time(NULL) * 2654435761UL + 1;
    load_original(&original);
    uint64_t rounds = 0, accepted = 0;
    struct elf_image interp = {0};
    do {
        for (int i = 0; i < 1000; i++, rounds++) {
            round_seed = seed;
            struct elf_image image;
            mutate(&mutated, &original);
            if (try_parse(&mutated, &image)) {
                accepted++;
                try_layout(&image, interp.loads && next_random() % 2 ? &interp : NULL);
                elf_image_free(&interp);
                interp = image;
            }
            try_script();
        }
    } while (time(NULL) < end);
    elf_image_free(&interp);
    printf("elf: %lu inputs, %lu accepted\n", (unsigned long)rounds, (unsigned long)accepted);
    return accepted > 0 ? 0 : 1;
}
