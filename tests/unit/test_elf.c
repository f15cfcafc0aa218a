/* LINK: loader/elf.o loader/layout.o tests/unit/fake_range.o lib/bug.o */
/*
 * loader/elf.h and loader/layout.h: what is a program, what is refused, and where it goes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "loader/elf.h"
#include "loader/layout.h"
#include "platform/platform.h"

static Elf64_Ehdr good_header(uint16_t type, uint16_t phnum)
{
    Elf64_Ehdr h = {
        .e_type = type,
        .e_machine = EM_X86_64,
        .e_version = 1,
        .e_entry = 0x401000,
        .e_phoff = 64,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = phnum,
    };
    memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS64;
    return h;
}

static Elf64_Phdr load_segment(uint64_t vaddr, uint64_t offset, uint64_t filesz, uint64_t memsz)
{
    return (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_X,
        .p_vaddr = vaddr,
        .p_offset = offset,
        .p_filesz = filesz,
        .p_memsz = memsz,
        .p_align = 0x1000,
    };
}

static void header__good__is_taken(void **state)
{
    (void)state;
    Elf64_Ehdr h = good_header(ET_EXEC, 3), out;
    assert_int_equal(elf_parse_header(&h, sizeof(h), &out), 0);
    assert_memory_equal(&h, &out, sizeof(h));
    assert_int_equal(elf_phdrs_size(&out), 3 * 56);
}

static void header__bad__enoexec(void **state)
{
    (void)state;
    Elf64_Ehdr out, h = good_header(ET_EXEC, 1);
    assert_int_equal(elf_parse_header(&h, sizeof(h) - 1, &out), -ENOEXEC);
    h.e_ident[0] = 0;
    assert_int_equal(elf_parse_header(&h, sizeof(h), &out), -ENOEXEC);
    h = good_header(ET_REL, 1);
    assert_int_equal(elf_parse_header(&h, sizeof(h), &out), -ENOEXEC);
    h = good_header(ET_EXEC, 1);
    h.e_machine = EM_386;
    assert_int_equal(elf_parse_header(&h, sizeof(h), &out), -ENOEXEC);
    h = good_header(ET_EXEC, 1);
    h.e_phentsize = 32;
    assert_int_equal(elf_parse_header(&h, sizeof(h), &out), -ENOEXEC);
    h = good_header(ET_EXEC, 0);
    assert_int_equal(elf_parse_header(&h, sizeof(h), &out), -ENOEXEC);
    h = good_header(ET_EXEC, 65536 / 56 + 1);
    assert_int_equal(elf_parse_header(&h, sizeof(h), &out), -ENOEXEC);
}

static int parse_one(Elf64_Phdr ph, struct elf_image *out)
{
    Elf64_Ehdr h = good_header(ET_EXEC, 1);
    return elf_parse_phdrs(&h, &ph, out);
}

static void phdrs__bad_segments__einval(void **state)
{
    (void)state;
    const Elf64_Phdr bad[] = {
        load_segment(0x401000, 0x1800, 0x100, 0x100),            /* offset and address disagree */
        load_segment(0x401000, 0x1000, 0x200, 0x100),            /* more file than memory */
        load_segment(PLATFORM_TASK_SIZE, 0, 0x100, 0x100),       /* outside */
        load_segment(PLATFORM_TASK_SIZE - 0x1000, 0, 0, 0x2000), /* leads outside */
        load_segment(0x401000, 0, 0, UINT64_MAX - 0x1000),       /* wraps */
        load_segment(UINT64_MAX - 0xfff, 0, 0, 0x2000),          /* wraps */
        load_segment(0x401000, INT64_MAX - 0xffeUL - 0x1000, 0x10, 0x10), /* no file is so long */
    };
    struct elf_image image;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(parse_one(bad[i], &image), -EINVAL);
    }
    Elf64_Phdr note = {.p_type = PT_NOTE};
    assert_int_equal(parse_one(note, &image), -EINVAL); /* nothing to load */
}

static void phdrs__interp_size__enoexec(void **state)
{
    (void)state;
    struct elf_image image;
    Elf64_Phdr ph = {.p_type = PT_INTERP, .p_filesz = 1};
    assert_int_equal(parse_one(ph, &image), -ENOEXEC);
    ph.p_filesz = 4097;
    assert_int_equal(parse_one(ph, &image), -ENOEXEC);
}

