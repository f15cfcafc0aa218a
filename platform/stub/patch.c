/*
 * Call-site patching: after a few SIGSYS of a site, its code is rewritten to jump into the stub, which
 * saves the trap (3 us). A site that can't be patched goes on trapping.
 *
 * Two forms cover nearly all code; in both every address inside the site that the guest may jump to, return to
 * or have saved keeps its meaning:
 *
 *   mov $nr, %eax; syscall        b8 n n n n 0f 05      the mov becomes jmp; the syscall stays
 *   syscall; whatever             0f 05 x y z           the syscall becomes the first two bytes of a jmp whose
 *                                                       last three are the code behind it, untouched: 256
 *                                                       possible targets, which must be free addresses (for
 *                                                       the usual cmp $-4096, %rax they are 4 MiB above)
 *
 * The jump leads to a trampoline (trampoline.c).
 *
 * Code is written while other threads may run it: by one aligned 8-byte store where it fits, else behind an int3
 * with a core-serialising membarrier between the steps; the SIGTRAP handler sends whoever hits the int3 back.
 * Sites that are known before their code runs (platform/seccomp/sites.c) are written as plain bytes: those of the program before it
 * starts, those of a library while it is mapped, by a process's only thread.
 * Only read-only private text is patched: a page that the guest can write (a JIT's) is its own business. Before the guest changes the
 * rights of such text, moves it or maps something over it, the sites in it get their own code back (stub_sites_change).
 *
 * DEVIATION: a page of a file's code in which a call site is rewritten is the process's own; it does not show what is written to the file
 * afterwards (mmap(2): "unspecified"; on Linux it does until the process has changed the page). Who reads code directly sees the jumps; who runs
 * the number in a rewritten mov as code of its own gets what the jump has there.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define PATCH_AFTER        8 /* traps (3 us each) before a site is worth patching (20-30 us) */
#define SYNC_CORE_REGISTER 64
#define SYNC_CORE          32
#define VDSO_MAX           0x8000UL

struct stub_site stub_sites[SITE_COUNT] __attribute__((aligned(4096)));

static void sync_core(void)
{
    gate(__NR_membarrier, SYNC_CORE, 0, 0, 0, 0, 0);
}

void site_store(uint64_t site, const uint8_t *code, uint64_t size)
{
    uint64_t word = site & ~7UL;
    volatile uint8_t *p = (volatile uint8_t *)site;
    if (site + size <= word + 8) {
        uint64_t v = *(volatile uint64_t *)word;
        code_store(ptr(&v) + (site - word), code, size);
        *(volatile uint64_t *)word = v;
        return;
    }
    if (stub_single_threaded()) {
        code_store(site, code, size);
        return;
    }
    if (!HOT->sync_ready) {
        gate(__NR_membarrier, SYNC_CORE_REGISTER, 0, 0, 0, 0, 0);
        HOT->sync_ready = 1;
    }
    HOT->int3_at = site;
    p[0] = 0xcc;
    sync_core();
    code_store(site + 1, code + 1, size - 1);
    sync_core();
    p[0] = code[0];
    sync_core();
    HOT->int3_at = 0;
}

/* Is the byte at ip writable for the guest? An atomic "or 0" changes nothing, and faults when it is not. */
static int is_writable(uint64_t ip)
{
    return guarded_touch((void *)ip) == 0;
}

/* The host does not split the vDSO's mapping: that is changed as a whole, however large it is, or not at all. */
static uint64_t text_protect(uint64_t addr, uint64_t size, uint64_t prot)
{
    uint64_t r = mem_protect(addr, size, prot);
    if (addr - HOT->vdso >= VDSO_MAX) {
        return r;
    }
    for (uint64_t all = 4096; r != 0 && all <= VDSO_MAX; all += 4096) {
        r = mem_protect(HOT->vdso, all, prot);
    }
    return r;
}

/*
 * What is being written, and the site's own code, for who finds that its writer is dead: site is set until the site's record
 * agrees with its bytes, or is that of a jump where there is none any more, which is as good.
 */
static struct {
    uint64_t site, size;
    uint8_t own[6];
} g_writing;

static int text_write(uint64_t site, const uint8_t *code, uint64_t size)
{
    if (text_protect(site, size, PROT_RWX) != 0) {
        return -1;
    }
    site_store(site, code, size);
    text_protect(site, size, PROT_RX);
    return 0;
}

