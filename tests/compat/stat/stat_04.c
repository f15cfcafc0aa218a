/* stat(2) of names that were missing, again and again: each is found as soon as it is there, whoever makes it and however, and no other. */
#include "tests/compat/compat.h"

#include <stdlib.h>
#include <sys/syscall.h>

#define ROUNDS 12 /* what is asked so often may be answered from what was said before */
#define FILES  6

static int is_there(const char *name)
{
    struct stat st;
    int r = stat(name, &st);
    CHECK(r == 0 || errno == ENOENT);
    CHECK((access(name, F_OK) == 0) == (r == 0));
    return r == 0;
}

/* One letter a name of "a" ... "e": those that are there, in the folder. */
static void expect(const char *folder, const char *there)
{
    for (int i = 0; i < ROUNDS; i++) {
        for (char c = 'a'; c <= 'e'; c++) {
            char name[16];
            snprintf(name, sizeof(name), "%s/%c", folder, c);
            CHECK(is_there(name) == (strchr(there, c) != NULL));
        }
    }
}

static void make(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
}

static void step(int n)
{
    switch (n) {
    case 0:
        make("d/b");
        break;
    case 1:
        CHECK(rename("d/b", "d/d") == 0);
        break;
    case 2:
        CHECK(link("d/d", "d/a") == 0);
        break;
    case 3:
        CHECK(symlink("a", "d/c") == 0);
        break;
    case 4:
        CHECK(unlink("d/a") == 0); /* c leads nowhere now */
        break;
    case 5:
        CHECK(mkdir("d/e", 0700) == 0);
        break;
    case 6:
        CHECK(syscall(SYS_renameat2, AT_FDCWD, "d/d", AT_FDCWD, "other/a", 0) == 0);
        break;
    case 7: /* another folder by the same name */
        CHECK(unlink("d/c") == 0 && rmdir("d/e") == 0 && rmdir("d") == 0);
        break;
    case 8:
        CHECK(mkdir("d", 0700) == 0);
        make("d/a");
        break;
    case 9:
        CHECK(syscall(SYS_renameat2, AT_FDCWD, "d", AT_FDCWD, "other", 2 /* EXCHANGE */) == 0);
        make("other/e");
        break;
    default:
        CHECK(unlink("d/a") == 0 && rmdir("d") == 0 && rename("other", "d") == 0);
        break;
    }
}

/* Every step made by this process, or by a child. */
static void steps(int by_child)
{
    static const char *const there[] = {"",   "b", "d", "ad", "acd", "d",
                                        "de", "e", "",  "a",  "a",   "ae"};
    CHECK(mkdir("d", 0700) == 0 && mkdir("other", 0700) == 0);
    for (int i = 0; i < 12; i++) {
        expect("d", there[i]);
        if (i == 11) {
            break;
        }
        pid_t pid = by_child ? fork() : 0;
        CHECK(pid >= 0);
        if (pid == 0) {
            step(i);
            if (by_child) {
                _exit(0);
            }
        } else {
            int status;
            CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        }
    }
    CHECK(unlink("d/a") == 0 && unlink("d/e") == 0 && rmdir("d") == 0);
}

static void make_many(void)
{
    for (int i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "d/f%d", i);
        make(name);
    }
}

static void expect_many(int there)
{
    for (int i = 0; i < ROUNDS * FILES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "d/f%d", i % FILES);
        CHECK(is_there(name) == there);
    }
}

/* Who makes many files one after the other may make the later ones without telling anybody at once. */
static void many(void)
{
    int go[2], done[2];
    char c = 0;
    CHECK(pipe(go) == 0 && pipe(done) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        while (read(go[0], &c, 1) == 1 && c) {
            make_many();
            CHECK(write(done[1], "", 1) == 1);
        }
        _exit(0);
    }
    for (int round = 0; round < 4; round++) {
        CHECK(mkdir("d", 0700) == 0);
        expect_many(0);
        if (round % 2) {
            make_many();
        } else {
            CHECK(write(go[1], "g", 1) == 1 && read(done[0], &c, 1) == 1);
        }
        expect_many(1);
        CHECK(system("rm -r d") == 0);
        expect_many(0);
    }
    CHECK(write(go[1], "", 1) == 1);
    CHECK(waitpid(pid, NULL, 0) == pid);
}

int main(void)
{
    compat_tmpdir();
    steps(0);
    steps(1);
    many();
    return 0;
}