static void phdrs__program__is_described(void **state)
{
    (void)state;
    Elf64_Ehdr h = good_header(ET_DYN, 5);
    Elf64_Phdr ph[5] = {
        load_segment(0, 0, 0x500, 0x500),
        load_segment(0x3e10, 0x2e10, 0x200, 0x2000),
        {.p_type = PT_INTERP, .p_offset = 0x318, .p_filesz = 28},
        {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | PF_X},
        {.p_type = PT_TLS, .p_memsz = UINT64_MAX},
    };
    ph[1].p_flags = PF_R | PF_W;
    ph[1].p_align = 0x200000;
    struct elf_image image;
    assert_int_equal(elf_parse_phdrs(&h, ph, &image), 0);
    assert_false(image.fixed);
    assert_int_equal(image.load_count, 2);
    assert_int_equal(image.low, 0);
    assert_int_equal(image.high, 0x6000);
    assert_int_equal(image.align, 0x200000);
    assert_int_equal(image.phdr_vaddr, 64);
    assert_int_equal(image.interp_size, 28);
    assert_true(image.exec_stack);
    assert_int_equal(image.loads[1].prot, PROT_READ | PROT_WRITE);
    assert_int_equal(image.end_bss, 0x5e10);

    struct load_list list = {0};
    assert_int_equal(elf_add_ops(&image, 0x10000, 7, 0x100000, &list), 0);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.ops[0].kind, LOAD_MAP_FILE);
    assert_int_equal(list.ops[0].addr, 0x10000);
    assert_int_equal(list.ops[0].size, 0x1000);
    assert_int_equal(list.ops[0].offset, 0x100000);
    assert_int_equal(list.ops[1].addr, 0x13000);
    assert_int_equal(list.ops[1].size, 0x2000); /* 0x3e10 + 0x200 crosses into a second page */
    assert_int_equal(list.ops[1].offset, 0x102000);
    assert_int_equal(list.ops[2].kind, LOAD_ZERO);
    assert_int_equal(list.ops[2].addr, 0x14010);
    assert_int_equal(list.ops[2].size, 0xff0);
    assert_int_equal(list.ops[3].kind, LOAD_MAP_ANON);
    assert_int_equal(list.ops[3].addr, 0x15000);
    assert_int_equal(list.ops[3].size, 0x1000);
    load_list_free(&list);
    elf_image_free(&image);
}

static void phdrs__no_file_bytes__only_anonymous(void **state)
{
    (void)state;
    struct elf_image image;
    assert_int_equal(parse_one(load_segment(0x401234, 77, 0, 0x1000), &image), 0);
    struct load_list list = {0};
    assert_int_equal(elf_add_ops(&image, 0, 7, 0, &list), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.ops[0].kind, LOAD_MAP_ANON);
    assert_int_equal(list.ops[0].addr, 0x401000);
    assert_int_equal(list.ops[0].size, 0x2000);
    load_list_free(&list);
    elf_image_free(&image);
}

static void phdrs__next_segment_in_the_last_page__is_not_zeroed(void **state)
{
    (void)state;
    Elf64_Ehdr h = good_header(ET_EXEC, 2);
    Elf64_Phdr ph[2] = {
        load_segment(0x401000, 0x1000, 0x100, 0x200),
        load_segment(0x401800, 0x2800, 0x100, 0x100),
    };
    ph[0].p_flags |= PF_W;
    struct elf_image image;
    assert_int_equal(elf_parse_phdrs(&h, ph, &image), 0);
    struct load_list list = {0};
    assert_int_equal(elf_add_ops(&image, 0, 7, 0, &list), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.ops[0].kind, LOAD_MAP_FILE);
    assert_int_equal(list.ops[0].offset, 0x1000);
    assert_int_equal(list.ops[1].kind, LOAD_MAP_FILE);
    assert_int_equal(list.ops[1].offset, 0x2000);
    load_list_free(&list);
    elf_image_free(&image);
}

