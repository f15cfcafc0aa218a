/*
 * Random memory calls in one reserved region, the same for the same seed, with every result and the
 * resulting map printed relative to the region: run it natively and in the sandbox, and compare.
 *
 *   fuzz_memory SEED COUNT     in a directory where it may make a file
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 64
#define PAGE  4096UL
static uint64_t g_state;
static char *g_base;
static int g_file, g_read_only;

static unsigned rnd(unsigned n)
{
    g_state = g_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(g_state >> 33) % n;
}

static char *any_addr(void)
{
    return g_base + rnd(PAGES - 8) * PAGE + (rnd(20) == 0 ? 1 : 0);
}

static size_t any_len(void)
{
    static const size_t lens[] = {0,    1,        4095,     4096,       4097,
                                  8192, 5 * 4096, 8 * 4096, (size_t)-1, (size_t)-4096};
    return lens[rnd(rnd(5) ? 8 : 10)];
}

static int any_prot(void)
{
    /* not PROT_WRITE alone, which the sandbox's map shows as readable */
    static const int prots[] = {PROT_NONE,
                                PROT_READ,
                                PROT_READ | PROT_WRITE,
                                PROT_READ | PROT_EXEC,
                                PROT_READ,
                                PROT_READ | PROT_WRITE | PROT_EXEC,
                                0x10,
                                PROT_READ | 0x8};
    return prots[rnd(rnd(4) ? 6 : 8)];
}

static void result(const char *what, long addr, unsigned long len, int x, int y, long r)
{
    printf("%s(+%#lx, %#lx, %#x, %#x) = ", what, addr - (long)g_base, len, x, y);
    if (r == -1) {
        printf("%s\n", strerrorname_np(errno));
    } else if ((char *)r >= g_base && (char *)r < g_base + PAGES * PAGE) {
        printf("+%#lx\n", r - (long)g_base);
    } else {
        printf("%s\n", r == 0 ? "0" : "elsewhere");
        if (r != 0) {
            munmap((void *)r, (len + PAGE - 1) & ~(PAGE - 1)); /* where the kernel liked */
        }
    }
}

static void op_map(void)
{
    static const int kinds[] = {MAP_PRIVATE, MAP_SHARED, 0, MAP_SHARED_VALIDATE};
    char *addr = any_addr();
    size_t len = any_len();
    int prot = any_prot() & 7, kind = kinds[rnd(rnd(6) ? 2 : 4)], flags = kind | MAP_FIXED, fd = -1;
    off_t off = 0;
    flags |= rnd(4) ? 0 : MAP_NORESERVE;
    if (rnd(2)) {
        flags |= MAP_ANONYMOUS;
        flags |= rnd(6) ? 0 : MAP_POPULATE;
    } else {
        fd = rnd(8) ? (rnd(2) ? g_file : g_read_only) : 999;
        off = (off_t)(rnd(4) * PAGE + (rnd(10) ? 0 : 3));
    }
    if (rnd(5) == 0 && kind == MAP_PRIVATE && fd != 999 && off % (off_t)PAGE == 0) {
        /* only where nothing else is wrong: which error comes first is not promised */
        flags = (flags & ~MAP_FIXED) | MAP_FIXED_NOREPLACE;
    }
    void *p = mmap(addr, len, prot, flags, fd, off);
    result(fd < 0         ? "mmap"
           : fd == g_file ? "mmap rw"
                          : "mmap ro",
           (long)addr, len, prot, flags, (long)p);
}

static void op_unmap(void)
{
    char *addr = any_addr();
    size_t len = any_len();
    if (len > PAGES * PAGE && len != (size_t)-1) {
        len = PAGE;
    }
    result("munmap", (long)addr, len, 0, 0, munmap(addr, len));
}

static void op_protect(void)
{
    char *addr = any_addr();
    size_t len = any_len();
    int prot = any_prot();
    if (len > PAGES * PAGE) {
        len = PAGE;
    }
    result("mprotect", (long)addr, len, prot, 0, mprotect(addr, len, prot));
}

static void op_remap(void)
{
    char *addr = any_addr(), *to = any_addr();
    size_t len = any_len(), len2 = any_len();
    int flags = rnd(2) ? MREMAP_MAYMOVE | MREMAP_FIXED : (int)rnd(8);
    if (len > PAGES * PAGE || len2 > PAGES * PAGE || !(flags & MREMAP_FIXED)) {
        return; /* where it would move to is the kernel's choice */
    }
    void *p = mremap(addr, len, len2, flags, to);
    result("mremap", (long)addr, len, flags, (int)(to - g_base), (long)p);
}

