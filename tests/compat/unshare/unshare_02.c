/*
 * Claims: names that were looked up again and again mean what they lead to now after the process has got descriptors and directories of its
 * own, several times, while those whom it had shared them with came and went.
 */
#include "tests/compat/compat.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>

#define ROUNDS               6
#define CLOSE_RANGE_UNSHARE_ 2U
#define CALLS                40
#define BEFORE               12

static off_t size_at(int dirfd)
{
    struct stat st = {0};
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(fstatat(dirfd, "file", &st, 0), 0);
    }
    return st.st_size;
}

static long unshares(unsigned long what)
{
    static unsigned calls;
    bool by_closing = what == CLONE_FILES && ++calls % 2 == 0;
    return by_closing ? syscall(SYS_close_range, 5000, 5001, CLOSE_RANGE_UNSHARE_)
                      : unshare((int)what);
}

/* Shared with a child, and by that one's end with nobody. */
static void unshare_from_child(unsigned long what)
{
    int go[2];
    char byte;
    CHECK_EQ(pipe(go), 0);
    long pid = syscall(SYS_clone, what | SIGCHLD, NULL, NULL, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(read(go[0], &byte, 1), 1);
        _exit(0);
    }
    CHECK_EQ(unshares(what), 0);
    CHECK_EQ(write(go[1], "x", 1), 1);
    CHECK_EQ(waitpid((pid_t)pid, NULL, 0), pid);
    CHECK_EQ(close(go[0]), 0);
    CHECK_EQ(close(go[1]), 0);
}

int main(void)
{
    int dirs[2];
    compat_tmpdir();
    const char *names[] = {"short", "long"};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(mkdir(names[i], 0755), 0);
        CHECK_EQ(chdir(names[i]), 0);
        compat_file("file", i ? "longer" : "it");
        CHECK_EQ(chdir(".."), 0);
        dirs[i] = open(names[i], O_RDONLY | O_DIRECTORY);
        CHECK(dirs[i] >= 0);
    }
    const off_t sizes[] = {2, 6};
    int at = 100;
    for (int i = 0; i < BEFORE; i++) { /* an allocator gives again what was freed last */
        unshare_from_child(CLONE_FS);
        unshare_from_child(CLONE_FILES);
    }
    for (int round = 0; round < ROUNDS; round++) {
        int now = round & 1;
        CHECK_EQ(dup2(dirs[now], at), at);
        CHECK_EQ(fchdir(dirs[now]), 0);
        CHECK_EQ(size_at(at), sizes[now]);
        CHECK_EQ(size_at(AT_FDCWD), sizes[now]);
        for (int i = 0; i < 2; i++) {
            now = !now;
            unshare_from_child(CLONE_FS);
            CHECK_EQ(fchdir(dirs[now]), 0);
            CHECK_EQ(size_at(AT_FDCWD), sizes[now]);
            unshare_from_child(CLONE_FILES);
            CHECK_EQ(dup2(dirs[now], at), at);
            CHECK_EQ(size_at(at), sizes[now]);
        }
    }
    return 0;
}
