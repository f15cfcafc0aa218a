#include "loader/layout.h"

#include <errno.h>

#include "platform/platform.h"

#define PIE_RANDOM_PAGES    (1UL << 28)
#define INTERP_RANDOM_PAGES 0x7000000UL
#define BRK_RANDOM_PAGES    (1UL << 18) /* 1 GiB */
/* The vDSO and the data pages before it; generous. */
#define VDSO_MARGIN (1UL << 20)

static bool ranges_meet(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
    return a < b_end && b < a_end;
}

static bool meets_vdso(const struct layout_request *r, uint64_t low, uint64_t high)
{
    return r->vdso && ranges_meet(low, high, r->vdso - VDSO_MARGIN, r->vdso + VDSO_MARGIN);
}

static uint64_t random_pages(const struct layout_request *r, int which, uint64_t count)
{
    return r->randomize ? r->random[which] % count * PAGE_SIZE : 0;
}

/* An ET_EXEC image stays where it is, if that is free. */
static int place_fixed(const struct layout_request *r, const struct elf_image *image)
{
    if (image->low < LAYOUT_MIN_ADDR) {
        return -EPERM;
    }
    /*
     * DEVIATION: programs linked to fixed addresses at or above the platform's slice are refused.
     * The host's own mappings (vDSO, mmap area) are up there, and nothing real links so high.
     */
    if (image->high > PLATFORM_SLICE_START || meets_vdso(r, image->low, image->high)) {
        return -ENOMEM;
    }
    return 0;
}

static int place_pie(const struct layout_request *r, const struct elf_image *image, uint64_t *bias)
{
    uint64_t base = LAYOUT_PIE_BASE + random_pages(r, 0, PIE_RANDOM_PAGES);
    base = ALIGN_DOWN(base, image->align);
    if (base < LAYOUT_MIN_ADDR || image->high - image->low > PLATFORM_SLICE_START - base ||
        meets_vdso(r, base, base + (image->high - image->low))) {
        return -ENOMEM;
    }
    *bias = base - image->low;
    return 0;
}

/* Interpreters and programs without one: where it is already, or in the area below the host's mmaps, top down. */
static int place_high(const struct layout_request *r, const struct elf_image *image, uint64_t *bias)
{
    uint64_t size = image->high - image->low;
    if (r->there >= PLATFORM_SLICE_END && r->there % image->align == 0 &&
        r->there <= LAYOUT_INTERP_TOP - size && !meets_vdso(r, r->there, r->there + size)) {
        *bias = r->there - image->low;
        return 0;
    }
    uint64_t top = LAYOUT_INTERP_TOP - random_pages(r, 1, INTERP_RANDOM_PAGES);
    if (size > top - PLATFORM_SLICE_END) {
        return -ENOMEM;
    }
    uint64_t base = ALIGN_DOWN(top - size, image->align);
    if (base >= PLATFORM_SLICE_END && meets_vdso(r, base, base + size)) {
        base = r->vdso - VDSO_MARGIN - PLATFORM_SLICE_END >= size
                   ? ALIGN_DOWN(r->vdso - VDSO_MARGIN - size, image->align)
                   : 0;
    }
    if (base < PLATFORM_SLICE_END || meets_vdso(r, base, base + size)) {
        return -ENOMEM;
    }
    *bias = base - image->low;
    return 0;
}

static void place_stack(const struct layout_request *r, struct layout *out)
{
    uint64_t room = (LAYOUT_STACK_ZONE - r->stack_size) / PAGE_SIZE;
    uint64_t top = PLATFORM_TASK_SIZE - random_pages(r, 2, room);
    if (meets_vdso(r, top - r->stack_size, top)) {
        /* To the other half of the zone: they are larger than the largest stack and the vDSO. */
        top = top - r->stack_size > PLATFORM_TASK_SIZE - LAYOUT_STACK_ZONE / 2
                  ? r->vdso - VDSO_MARGIN
                  : r->vdso + VDSO_MARGIN + r->stack_size;
        top = ALIGN_DOWN(top, PAGE_SIZE);
    }
    out->stack_top = top;
    out->stack_low = top - r->stack_size;
}

static void place_brk(const struct layout_request *r, struct layout *out)
{
    uint64_t end = ALIGN_UP(r->program->end_bss + out->program_bias, PAGE_SIZE);
    if (!r->program->fixed && !r->interp) {
        end = LAYOUT_PIE_BASE; /* not into the mmap area where the program itself is */
    } else if (r->randomize) {
        end += PAGE_SIZE;
    }
    uint64_t start = end + random_pages(r, 3, BRK_RANDOM_PAGES);
    out->start_brk = platform_range_reserved(start, PAGE_SIZE) ? end : start;
}

static int entry_of(const struct elf_image *image, uint64_t bias, uaddr_t *out)
{
    *out = image->entry + bias;
    return *out < PLATFORM_TASK_SIZE ? 0 : -EINVAL;
}

int layout_choose(const struct layout_request *r, struct layout *out)
{
    *out = (struct layout){0};
    int err = r->program->fixed ? place_fixed(r, r->program)
              : r->interp       ? place_pie(r, r->program, &out->program_bias)
                                : place_high(r, r->program, &out->program_bias);
    if (err == 0) {
        err = entry_of(r->program, out->program_bias, &out->program_entry);
    }
    if (err < 0) {
        return err;
    }
    if (r->interp) {
        err = r->interp->fixed ? place_fixed(r, r->interp)
                               : place_high(r, r->interp, &out->interp_bias);
        if (err == 0 &&
            ranges_meet(r->program->low + out->program_bias, r->program->high + out->program_bias,
                        r->interp->low + out->interp_bias, r->interp->high + out->interp_bias)) {
            err = -ENOMEM;
        }
        if (err == 0) {
            err = entry_of(r->interp, out->interp_bias, &out->interp_entry);
        }
    }
    if (err == 0) {
        place_stack(r, out);
        place_brk(r, out);
    }
    return err;
}

uint64_t layout_stack_size(uint64_t rlimit_stack, uint64_t need)
{
    uint64_t size = MIN(rlimit_stack, LAYOUT_STACK_MAX);
    size = MAX(size, need + LAYOUT_STACK_MIN);
    return ALIGN_UP(size, PAGE_SIZE);
}
