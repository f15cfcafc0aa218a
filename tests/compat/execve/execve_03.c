/*
 * execve(2): #! scripts. argv becomes interpreter, optional argument, script, the rest; five
 * nested scripts work, six are ELOOP; a name cut off by the 256 byte limit is ENOEXEC.
 */
#include "../compat.h"

static char self[PATH_MAX];

/* Runs path with argv0 and one argument; what the interpreter printed of its arguments. */
static const char *run(const char *path, int *status)
{
    static char out[8192];
    int p[2];
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(p[1], 1);
        close(p[0]);
        execl(path, "argv0", "arg", NULL);
        _exit(errno);
    }
    close(p[1]);
    size_t size = 0;
    ssize_t n;
    while ((n = read(p[0], out + size, sizeof(out) - 1 - size)) > 0) {
        size += (size_t)n;
    }
    out[size] = 0;
    close(p[0]);
    CHECK(waitpid(pid, status, 0) == pid);
    return out;
}

static void script(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK_EQ(close(fd), 0);
}

#define EXPECT(name, want)                                                                         \
    do {                                                                                           \
        int status_;                                                                               \
        const char *out_ = run(name, &status_);                                                    \
        if (strcmp(out_, want) != 0 || status_ != 0) {                                             \
            fprintf(stderr, "%s:%d: status %x, output:\n%s\nwant:\n%s\n", __FILE__, __LINE__,      \
                    status_, out_, want);                                                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define EXPECT_ERRNO(name, want)                                                                   \
    do {                                                                                           \
        int status_;                                                                               \
        run(name, &status_);                                                                       \
        CHECK_EQ(WEXITSTATUS(status_), want);                                                      \
    } while (0)

static void lines(void)
{
    char text[PATH_MAX + 300], want[PATH_MAX + 300];
    snprintf(text, sizeof(text), "#!%s\n", self);
    snprintf(want, sizeof(want), "[%s][./s][arg]", self);
    script("s", text);
    EXPECT("./s", want);
    snprintf(text, sizeof(text), "#! \t%s  -a b\t c \t\nrest", self);
    snprintf(want, sizeof(want), "[%s][-a b\t c][./s][arg]", self);
    script("s", text);
    EXPECT("./s", want);
    snprintf(text, sizeof(text), "#!%s", self); /* the file ends without a newline */
    snprintf(want, sizeof(want), "[%s][./s][arg]", self);
    script("s", text);
    EXPECT("./s", want);
}

static void nested(void)
{
    char text[PATH_MAX + 300], want[PATH_MAX + 300], name[16];
    snprintf(text, sizeof(text), "#!%s\n", self);
    script("s1", text);
    for (int i = 2; i <= 6; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        snprintf(text, sizeof(text), "#!./s%d\n", i - 1);
        script(name, text);
    }
    snprintf(want, sizeof(want), "[%s][./s1][./s2][./s3][./s4][./s5][arg]", self);
    EXPECT("./s5", want);
    EXPECT_ERRNO("./s6", ELOOP);
    script("me", "#!./me\n");
    EXPECT_ERRNO("./me", ELOOP);
}

static void errors(void)
{
    char text[600];
    script("s", "#!/missing/interpreter\n");
    EXPECT_ERRNO("./s", ENOENT);
    script("s", "#!\n");
    EXPECT_ERRNO("./s", ENOEXEC);
    script("s", "#!  \t \n");
    EXPECT_ERRNO("./s", ENOEXEC);
    script("s", "#!/dev/null\n");
    EXPECT_ERRNO("./s", EACCES);
    memset(text, 'x', sizeof(text));
    memcpy(text, "#!/", 3);
    text[sizeof(text) - 1] = 0;
    script("s", text);
    EXPECT_ERRNO("./s", ENOEXEC);
    compat_file("noexec", "");
    script("s", "#!./noexec\n");
    EXPECT_ERRNO("./s", EACCES);
}

/* An argument that is too long is cut; the name is not. */
static void cut(void)
{
    char text[PATH_MAX + 700], want[PATH_MAX + 700];
    if (strlen(self) > 200) {
        return;
    }
    memset(text, 'y', sizeof(text));
    int n = snprintf(text, sizeof(text), "#!%s ", self);
    text[n] = 'y';
    text[n + 500] = 0;
    script("s", text);
    size_t argument = 255 - (size_t)n;
    n = snprintf(want, sizeof(want), "[%s][", self);
    memset(want + n, 'y', argument);
    strcpy(want + n + argument, "][./s][arg]");
    EXPECT("./s", want);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (int i = 0; i < argc; i++) {
            printf("[%s]", argv[i]);
        }
        return 0;
    }
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    compat_tmpdir();
    /* A short name, so that #! lines hold it whatever the build folder is called. */
    CHECK_EQ(symlink(self, "interp"), 0);
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof(cwd)));
    if (strlen(self) > 200) {
        strcpy(self, "./interp");
    }
    lines();
    nested();
    errors();
    cut();
    return 0;
}
