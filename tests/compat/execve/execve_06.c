/*
 * The auxiliary vector and the stack's top, as a new program finds them: getauxval(3). Every run has
 * other random bytes and other addresses; personality(ADDR_NO_RANDOMIZE) stops the latter.
 */
#include "../compat.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/personality.h>

extern char **environ;
extern const ElfW(Ehdr) __ehdr_start;
static char self[PATH_MAX];

static void check_stack(char **argv)
{
    char **end = environ;
    const char *last = argv[0];
    for (char **v = argv; *v; v++) {
        CHECK(*v >= last);
        last = *v;
    }
    CHECK(argv + 2 <= environ); /* argv, NULL, envp */
    for (; *end; end++) {
        CHECK(*end > last);
        last = *end;
    }
    const char *execfn = (const char *)getauxval(AT_EXECFN);
    CHECK(execfn == last + strlen(last) + 1 || end == environ);
    CHECK(((uintptr_t)execfn + strlen(execfn) + 1 + 8) % 4096 ==
          0); /* eight zero bytes end the stack */
    CHECK(((uintptr_t)(argv - 1)) % 16 == 0);
    ElfW(auxv_t) *a = (ElfW(auxv_t) *)(end + 1);
    CHECK(a[0].a_type == AT_SYSINFO_EHDR || a[0].a_type == AT_MINSIGSTKSZ ||
          a[0].a_type == AT_HWCAP);
    char file[4096];
    int fd = open("/proc/self/auxv", O_RDONLY);
    CHECK(fd >= 0);
    ssize_t size = read(fd, file, sizeof(file));
    CHECK(size > 0 && memcmp(file, a, (size_t)size) == 0);
    CHECK(((ElfW(auxv_t) *)(file + size))[-1].a_type == AT_NULL);
}

static void check_values(void)
{
    const ElfW(Phdr) *phdr = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    CHECK((const char *)phdr == (const char *)&__ehdr_start + __ehdr_start.e_phoff);
    CHECK_EQ(getauxval(AT_PHENT), sizeof(ElfW(Phdr)));
    CHECK_EQ(getauxval(AT_PHNUM), __ehdr_start.e_phnum);
    CHECK_EQ(getauxval(AT_PAGESZ), 4096);
    CHECK_EQ(getauxval(AT_CLKTCK), 100);
    CHECK_EQ(getauxval(AT_FLAGS), 0);
    CHECK_EQ(getauxval(AT_SECURE), 0);
    CHECK_EQ(getauxval(AT_UID), getuid());
    CHECK_EQ(getauxval(AT_EUID), geteuid());
    CHECK_EQ(getauxval(AT_GID), getgid());
    CHECK_EQ(getauxval(AT_EGID), getegid());
    CHECK(strcmp((const char *)getauxval(AT_PLATFORM), "x86_64") == 0);
    CHECK(strcmp((const char *)getauxval(AT_EXECFN), self) == 0);
    CHECK(getauxval(AT_ENTRY) != 0);
    CHECK(getauxval(AT_BASE) % 4096 == 0);
    CHECK(getauxval(AT_RANDOM) != 0);
}

struct facts {
    uint64_t random[2], code, stack, brk;
};

static void report(void)
{
    struct facts f = {
        .code = (uintptr_t)&__ehdr_start, .stack = (uintptr_t)environ, .brk = (uintptr_t)sbrk(0)};
    memcpy(f.random, (void *)getauxval(AT_RANDOM), 16);
    CHECK(write(1, &f, sizeof(f)) == sizeof(f));
}

static struct facts run(const char *how)
{
    struct facts f = {0};
    int p[2], status;
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(p[1], 1);
        if (strcmp(how, "fixed") == 0) {
            CHECK(personality(ADDR_NO_RANDOMIZE) != -1);
        }
        execl(self, "argv0", how, NULL);
        _exit(1);
    }
    close(p[1]);
    CHECK(read(p[0], &f, sizeof(f)) == sizeof(f));
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(p[0]);
    return f;
}

int main(int argc, char **argv)
{
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    if (argc > 1) {
        check_stack(argv);
        check_values();
        report();
        return 0;
    }
    struct facts a = run("random"), b = run("random"), c = run("fixed"), d = run("fixed");
    CHECK(memcmp(a.random, b.random, 16) != 0 && memcmp(c.random, d.random, 16) != 0);
    CHECK(a.code != b.code && a.stack != b.stack && a.brk != b.brk);
    CHECK(c.code == d.code && c.stack == d.stack && c.brk == d.brk);
    return 0;
}