static int site_write(uint64_t site, const uint8_t *code, uint64_t size, const uint8_t *own)
{
    if (is_writable(site) || is_writable(site + size - 1)) {
        return -1;
    }
    code_store(ptr(g_writing.own), own, size);
    g_writing.size = size;
    __atomic_store_n(&g_writing.site, site, __ATOMIC_RELEASE);
    return text_write(site, code, size);
}

void stub_patch_mend(void)
{
    if (g_writing.site) {
        text_write(g_writing.site, g_writing.own, g_writing.size);
        HOT->int3_at = 0;
        g_writing.site = 0;
    }
}

static void site_restore(struct stub_site *s)
{
    uint8_t code[6], there = 0;
    uint64_t size, at = site_original(s, stub_leads, code, &size);
    if (s->state >= SITE_LEFT) {
        return;
    }
    if (guarded_copy(&there, (const void *)at, 1) == 0 && there == 0xe9 &&
        site_write(at, code, size, code) != 0) {
        g_writing.site = 0;
        return; /* it can't be changed any more, or is the guest's to write: it stays as it is */
    }
    g_writing.site = 0;
    s->state = 0;
}

void stub_sites_stop(int stop)
{
    stub_patch_lock();
    HOT->sites_stopped = (uint8_t)stop;
    for (int i = 0; stop && i < HOT_SITES; i++) {
        site_restore(&HOT->sites[i]);
    }
    for (int i = 0; stop && i < SITE_COUNT; i++) {
        site_restore(&stub_sites[i]);
    }
    stub_patch_unlock();
}

/* Opcodes with four bytes of immediate, that of a mov to memory first. */
static int takes_imm32(uint8_t opcode)
{
    return opcode == 0xc7 || opcode == 0x81 || opcode == 0x69 || opcode == 0xf7;
}

/*
 * b8 and the number before a syscall are a mov, unless an instruction that stores, compares or loads just that number has b8 as its
 * last byte before it: mov to r8d, an offset of -72, an index of rdi at rax.
 */
static int mov_begins_at(uint64_t at)
{
    uint8_t b[3] = {0};
    for (uint64_t i = 0; i < 3 && guarded_copy(&b[i], (const void *)(at - 1 - i), 1) == 0; i++) {
    }
    int to_r8d = (b[0] & 0xf9) == 0x41, indexed = b[0] == 0x8d || (b[0] & 0xc7) == 0x84;
    int offset = (b[0] & 0xc0) == 0x40 && (b[0] & 7) != 4 && takes_imm32(b[1]);
    int offset_of_indexed = (b[1] & 0xc7) == 0x44 && takes_imm32(b[2]);
    return !to_r8d && !indexed && !offset && !offset_of_indexed;
}

/* Return: the site's state from now on. */
static int patch_site(uint64_t ip, uint64_t rax)
{
    uint8_t b[10]; /* the 7 bytes before ip, and 3 behind */
    uint32_t nr;
    if (guarded_copy(b, (const void *)(ip - 7), sizeof(b)) != 0 || b[5] != 0x0f || b[6] != 0x05) {
        return SITE_LEFT;
    }
    __builtin_memcpy(&nr, b + 1, 4);
    if (b[0] == 0xb8 && nr == rax && nr < PLATFORM_COPY_NR_COUNT && mov_begins_at(ip - SITE_SPAN)) {
        uint64_t at = trampoline_near(ip - 7);
        int32_t distance = (int32_t)(at - (ip - 2));
        uint8_t code[5] = {0xe9};
        __builtin_memcpy(code + 1, &distance, 4);
        return at && trampoline_write(at, 1, nr, ip) == 0 &&
                       site_write(ip - 7, code, sizeof(code), b) == 0
                   ? SITE_MOV - (int)nr
                   : SITE_LEFT;
    }
    uint8_t code[2] = {0xe9};
    int short_jump = b[4] == 0x66; /* what some CPUs make of it with this prefix */
    uint64_t at = short_jump ? 0 : trampoline_punned(ip, b + 7, &code[1]);
    return at && trampoline_write(at, 0, 0, ip) == 0 &&
                   site_write(ip - 2, code, sizeof(code), b + 5) == 0
               ? SITE_PUNNED
               : SITE_LEFT;
}

/* Can [addr, addr + size) hold some of a site? Said quickly: most of the sites are elsewhere. */
static int site_near(const struct stub_site *s, uint64_t addr, uint64_t size)
{
    return s->address - (addr - SITE_AFTER) - 1 < size + SITE_AFTER + SITE_REACH - 1;
}