static void layout__fixed__rules(void **state)
{
    (void)state;
    struct elf_image image = {.fixed = true, .entry = 0x401000, .align = 4096};
    struct layout_request r = {.program = &image, .stack_size = 8 << 20};
    struct layout l;
    image.low = 0x400000;
    image.high = 0x402000;
    image.end_bss = 0x401234;
    assert_int_equal(layout_choose(&r, &l), 0);
    assert_int_equal(l.program_bias, 0);
    assert_int_equal(l.program_entry, 0x401000);
    assert_int_equal(l.start_brk, 0x402000);
    assert_int_equal(l.stack_top, PLATFORM_TASK_SIZE);
    assert_int_equal(l.stack_low, PLATFORM_TASK_SIZE - (8 << 20));
    image.low = 0;
    assert_int_equal(layout_choose(&r, &l), -EPERM);
    image.low = 0x400000;
    image.high = PLATFORM_SLICE_START + 4096;
    assert_int_equal(layout_choose(&r, &l), -ENOMEM);
}

static void layout__any_random__stays_in_its_zones(void **state)
{
    (void)state;
    struct elf_image program = {
        .high = 0x20000, .end_bss = 0x1f000, .align = 0x200000, .entry = 0x10};
    struct elf_image interp = {.high = 0x40000, .align = 4096, .entry = 0x20};
    struct layout_request r = {
        .program = &program, .interp = &interp, .stack_size = 8 << 20, .randomize = true};
    uint64_t seed = 88172645463325252ULL;
    for (int i = 0; i < 20000; i++) {
        struct layout l;
        for (int j = 0; j < 4; j++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            r.random[j] = seed;
        }
        /* the vDSO anywhere that could be in the way */
        r.vdso = i % 2 ? PLATFORM_TASK_SIZE - (seed >> 20) % LAYOUT_STACK_ZONE / 4096 * 4096
                       : LAYOUT_INTERP_TOP - (seed >> 24) % (1UL << 38) / 4096 * 4096;
        assert_int_equal(layout_choose(&r, &l), 0);
        assert_true(l.program_bias % 0x200000 == 0);
        assert_true(l.program_bias >= LAYOUT_PIE_BASE - 0x200000);
        assert_true(l.start_brk > l.program_bias && l.start_brk < PLATFORM_SLICE_START);
        assert_true(l.interp_bias >= PLATFORM_SLICE_END &&
                    l.interp_bias + 0x40000 <= LAYOUT_INTERP_TOP);
        assert_true(l.stack_top <= PLATFORM_TASK_SIZE && l.stack_top % 4096 == 0);
        assert_true(l.stack_low >= PLATFORM_TASK_SIZE - LAYOUT_STACK_ZONE);
        assert_true(l.stack_top <= r.vdso || l.stack_low >= r.vdso + 0x2000);
        assert_true(l.interp_bias + 0x40000 <= r.vdso || l.interp_bias >= r.vdso + 0x2000);
    }
}

static void layout__huge__enomem(void **state)
{
    (void)state;
    struct elf_image program = {.high = PLATFORM_SLICE_START, .align = 4096};
    struct elf_image interp = {.high = 0x40000, .align = 4096};
    struct layout_request r = {.program = &program, .interp = &interp, .stack_size = 8 << 20};
    struct layout l;
    assert_int_equal(layout_choose(&r, &l), -ENOMEM);
    r.interp = NULL;
    assert_int_equal(layout_choose(&r, &l), -ENOMEM);
    program.high = 0x1000;
    program.align = 1UL << 62;
    assert_int_equal(layout_choose(&r, &l), -ENOMEM);
    r.interp = &interp;
    assert_int_equal(layout_choose(&r, &l), -ENOMEM);
    program.align = 4096;
    program.entry = PLATFORM_TASK_SIZE - 1;
    assert_int_equal(layout_choose(&r, &l), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header__good__is_taken),
        cmocka_unit_test(header__bad__enoexec),
        cmocka_unit_test(phdrs__bad_segments__einval),
        cmocka_unit_test(phdrs__interp_size__enoexec),
        cmocka_unit_test(phdrs__program__is_described),
        cmocka_unit_test(phdrs__no_file_bytes__only_anonymous),
        cmocka_unit_test(phdrs__next_segment_in_the_last_page__is_not_zeroed),
        cmocka_unit_test(layout__fixed__rules),
        cmocka_unit_test(layout__any_random__stays_in_its_zones),
        cmocka_unit_test(layout__huge__enomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
