/*
 * Programs that are started often in the same interpreter, by fork and vfork, in turn with programs that have none and with some
 * whose layout is not random. Claims, for each of them: AT_BASE is where the interpreter's file is mapped, and its code is
 * there once; that code reads as in the file, whoever copies it; what the interpreter knows of the
 * CPU's caches never changes; without randomization the interpreter has one place. execve(2), getauxval(3),
 * ld.so(8), personality(2).
 */
#include "tests/compat/compat.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/personality.h>

#define ROUNDS  40
#define BLOCK   4096
#define COPY_AT 4096 /* in the file of what is known; 64: the place without randomization */

static char g_interp[PATH_MAX];

static int note_interp(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum && !*(char *)arg; i++) {
        if (info->dlpi_phdr[i].p_type == PT_INTERP) {
            CHECK(realpath((const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, arg));
        }
    }
    return 1;
}

/* Where the interpreter's code is: one range. */
static void code_maps(unsigned long *start, unsigned long *end, unsigned long *offset)
{
    char line[PATH_MAX + 200], name[PATH_MAX];
    *start = *end = *offset = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f);
    while (fgets(line, sizeof(line), f)) {
        unsigned long a, b, o;
        char prot[8];
        name[0] = 0;
        if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &a, &b, prot, &o, name) < 4 ||
            prot[2] != 'x' || strcmp(name, g_interp) != 0) {
            continue;
        }
        if (*end) { /* in several mappings, perhaps, but of one whole */
            CHECK_EQ(a, *end);
            CHECK_EQ(o, *offset + (a - *start));
        } else {
            *start = a;
            *offset = o;
        }
        *end = b;
    }
    fclose(f);
    CHECK(*end);
}

/* Its bytes, through a pipe and written to a file in one call, are the file's. */
static void check_code(unsigned long start, unsigned long end, unsigned long offset, int copy)
{
    static char from_file[BLOCK], from_pipe[BLOCK], from_copy[BLOCK];
    int p[2], fd = open(g_interp, O_RDONLY);
    CHECK(fd >= 0 && pipe(p) == 0);
    CHECK_EQ(pwrite(copy, (void *)start, end - start, COPY_AT), end - start);
    for (unsigned long at = start; at < end; at += BLOCK) {
        ssize_t n = pread(fd, from_file, BLOCK, (off_t)(offset + (at - start)));
        CHECK(n >= 0);
        CHECK_EQ(write(p[1], (void *)at, (size_t)n), n);
        CHECK_EQ(read(p[0], from_pipe, (size_t)n), n);
        CHECK_EQ(pread(copy, from_copy, (size_t)n, (off_t)(COPY_AT + (at - start))), n);
        CHECK(memcmp(from_file, from_pipe, (size_t)n) == 0);
        CHECK(memcmp(from_file, from_copy, (size_t)n) == 0);
    }
    close(fd);
    close(p[0]);
    close(p[1]);
}

/* argv: name, "child", interpreter, file of what is known so far. */
static int child(char **argv)
{
    unsigned long start, end, offset, base = getauxval(AT_BASE);
    const ElfW(Ehdr) *header = (const void *)base;
    snprintf(g_interp, sizeof(g_interp), "%s", argv[2]);
    code_maps(&start, &end, &offset);
    if (base) { /* 0: the interpreter was started itself */
        CHECK(memcmp(header->e_ident, ELFMAG, SELFMAG) == 0);
        CHECK(base <= start && start - base < 1 << 20);
    }
    long known[4] = {sysconf(_SC_LEVEL1_DCACHE_SIZE) + 1, sysconf(_SC_LEVEL1_DCACHE_LINESIZE),
                     sysconf(_SC_LEVEL2_CACHE_SIZE), sysconf(_SC_LEVEL3_CACHE_SIZE)};
    long before[4];
    int fd = open(argv[3], O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    check_code(start, end, offset, fd);
    CHECK_EQ(pread(fd, before, sizeof(before), 0), sizeof(before));
    if (before[0] != 0) {
        CHECK(memcmp(before, known, sizeof(known)) == 0);
    } else {
        CHECK(pwrite(fd, known, sizeof(known), 0) == sizeof(known));
    }
    if (argv[4]) {
        unsigned long place;
        CHECK_EQ(pread(fd, &place, sizeof(place), 64), sizeof(place));
        if (place) {
            CHECK_EQ(place, base);
        } else {
            CHECK(pwrite(fd, &base, sizeof(base), 64) == sizeof(base));
        }
    }
    close(fd);
    return 0;
}

static void start(const char *file, char *const argv[], int by_vfork)
{
    int status;
    pid_t pid = by_vfork ? vfork() : fork();
    if (pid == 0) {
        execv(file, argv);
        _exit(1);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
}

int main(int argc, char **argv)
{
    char self[PATH_MAX] = "", file[PATH_MAX + 16];
    if (argc >= 4 && !strcmp(argv[1], "child")) {
        return child(argv);
    }
    dl_iterate_phdr(note_interp, g_interp);
    if (!g_interp[0]) {
        SKIP("it was linked without an interpreter");
    }
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(file, sizeof(file), "%s/known", compat_tmpdir());
    char *usual[] = {self, "child", g_interp, file, NULL};
    char *fixed[] = {self, "child", g_interp, file, "fixed", NULL};
    char *by_interp[] = {g_interp, self, "child", g_interp, file, NULL};
    for (int i = 0; i < ROUNDS; i++) {
        start(self, usual, i & 1);
        if (i % 5 == 4) {
            start(g_interp, by_interp, i & 1);
        }
        if (i % 8 == 7) {
            int old = personality(0xffffffff);
            CHECK(old >= 0 && personality((unsigned)old | ADDR_NO_RANDOMIZE) >= 0);
            start(self, fixed, i & 1);
            CHECK(personality((unsigned)old) >= 0);
        }
    }
    return 0;
}