static void op_advise(void)
{
    static const int advice[] = {MADV_DONTNEED,
                                 MADV_WILLNEED,
                                 MADV_NORMAL,
                                 MADV_FREE,
                                 MADV_DONTFORK,
                                 MADV_DOFORK,
                                 MADV_DONTDUMP,
                                 MADV_DODUMP,
                                 MADV_SEQUENTIAL,
                                 MADV_POPULATE_READ,
                                 999};
    char *addr = any_addr();
    size_t len = any_len();
    int a = advice[rnd(11)];
    if (len > PAGES * PAGE && len != (size_t)-1) {
        len = PAGE;
    }
    result("madvise", (long)addr, len, a, 0, madvise(addr, len, a));
}

static void op_sync(void)
{
    char *addr = any_addr();
    size_t len = any_len();
    int flags = (int)rnd(8);
    if (len > PAGES * PAGE) {
        len = PAGE;
    }
    result("msync", (long)addr, len, flags, 0, msync(addr, len, flags));
}

static void op_lock(void)
{
    char *addr = any_addr();
    size_t len = any_len();
    if (len > PAGES * PAGE && len != (size_t)-1) {
        len = PAGE;
    }
    if (rnd(2)) {
        result("mlock", (long)addr, len, 0, 0, mlock(addr, len));
    } else {
        result("munlock", (long)addr, len, 0, 0, munlock(addr, len));
    }
}

/* Reads and writes through the kernel: EFAULT instead of a signal. */
static void op_touch(void)
{
    char *addr = any_addr();
    char c = (char)('a' + rnd(26));
    int p[2];
    if (pipe(p) < 0) {
        return;
    }
    if (rnd(2)) {
        ssize_t n = write(p[1], addr, 1);
        result("get", (long)addr, 1, 0, 0, n);
        if (n == 1 && read(p[0], &c, 1) == 1) {
            printf("  %02x\n", (unsigned char)c);
        }
    } else if (write(p[1], &c, 1) == 1) {
        result("put", (long)addr, 1, c, 0, read(p[0], addr, 1));
    }
    close(p[0]);
    close(p[1]);
}

/*
 * Neighbours of one file are shown as one: whether they are one to the kernel depends on the open file descriptions, of which those that
 * the sandbox maps are others.
 */
struct mapping {
    unsigned long start, end, offset;
    char perms[5], name[64];
};

static void show_mapping(const struct mapping *m)
{
    if (m->end) {
        printf("  %4lx-%4lx %s %lx %s", m->start, m->end, m->perms, m->offset, m->name);
    }
}

static void show_map(void)
{
    char line[512];
    struct mapping last = {0};
    FILE *f = fopen("/proc/self/maps", "r");
    if (!f) {
        return;
    }
    while (fgets(line, sizeof(line), f)) {
        struct mapping m;
        int name = 0;
        if (sscanf(line, "%lx-%lx %4s %lx %*s %*u %n", &m.start, &m.end, m.perms, &m.offset,
                   &name) < 4 ||
            m.start < (unsigned long)g_base || m.start >= (unsigned long)g_base + PAGES * PAGE) {
            continue;
        }
        char *slash = strrchr(line + name, '/');
        m.start = (m.start - (unsigned long)g_base) / PAGE;
        m.end = (m.end - (unsigned long)g_base) / PAGE;
        snprintf(m.name, sizeof(m.name), "%s", slash ? slash : "\n");
        if (slash && strcmp(slash, last.name) == 0 && strcmp(m.perms, last.perms) == 0 &&
            m.start == last.end && m.offset == last.offset + (last.end - last.start) * PAGE) {
            last.end = m.end;
            continue;
        }
        show_mapping(&last);
        last = m;
    }
    show_mapping(&last);
    fclose(f);
}

int main(int argc, char **argv)
{
    static void (*const ops[])(void) = {op_map,     op_map,   op_map,    op_unmap, op_protect,
                                        op_protect, op_remap, op_advise, op_sync,  op_lock,
                                        op_touch,   op_touch, op_touch};
    char page[PAGE];
    if (argc != 3) {
        fprintf(stderr, "usage: fuzz_memory SEED COUNT\n");
        return 2;
    }
    g_state = strtoull(argv[1], NULL, 0) * 2654435761u + 1;
    g_file = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0644);
    /* Another file: of two descriptions of one file the sandbox makes one mapping, Linux two (sys_mremap). */
    int other = open("mapped_ro", O_RDWR | O_CREAT | O_TRUNC, 0644);
    g_read_only = open("mapped_ro", O_RDONLY);
    for (int i = 0; i < 16; i++) {
        memset(page, 'A' + i, PAGE);
        if (write(g_file, page, PAGE) != (ssize_t)PAGE ||
            write(other, page, PAGE) != (ssize_t)PAGE) {
            return 2;
        }
    }
    close(other);
    char *p = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return 2;
    }
    g_base = p + PAGE; /* a guard on both sides keeps neighbours from merging in */
    munmap(g_base, PAGES * PAGE);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (long n = strtol(argv[2], NULL, 0); n > 0; n--) {
        ops[rnd(sizeof(ops) / sizeof(ops[0]))]();
        if (n % 10 == 0) {
            show_map();
        }
    }
    return 0;
}