/* [addr, addr + size) changes, or (gone) is about to be nothing: what else a site has gets its own code back. */
static void site_change(struct stub_site *s, uint64_t addr, uint64_t size, int gone)
{
    if (!site_near(s, addr, size)) {
        return;
    }
    uint8_t code[6];
    uint64_t count, at = site_original(s, stub_leads, code, &count);
    if (at >= addr + size) {
        return;
    }
    if (s->state == SITE_LEFT || (gone && at >= addr && at + count <= addr + size)) {
        s->state = 0;
    }
    site_restore(s);
}

enum { SITES_NONE = 1, SITES_LOCKED };

/* Who is going to rewrite a site tells where, and then looks who is counted (may_rewrite). */
int stub_sites_keep(uint64_t addr, uint64_t size)
{
    __atomic_fetch_add(&HOT->changing, 1, __ATOMIC_SEQ_CST);
    if (!sites_may_be_in(addr, size)) {
        return SITES_NONE;
    }
    stub_patch_lock();
    return SITES_LOCKED;
}

int stub_sites_change(uint64_t addr, uint64_t size, int gone)
{
    int changes = stub_sites_keep(addr, size);
    if (changes == SITES_NONE) {
        return changes;
    }
    for (int i = 0; i < HOT_SITES; i++) {
        site_change(&HOT->sites[i], addr, size, gone);
    }
    for (int i = 0; i < SITE_COUNT; i++) {
        site_change(&stub_sites[i], addr, size, gone);
    }
    return changes;
}

void stub_sites_changed(int changes)
{
    if (changes == SITES_LOCKED) {
        stub_patch_unlock();
    }
    if (changes) {
        __atomic_fetch_sub(&HOT->changing, 1, __ATOMIC_SEQ_CST);
    }
}

/*
 * The text behind which ip is can't change now, nor its rights: who begins with that from here on finds that there are sites, and waits for
 * the lock. One that was killed in the middle stays counted, and others in its memory patch no more. Context: patch lock.
 */
static int may_rewrite(uint64_t ip)
{
    sites_extend(ip);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !HOT->sites_stopped && !__atomic_load_n(&HOT->changing, __ATOMIC_SEQ_CST);
}

static int any_site_in(const struct stub_site *sites, int count, uint64_t addr, uint64_t size)
{
    for (int i = 0; i < count; i++) {
        if (sites[i].state < SITE_LEFT && sites[i].address > addr &&
            sites[i].address < addr + size + SITE_REACH) {
            return 1;
        }
    }
    return 0;
}

int stub_has_sites(uint64_t addr, uint64_t size)
{
    return sites_may_be_in(addr, size) && (any_site_in(HOT->sites, HOT_SITES, addr, size) ||
                                           any_site_in(stub_sites, SITE_COUNT, addr, size));
}

void stub_show_original(void *copy, uint64_t addr, uint64_t size)
{
    if (!sites_may_be_in(addr, size)) {
        return;
    }
    for (int i = 0; i < HOT_SITES; i++) {
        site_show_original(&HOT->sites[i], stub_leads, copy, addr, size);
    }
    for (int i = 0; i < SITE_COUNT; i++) {
        site_show_original(&stub_sites[i], stub_leads, copy, addr, size);
    }
}

/* A process that makes only a few calls stays with the entries of the page that it has anyway. */
struct stub_site *site_record(uint64_t ip)
{
    for (int i = 0; i < HOT_SITES; i++) {
        if (!HOT->sites[i].address) {
            HOT->sites[i].address = ip;
        }
        if (HOT->sites[i].address == ip) {
            return &HOT->sites[i];
        }
    }
    uint32_t h = (uint32_t)((ip * 0x9e3779b97f4a7c15UL) >> 55);
    struct stub_site *victim = 0;
    for (int i = 0; i < 8; i++, h = (h + 1) % SITE_COUNT) {
        if (stub_sites[h].address == ip) {
            return &stub_sites[h];
        }
        if (!victim && stub_sites[h].state >= SITE_LEFT) {
            victim = &stub_sites[h]; /* what was rewritten must stay known */
        }
        if (!stub_sites[h].address) {
            break;
        }
    }
    if (victim) {
        *victim = (struct stub_site){.address = ip};
    }
    return victim;
}

