/*
 * Code of the C library in programs that are started again and again. Claims, in each of them: its text is mapped r-x, and can't be
 * written; who reads it by a system call gets the file's bytes, and so it is with the loader's; calls that are made through it, and through a second mapping of the same
 * text, mean what they say, also after the second one is gone and something else lies there; a second mapping that is readable
 * but not executable has the file's bytes. mmap(2), proc_pid_maps(5).
 */
#include "tests/compat/compat.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define STARTS 12 /* what a program does often may be known before it does it the next time */
#define CALLS  20

struct text {
    unsigned long low, high, offset;
    char rights[8], path[256];
};

/* The mapping of code in which at is, or the first one behind it. */
static struct text text_of(const void *at)
{
    char line[512];
    struct text t = {0};
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        struct text x = {0};
        CHECK(sscanf(line, "%lx-%lx %7s %lx %*s %*s %255s", &x.low, &x.high, x.rights, &x.offset,
                     x.path) >= 4);
        if (!t.high && x.high > (unsigned long)at && x.rights[2] == 'x') {
            t = x;
        }
    }
    fclose(f);
    return t;
}

static int g_scratch;

/* What a system call reads there. */
static void read_page(const char *addr, char *out)
{
    CHECK_EQ(pwrite(g_scratch, addr, 4096, 0), 4096);
    CHECK_EQ(pread(g_scratch, out, 4096, 0), 4096);
}

/* [addr, addr + size) has the file's bytes from offset on. */
static void check_bytes(int fd, const char *addr, size_t size, unsigned long offset)
{
    char got[4096], want[4096];
    for (size_t at = 0; at < size; at += sizeof(got)) {
        read_page(addr + at, got);
        ssize_t n = pread(fd, want, sizeof(want), (off_t)(offset + at));
        CHECK(n > 0 && memcmp(got, want, (size_t)n) == 0);
    }
}

/* Calls of many kinds, often enough to have their sites rewritten. */
static void make_calls(void)
{
    char buf[64];
    struct stat st;
    for (int i = 0; i < CALLS; i++) {
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0 && fstat(fd, &st) == 0 && lseek(fd, 1, SEEK_SET) == 1);
        CHECK_EQ(read(fd, buf, 3), 3);
        CHECK(memcmp(buf, "ELF", 3) == 0);
        CHECK(close(fd) == 0);
        CHECK_ERRNO(close(fd), EBADF);
        CHECK(getppid() > 0 && getuid() == geteuid() && getgid() == getegid());
        CHECK(stat("/", &st) == 0 && S_ISDIR(st.st_mode));
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED && mprotect(p, 4096, PROT_READ) == 0 && munmap(p, 4096) == 0);
    }
}

static void check_second(int fd, const struct text *t)
{
    size_t size = t->high - t->low;
    char *p = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, (off_t)t->offset);
    CHECK(p != MAP_FAILED);
    check_bytes(fd, p, size, t->offset);
    uintptr_t there = (uintptr_t)&getppid - t->low + (uintptr_t)p;
    pid_t (*second)(void);
    memcpy(&second, &there, sizeof(second));
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(second(), getppid());
    }
    struct text again = text_of(p);
    CHECK(!strcmp(again.rights, "r-xp") && again.offset == t->offset && again.low == (uintptr_t)p);
    CHECK(munmap(p, size) == 0);
    char *other = mmap(p, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(other == p);
    char got[4096];
    for (size_t at = 0; at < size; at += sizeof(got)) {
        memset(p + at, 0xe9, sizeof(got));
        read_page(p + at, got);
        CHECK(memcmp(got, p + at, sizeof(got)) == 0);
    }
    CHECK(munmap(p, size) == 0);
    p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, (off_t)t->offset);
    CHECK(p != MAP_FAILED);
    ssize_t n = pread(fd, got, sizeof(got), (off_t)t->offset);
    CHECK(n == sizeof(got) && memcmp(p, got, sizeof(got)) == 0 && munmap(p, size) == 0);
}

static void check_loader(void)
{
    struct text t = text_of((const void *)getauxval(AT_BASE));
    int fd = open(t.path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && strstr(t.path, "ld-"));
    check_bytes(fd, (const char *)t.low, t.high - t.low, t.offset);
    CHECK(close(fd) == 0);
}

static void check_program(void)
{
    struct text t = text_of((const void *)(uintptr_t)&getppid);
    if (!strstr(t.path, "libc")) {
        exit(77); /* linked in some other way */
    }
    CHECK(!strcmp(t.rights, "r-xp"));
    int fd = open(t.path, O_RDONLY | O_CLOEXEC);
    g_scratch = memfd_create("scratch", MFD_CLOEXEC);
    CHECK(fd >= 0 && g_scratch >= 0);
    make_calls();
    check_bytes(fd, (const char *)t.low, t.high - t.low, t.offset);
    check_loader();
    pid_t pid = fork();
    if (pid == 0) {
        *(volatile char *)&getppid = 0;
        _exit(0);
    }
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    check_second(fd, &t);
    check_second(fd, &t);
    make_calls();
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        check_program();
        return 0;
    }
    for (int i = 0; i < STARTS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/proc/self/exe", argv[0], "again", (char *)NULL);
            _exit(1);
        }
        int status;
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        if (status) {
            return WEXITSTATUS(status);
        }
    }
    return 0;
}
