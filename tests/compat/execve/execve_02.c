/*
 * execve(2): arguments and environment arrive byte for byte; an empty argv gets an empty string;
 * one string may have 128 KiB with its NUL, and all of them a quarter of RLIMIT_STACK: else E2BIG.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define STRING_MAX (128 * 1024)
extern char **environ;
static char self[PATH_MAX];

static int count(char **v)
{
    int n = 0;
    while (v && v[n]) {
        n++;
    }
    return n;
}

/* The new program: the first string of the environment names what to check. */
static int checks(int argc, char **argv)
{
    const char *what = environ && environ[0] ? environ[0] : "none";
    if (strcmp(what, "CHECK=plain") == 0) {
        return !(argc == 4 && strcmp(argv[1], "") == 0 && strcmp(argv[2], "two words") == 0 &&
                 strcmp(argv[3], "\xff\x01\n") == 0 && count(environ) == 2 &&
                 !strcmp(environ[1], "no equal sign"));
    }
    if (strcmp(what, "CHECK=empty") == 0) {
        return !(argc == 1 && argv[0][0] == '\0' && argv[1] == NULL && count(environ) == 1);
    }
    if (strcmp(what, "CHECK=long") == 0) {
        return !(argc == 3 && strlen(argv[1]) == STRING_MAX - 1 && strlen(argv[2]) == 5);
    }
    if (strcmp(what, "CHECK=many") == 0) {
        for (int i = 1; i < argc; i++) {
            if (atoi(argv[i]) != i) {
                return 1;
            }
        }
        return argc != 20001;
    }
    if (strcmp(what, "CHECK=apart") == 0) {
        return !(argc == 4 && strlen(argv[1]) == 3000 && strcmp(argv[2], "last") == 0 &&
                 strcmp(argv[3], "last") == 0);
    }
    return 99;
}

static int run(char *const *argv, char *const *envp)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        syscall(SYS_execve, self, argv, envp);
        _exit(errno == E2BIG ? 77 : 98);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void plain(void)
{
    char *argv[] = {"prog", "", "two words", "\xff\x01\n", NULL};
    char *envp[] = {"CHECK=plain", "no equal sign", NULL};
    CHECK_EQ(run(argv, envp), 0);
    char *none[] = {NULL}, *empty[] = {"CHECK=empty", NULL};
    CHECK_EQ(run(none, empty), 0);
    CHECK_EQ(run(NULL, empty), 0);
}

static void long_strings(void)
{
    char *text = malloc(STRING_MAX + 1);
    memset(text, 'x', STRING_MAX);
    text[STRING_MAX] = 0;
    char *argv[] = {"prog", text + 1, "after", NULL}, *envp[] = {"CHECK=long", NULL};
    CHECK_EQ(run(argv, envp), 0);
    argv[1] = text;
    CHECK_EQ(run(argv, envp), 77);
    char *argv2[] = {"prog", NULL}, *envp2[] = {"CHECK=long", text, NULL};
    CHECK_EQ(run(argv2, envp2), 77);
    free(text);
}

static void many(void)
{
    static char *argv[20002], numbers[20001][8];
    argv[0] = "prog";
    for (int i = 1; i <= 20000; i++) {
        snprintf(numbers[i], sizeof(numbers[i]), "%d", i);
        argv[i] = numbers[i];
    }
    char *envp[] = {"CHECK=many", NULL};
    CHECK_EQ(run(argv, envp), 0);
}

/* Strings at the end of their page, with nothing mapped behind. */
static void apart(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK_EQ(munmap(page + 4096, 4096), 0);
    char *last = page + 4096 - 5;
    strcpy(last, "last");
    char *text = page;
    memset(text, 'y', 3000);
    char **argv = (char **)(page + 3200);
    argv[0] = "prog";
    argv[1] = text;
    argv[2] = argv[3] = last;
    argv[4] = NULL;
    char *envp[] = {"CHECK=apart", NULL};
    CHECK_EQ(run(argv, envp), 0);
    CHECK_EQ(munmap(page, 4096), 0);
}

static void total(void)
{
    static char *argv[70];
    char *text = malloc(STRING_MAX);
    memset(text, 'z', STRING_MAX);
    text[100 * 1024] = 0;
    char *envp[] = {"CHECK=none", NULL};
    struct rlimit old, limit;
    CHECK_EQ(getrlimit(RLIMIT_STACK, &old), 0);
    limit = old;
    limit.rlim_cur = 2 << 20; /* 512 KiB of strings */
    CHECK_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
    argv[0] = "prog";
    for (int i = 1; i <= 4; i++) {
        argv[i] = text;
    }
    CHECK_EQ(run(argv, envp), 99);
    argv[5] = argv[6] = text;
    CHECK_EQ(run(argv, envp), 77);
    CHECK_EQ(setrlimit(RLIMIT_STACK, &old), 0);
    for (int i = 1; i <= 65; i++) {
        argv[i] = text; /* 6.5 MB: more than anybody gets */
    }
    CHECK_EQ(run(argv, envp), 77);
    free(text);
}

int main(int argc, char **argv)
{
    if (environ && environ[0] && strncmp(environ[0], "CHECK=", 6) == 0) {
        return checks(argc, argv);
    }
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    plain();
    long_strings();
    many();
    apart();
    total();
    return 0;
}