/* Is it mov $nr, %eax; syscall, with ip behind it? */
static int is_mov_site(uint64_t ip, uint64_t nr)
{
    uint8_t b[SITE_SPAN];
    uint32_t imm;
    if (guarded_copy(b, (const void *)(ip - SITE_SPAN), sizeof(b)) != 0) {
        return 0;
    }
    __builtin_memcpy(&imm, b + 1, 4);
    return b[0] == 0xb8 && imm == nr && nr < PLATFORM_COPY_NR_COUNT && b[5] == 0x0f &&
           b[6] == 0x05 && mov_begins_at(ip - SITE_SPAN);
}

static struct stub_libraries *libraries(void)
{
    return (struct stub_libraries *)lease_page()->libraries;
}

/* Is it syscall; cmp $-4096, %rax (or -4095), with ip between them? Nothing else has these eight bytes. */
static int is_checked_site(uint64_t ip)
{
    uint8_t b[8];
    return guarded_copy(b, (const void *)(ip - 2), sizeof(b)) == 0 && b[0] == 0x0f &&
           b[1] == 0x05 && b[2] == 0x48 && b[3] == 0x3d && b[4] <= 1 && b[5] == 0xf0 &&
           b[6] == 0xff && b[7] == 0xff;
}

/*
 * For the sentry, that has it rewritten in other processes from the start, or in the parent. nr: of the call, or SEEN_CPUID with
 * flags.
 */
static void site_seen(uint64_t ip, uint64_t nr)
{
    struct stub_seen_sites *first = (struct stub_seen_sites *)(CHAN_BASE + STUB_SEEN_OFFSET);
    struct stub_libraries *rest = 0; /* not touched without need: its page would be a new one */
    struct stub_seen *seen = 0;
    int i = 0;
    for (; i < SEEN_SITES + SEEN_MORE; i++) {
        rest = i < SEEN_SITES ? 0 : libraries();
        seen = rest ? &rest->more[i - SEEN_SITES] : &first->sites[i];
        if (seen->address == 0 || seen->address == ip) {
            break;
        }
    }
    if (i == SEEN_SITES + SEEN_MORE) {
        return;
    }
    uint8_t *traps = rest ? &rest->more_traps[i - SEEN_SITES] : &first->traps[i];
    if (seen->address == 0) {
        if (!seen_is_cpuid(nr) && !is_mov_site(ip, nr)) {
            if (!is_checked_site(ip)) {
                return;
            }
            nr = SEEN_CHECKED;
        }
        *seen = (struct stub_seen){.address = ip, .nr = nr};
    }
    if (seen_is_cpuid(nr)) {
        seen->nr &= nr; /* led each time */
    }
    *traps = *traps < 255 ? *traps + 1 : 255;
}

void stub_note_cpuid(uint64_t ip, int led)
{
    struct stub_site *s = site_record(ip);
    if (s) {
        site_seen(ip, SEEN_CPUID | (led ? SEEN_CPUID_LED : 0));
    }
}

/* A page that is writable while something in it is rewritten; 0: none. */
static void page_close(uint64_t *page)
{
    if (*page) {
        mem_protect(*page, 4096, PROT_RX);
    }
    *page = 0;
}

static int page_open(uint64_t *page, uint64_t at)
{
    if ((at & ~4095UL) != *page) {
        page_close(page);
        *page = mem_protect(at, 1, PROT_RWX) == 0 ? at & ~4095UL : 0;
    }
    return *page != 0;
}

/* Call sites with a mov. Their text can be written. */
static void patch_movs(const struct stub_seen *list, uint64_t count)
{
    uint64_t tramp_page = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t ip = list[i].address, site = ip - SITE_SPAN;
        struct stub_site *s = is_mov_site(ip, list[i].nr) ? site_record(ip) : 0;
        uint64_t at = s ? trampoline_near(site) : 0;
        if (!at || !page_open(&tramp_page, at)) {
            continue;
        }
        uint8_t trampoline[TRAMPOLINE] = {0};
        trampoline_compose(trampoline, 1, list[i].nr, ip);
        code_store(at, trampoline, TRAMPOLINE);
        int32_t distance = (int32_t)(at - (ip - 2));
        uint8_t code[5] = {0xe9};
        __builtin_memcpy(code + 1, &distance, 4);
        code_store(site, code, sizeof(code));
        s->state = SITE_MOV - (int)list[i].nr;
        sites_extend(ip);
    }
    page_close(&tramp_page);
}

static void patch_cpuids(const struct stub_seen *list, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (seen_is_cpuid(list[i].nr)) {
            patch_cpuid(&list[i]);
        }
    }
}

