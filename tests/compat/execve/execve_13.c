/*
 * A program that looks for the same names at each start, which a kernel may look up for it before it asks. Claims: it finds what is there
 * when it asks, whatever has changed since it began, or since other starts: files rewritten, removed, replaced, made, closed to it,
 * links that lead elsewhere, directories moved, another working directory; another user gets what that user may; a new fd is the lowest
 * that exec left free. execve(2), open(2), stat(2), access(2).
 */
#include "tests/compat/compat.h"

#define STARTS 5 /* without a change, until the names are known */
#define USER   12345u

/* What is found under a name: e it can't be opened, s attributes can't be had, else its first byte. */
static char find(const char *name)
{
    struct stat st;
    char byte = '0';
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? '-' : errno == EACCES ? '!' : 'e';
    }
    ssize_t n = read(fd, &byte, 1);
    int same = fstat(fd, &st) == 0 && (st.st_size > 0) == (n == 1);
    close(fd);
    return same && stat(name, &st) == 0 && access(name, R_OK) == 0 ? byte : 's';
}

/* The program: waits for a byte, looks for each name, and says what it found. */
static int look(char **names)
{
    char go, found[16] = "";
    CHECK_EQ(read(0, &go, 1), 1);
    int fd = open(names[0], O_RDONLY | O_CLOEXEC);
    found[0] = (char)('0' + (fd < 0 ? 3 : fd));
    close(fd);
    size_t i = 0;
    for (; names[i]; i++) {
        found[i + 1] = find(names[i]);
    }
    CHECK_EQ(write(1, found, i + 1), (long)i + 1);
    return 0;
}

static char g_self[PATH_MAX];

/* Starts it as that user; change comes when it has begun. */
static void expect(unsigned user, void (*change)(void), const char *want)
{
    int in[2], out[2], status;
    char found[17] = "";
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {g_self, "look", "d/a", "d/none", "d/link", "rel", "d/own", NULL};
        dup2(in[0], 0);
        dup2(out[1], 1);
        CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 3);
        CHECK(user == geteuid() || setresuid(user, user, user) == 0);
        execv(g_self, argv);
        _exit(126);
    }
    CHECK(pid > 0);
    usleep(3000);
    if (change) {
        change();
    }
    CHECK_EQ(write(in[1], "x", 1), 1);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
    CHECK(read(out[0], found, sizeof(found) - 1) > 0);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    if (strcmp(found, want) != 0) {
        fprintf(stderr, "found %s, want %s\n", found, want);
        exit(1);
    }
}

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    CHECK_EQ(close(fd), 0);
}

static void rewrite(void)
{
    put("d/a", "B, and more");
}
static void empty(void)
{
    put("d/a", "");
}
static void removed(void)
{
    CHECK_EQ(unlink("d/a"), 0);
}
static void replaced(void)
{
    put("d/new", "C");
    CHECK_EQ(rename("d/new", "d/a"), 0);
}
static void made(void)
{
    put("d/none", "N");
}
static void relinked(void)
{
    CHECK(unlink("d/link") == 0 && symlink("none", "d/link") == 0);
}
static void moved(void)
{
    CHECK_EQ(rename("d", "e"), 0);
}
static void shut(void)
{
    CHECK_EQ(chmod("d", 0), 0);
}

static void make(void)
{
    CHECK(mkdir("d", 0755) == 0 || errno == EEXIST);
    CHECK_EQ(chmod("d", 0755), 0);
    put("d/a", "A");
    put("rel", "R");
    put("d/own", "O");
    CHECK_EQ(chmod("d/own", 0600), 0);
    CHECK(geteuid() != 0 || chown("d/own", USER, USER) == 0);
    CHECK(unlink("d/none") == 0 || errno == ENOENT);
    CHECK(unlink("d/link") == 0 || errno == ENOENT);
    CHECK_EQ(symlink("a", "d/link"), 0);
}

/* All starts but the last are as ever. */
static void starts(unsigned user, void (*change)(void), const char *want)
{
    make();
    for (int i = 0; i < STARTS; i++) {
        expect(user, NULL, "3A-ARO");
    }
    expect(user, change, want);
    make();
    expect(user, NULL, "3A-ARO");
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        return look(argv + 2);
    }
    CHECK(readlink("/proc/self/exe", g_self, sizeof(g_self) - 1) > 0);
    compat_tmpdir();
    CHECK_EQ(chmod(".", 0755), 0);
    int root = geteuid() == 0;
    unsigned user = root ? USER : geteuid();
    starts(user, NULL, "3A-ARO");
    starts(user, rewrite, "3B-BRO");
    starts(user, empty, "30-0RO");
    starts(user, removed, "3---RO");
    starts(user, replaced, "3C-CRO");
    starts(user, made, "3ANARO");
    starts(user, relinked, "3A--RO");
    starts(user, shut, "3!!!R!");
    make();
    expect(user, moved, "3---R-");
    CHECK_EQ(rename("e", "d"), 0);
    if (root) {
        expect(user + 1, NULL, "3A-AR!");
        expect(user, NULL, "3A-ARO");
    }
    CHECK(mkdir("w", 0755) == 0 && chdir("w") == 0);
    make();
    put("d/a", "W");
    put("rel", "S");
    expect(user, NULL, "3W-WSO");
    return 0;
}
