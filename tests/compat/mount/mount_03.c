/*
 * A small tmpfs, of which several files are open at once that were just made: who keeps room for a file that he may write
 * keeps it from nobody else.
 *
 * Claims: one write takes all pages that there are, with the writer's own new files open, and with another process's; so does
 * fallocate; and what the writer of the other files wrote before is there.
 */
#include "limited.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#define LIMIT (256L << 10)

static char g_buf[LIMIT];

static int make(int i)
{
    char name[] = "m/a";
    name[2] = (char)('a' + i);
    int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0644);
    CHECK(fd >= 0);
    return fd;
}

static void clear(int i)
{
    char name[] = "m/a";
    name[2] = (char)('a' + i);
    CHECK_EQ(unlink(name), 0);
}

/* All but `used` pages can be had at once. */
static void fill(long used)
{
    int fd = make(20);
    CHECK_EQ(write(fd, g_buf, (size_t)(LIMIT - used * 4096)), LIMIT - used * 4096);
    CHECK_ERRNO(write(fd, g_buf, 1), ENOSPC);
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK_EQ(fallocate(fd, 0, 0, LIMIT - used * 4096), 0);
    CHECK_EQ(close(fd), 0);
    clear(20);
}

int main(void)
{
    int fds[6], status;
    char byte = 0;
    limited_tmpfs("size=256k");
    fill(0);
    for (int i = 0; i < 6; i++) {
        fds[i] = make(i);
    }
    fill(0);
    int ready[2], go[2];
    CHECK_EQ(pipe(ready), 0);
    CHECK_EQ(pipe(go), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int mine[6];
        for (int i = 0; i < 6; i++) {
            mine[i] = make(10 + i);
            CHECK_EQ(write(mine[i], "x", 1), 1);
        }
        CHECK_EQ(write(ready[1], "r", 1), 1);
        CHECK_EQ(read(go[0], &byte, 1), 1);
        for (int i = 0; i < 6; i++) {
            CHECK_EQ(pread(mine[i], &byte, 1, 0), 1);
            CHECK_EQ(byte, 'x');
            CHECK_EQ(write(mine[i], "y", 1), 1);
            CHECK_EQ(lseek(mine[i], 0, SEEK_CUR), 2);
        }
        _exit(0);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    fill(6);
    CHECK_EQ(write(go[1], "g", 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(close(fds[i]), 0);
        clear(i);
        clear(10 + i);
    }
    fill(0);
    CHECK_EQ(umount("m"), 0);
    return 0;
}