/* If one of the program's was seen, all that matter were. */
static uint64_t unseen_cpuids(uint64_t text, uint64_t size, const struct stub_seen *list,
                              uint64_t count, struct stub_seen *out)
{
    for (uint64_t i = 0; i < count; i++) {
        if (seen_is_cpuid(list[i].nr)) {
            return 0;
        }
    }
    return cpuid_idioms(text, size, out, LEAD_COUNT);
}

void stub_patch_known(uint64_t text, uint64_t size, const struct stub_seen *list, uint64_t count,
                      enum stub_text how)
{
    struct stub_seen unseen[LEAD_COUNT];
    uint64_t first = 0, end, unseen_count = 0;
    while (first < count && list[first].address - text > size) {
        first++;
    }
    for (end = first; end < count && list[end].address - text <= size; end++) {
    }
    if (how == TEXT_OF_SPARES) {
        unseen_count = unseen_cpuids(text, size, &list[first], end - first, unseen);
    }
    if ((first == end && unseen_count == 0) || mem_protect(text, size, PROT_RWX) != 0) {
        return;
    }
    patch_movs(&list[first], end - first);
    patch_cpuids(&list[first], end - first);
    patch_cpuids(unseen, unseen_count);
    mem_protect(text, size, PROT_RX);
}

/* What trapped in children: a child's own rewriting ends with it. */
void stub_patch_for_children(const struct stub_seen *list, uint64_t count)
{
    stub_patch_lock();
    for (uint64_t i = 0; i < count; i++) {
        uint64_t ip = list[i].address, nr = list[i].nr;
        int fits = nr == SEEN_CHECKED ? is_checked_site(ip) : is_mov_site(ip, nr);
        struct stub_site *s = fits ? site_record(ip) : 0;
        if (s && s->state >= 0 && may_rewrite(ip)) {
            s->state = patch_site(ip, nr);
            g_writing.site = 0;
        }
    }
    stub_patch_unlock();
}

/* --- libraries --- */

int stub_library_has_sites(uint32_t number)
{
    const struct stub_libraries *l = libraries();
    return RO->patch && !HOT->sites_stopped && l->site_count && l->number == number &&
           stub_single_threaded();
}

void stub_library_patch(uint64_t addr, uint64_t size, uint64_t offset)
{
    const struct stub_libraries *l = libraries();
    struct stub_seen list[LIBRARY_SITES];
    uint64_t count = 0;
    for (uint32_t i = 0; i < l->site_count && i < LIBRARY_SITES; i++) {
        uint64_t at = LIBRARY_SITE_OFFSET(l->sites[i]) - offset;
        if (at >= SITE_SPAN && at <= size) {
            list[count++] =
                (struct stub_seen){.address = addr + at, .nr = LIBRARY_SITE_NR(l->sites[i])};
        }
    }
    patch_movs(list, count);
}

void stub_library_mapped(uint32_t number, uint64_t addr, uint64_t size, uint64_t offset)
{
    struct stub_libraries *l = libraries();
    uint32_t i = __atomic_fetch_add(&l->map_count, 1, __ATOMIC_RELAXED) % LIBRARY_MAPS;
    if (size + offset <= LIBRARY_SIZE_MAX) {
        l->maps[i] = (struct stub_library_map){addr, (uint32_t)offset, (uint32_t)size};
        l->numbers[i] = (uint8_t)number;
    }
}

void stub_count_trap(uint64_t ip, uint64_t rax)
{
    struct stub_site *s = rax == __NR_rt_sigreturn ? 0 : site_record(ip);
    if (!s) {
        return; /* unwinders know a signal frame by rt_sigreturn's bytes */
    }
    site_seen(ip, rax);
    if (s->state < 0 || ++s->state < PATCH_AFTER) {
        return;
    }
    if (!stub_patch_trylock()) {
        return; /* somebody else patches: this call traps once more */
    }
    if (may_rewrite(ip)) { /* else it traps once more */
        s->state = patch_site(ip, rax);
        g_writing.site = 0;
    }
    stub_patch_unlock();
}

int stub_trap_is_ours(uint64_t ip)
{
    uint64_t site = ip - 1;
    if (HOT->int3_at != site && *(const volatile uint8_t *)site == 0xcc) {
        return 0;
    }
    while (HOT->int3_at == site) {
        __builtin_ia32_pause();
        stub_look_for_gone();
    }
    return *(const volatile uint8_t *)site != 0xcc;
}
