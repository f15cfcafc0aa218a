/*
 * A mapping outlives its file, however that was written. mmap(2): "closing the file descriptor does not unmap the region". Claims:
 * 1. What was written by many calls is seen by private, shared and executable mappings after the file was closed and removed, or
 *    another was renamed over it: in pages that nobody had touched, too.
 * 2. So it is in a child, and with a program that runs while its file is replaced.
 */
#include "../compat.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGES 12
#define PAGE  4096

/* As linkers do, not in order. */
static void make(const char *name)
{
    char page[PAGE];
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0755);
    CHECK(fd >= 0);
    for (int i = PAGES - 1; i >= 0; i--) {
        memset(page, 'a' + i, sizeof(page));
        for (int part = 0; part < PAGE; part += PAGE / 4) {
            CHECK_EQ(pwrite(fd, page + part, PAGE / 4, i * PAGE + part), PAGE / 4);
        }
    }
    CHECK_EQ(close(fd), 0);
}

static void check(const volatile char *p)
{
    for (int i = 0; i < PAGES; i++) {
        CHECK_EQ(p[i * PAGE], 'a' + i);
        CHECK_EQ(p[i * PAGE + PAGE - 1], 'a' + i);
    }
}

static void outlives(int prot, int flags, bool replaced)
{
    int status;
    make("file");
    int fd = open("file", flags == MAP_SHARED ? O_RDWR : O_RDONLY);
    char *p = mmap(NULL, PAGES * PAGE, prot, flags, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(close(fd), 0);
    if (replaced) {
        make("other");
        CHECK_EQ(rename("other", "file"), 0);
    }
    CHECK_EQ(unlink("file"), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        check(p);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    check(p);
    CHECK_EQ(munmap(p, PAGES * PAGE), 0);
}

/* So large that nobody has touched all of it when it begins. */
static const char g_ballast[64 * PAGE] = {1};

static int program(void)
{
    char c;
    CHECK_EQ(write(1, "r", 1), 1);
    CHECK_EQ(read(0, &c, 1), 1); /* the file is gone now */
    for (size_t i = PAGE; i < sizeof(g_ballast); i += PAGE) {
        CHECK_EQ(((const volatile char *)g_ballast)[i], 0);
    }
    return 0;
}

static void copy_program(const char *name)
{
    char buf[1024];
    ssize_t n;
    int in = open("/proc/self/exe", O_RDONLY), out = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(in >= 0 && out >= 0);
    for (off_t at = 0; (n = read(in, buf, sizeof(buf))) > 0; at += n) {
        CHECK_EQ(pwrite(out, buf, (size_t)n, at), n);
    }
    CHECK_EQ(close(in) | close(out), 0);
}

static void replaced_program(void)
{
    int to[2], from[2], status;
    char c;
    copy_program("program");
    CHECK_EQ(pipe(to) | pipe(from), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        execl("./program", "program", "run", NULL);
        _exit(127);
    }
    CHECK_EQ(read(from[0], &c, 1), 1);
    copy_program("new");
    CHECK_EQ(rename("new", "program"), 0);
    CHECK_EQ(write(to[1], "g", 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        return program();
    }
    compat_tmpdir();
    for (int replaced = 0; replaced < 2; replaced++) {
        outlives(PROT_READ, MAP_PRIVATE, replaced);
        outlives(PROT_READ | PROT_WRITE, MAP_PRIVATE, replaced);
        outlives(PROT_READ | PROT_EXEC, MAP_PRIVATE, replaced);
        outlives(PROT_READ | PROT_WRITE, MAP_SHARED, replaced);
    }
    replaced_program();
    return 0;
}
