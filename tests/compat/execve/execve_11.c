/*
 * execve(2), execveat(2): argv and envp arrive as they are, wherever they lie: strings and vectors up to the last byte of memory, of all sizes,
 * many, none, the same ones twice; and what can't be read is EFAULT.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define MAX (1 << 20)

static char g_self[PATH_MAX];

/* Tells what it was started with: all strings, with a mark between both vectors. */
static void tell(char **argv, char **envp)
{
    for (; *argv; argv++) {
        CHECK(write(1, *argv, strlen(*argv) + 1) == (ssize_t)strlen(*argv) + 1);
    }
    CHECK(write(1, "|", 2) == 2);
    for (; *envp; envp++) {
        CHECK(write(1, *envp, strlen(*envp) + 1) == (ssize_t)strlen(*envp) + 1);
    }
}

static size_t append(char *to, size_t size, char *const *strings)
{
    for (; strings && *strings; strings++) {
        CHECK(size + strlen(*strings) + 1 <= MAX);
        memcpy(to + size, *strings, strlen(*strings) + 1);
        size += strlen(*strings) + 1;
    }
    return size;
}

static long start(int at, char *const argv[], char *const envp[])
{
    return at ? syscall(SYS_execveat, AT_FDCWD, g_self, argv, envp, 0)
              : syscall(SYS_execve, g_self, argv, envp);
}

/* The program gets exactly these; by a child of fork, and of vfork, which shares the memory. */
static void arrives(char *const argv[], char *const envp[])
{
    static char want[MAX], got[MAX];
    size_t want_size = append(want, 0, argv && *argv ? argv : (char *const[]){"", NULL});
    memcpy(want + want_size, "|", 2);
    want_size = append(want, want_size + 2, envp);
    for (int how = 0; how < 4; how++) {
        int p[2], status;
        size_t size = 0;
        CHECK_EQ(pipe(p), 0);
        pid_t pid = how & 1 ? vfork() : fork();
        if (pid == 0) {
            dup2(p[1], 1);
            start(how & 2, argv, envp);
            _exit(99);
        }
        CHECK(pid > 0 && close(p[1]) == 0);
        for (ssize_t n; (n = read(p[0], got + size, sizeof(got) - size)) > 0;) {
            size += (size_t)n;
        }
        CHECK(close(p[0]) == 0 && waitpid(pid, &status, 0) == pid && status == 0);
        CHECK_EQ(size, want_size);
        CHECK(memcmp(got, want, size) == 0);
    }
}

/* size bytes that end where memory ends. */
static void *at_end(size_t size)
{
    size_t whole = (size + 4095) & ~4095UL;
    char *p = mmap(NULL, whole + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(mprotect(p + whole, 4096, PROT_NONE), 0);
    return p + whole - size;
}

static char *string(char *at, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        at[i] = (char)('a' + i % 26);
    }
    at[size - 1] = 0;
    return at;
}

static void sizes(void)
{
    static char big[70000];
    char *one[2] = {NULL}, *none[] = {NULL};
    for (size_t size = 1; size < 20; size++) {
        one[0] = string(at_end(size), size);
        arrives(one, one);
    }
    static const size_t around[] = {255,  256,  257,  4095, 4096, 4097,  8183,
                                    8184, 8185, 8191, 8192, 8193, 16384, 65536};
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        one[0] = string(big, around[i]);
        arrives(one, none);
        arrives(none, one);
        arrives(one, one);
    }
    arrives(none, none);
    arrives(NULL, NULL);
    one[0] = "\xff\x80\x01";
    arrives(one, one);
}

static void counts(void)
{
    static char *many[3001];
    for (size_t count = 1; count < sizeof(many) / sizeof(many[0]); count = count * 3 + 1) {
        for (size_t i = 0; i < count; i++) {
            many[i] = i % 3 ? "x" : i % 2 ? "" : "many=strings";
        }
        many[count] = NULL;
        arrives(many, many);
        char **end = at_end((count + 1) * sizeof(*end));
        memcpy(end, many, (count + 1) * sizeof(*end));
        arrives(end, (char *[]){"a=b", NULL});
        char *odd =
            at_end((count + 1) * sizeof(*end) + 3); /* crosses pages in the middle of a pointer */
        memcpy(odd, many, (count + 1) * sizeof(*end));
        arrives((char **)(void *)odd, end);
    }
}

static void unreadable(void)
{
    char *none[] = {NULL}, *good[] = {"x", NULL};
    char *no_end = at_end(5);
    memcpy(no_end, "abcde", 5);
    char **no_null = at_end(2 * sizeof(*no_null));
    no_null[0] = no_null[1] = "x";
    char *const bad[] = {(char *)8, (char *)-8, (char *)0x7fffffffffffUL, (char *)0x700008010000UL,
                         no_end};
    for (int at = 0; at < 2; at++) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            char *const in[] = {"first", bad[i], NULL};
            CHECK_ERRNO(start(at, in, none), EFAULT);
            CHECK_ERRNO(start(at, good, in), EFAULT);
        }
        CHECK_ERRNO(start(at, no_null, none), EFAULT);
        CHECK_ERRNO(start(at, good, no_null), EFAULT);
        CHECK_ERRNO(start(at, (char *const *)8, none), EFAULT);
        CHECK_ERRNO(start(at, good, (char *const *)-1), EFAULT);
    }
}

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    if (!getenv("TMPDIR") && !getenv("PATH")) {
        tell(argv, envp);
        return 0;
    }
    CHECK(readlink("/proc/self/exe", g_self, sizeof(g_self) - 1) > 0);
    sizes();
    counts();
    unreadable();
    return 0;
}
