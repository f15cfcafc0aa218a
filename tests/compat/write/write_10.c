/*
 * Claims: a file that an ordinary process writes again and again loses set-user-ID and set-group-ID with its next write after they were
 * set: by the process, by another one, by name or descriptor, and however the file is open.
 */
#include "tests/compat/compat.h"

#define ORDINARY 65534

static mode_t mode_of(const char *name)
{
    struct stat st;
    CHECK_EQ(stat(name, &st), 0);
    return st.st_mode & 07777;
}

static void write_often(int fd)
{
    char block[512] = "x";
    for (int i = 0; i < 80; i++) {
        CHECK_EQ(pwrite(fd, block, sizeof(block), (i & 3) * 512), sizeof(block));
        CHECK_EQ(pread(fd, block, sizeof(block), 0), sizeof(block));
    }
}

static int set_id(void)
{
    CHECK_EQ(chmod("file", 06755), 0);
    return 0;
}

int main(void)
{
    compat_tmpdir();
    if (geteuid() == 0) {
        CHECK_EQ(chmod(".", 0777), 0);
        CHECK_EQ(setresgid(ORDINARY, ORDINARY, ORDINARY), 0);
        CHECK_EQ(setresuid(ORDINARY, ORDINARY, ORDINARY), 0);
    }
    for (int how = 0; how < 6; how++) {
        int fd = open("file", O_RDWR | O_CREAT | O_TRUNC | (how & 1 ? O_APPEND : 0), 0644);
        CHECK(fd >= 0);
        write_often(fd);
        if (how < 2) {
            CHECK_EQ(compat_child(set_id), 0);
        } else if (how < 4) {
            CHECK_EQ(fchmod(fd, 06755), 0);
        } else {
            set_id();
        }
        CHECK_EQ(write(fd, "y", 1), 1);
        CHECK_EQ(mode_of("file"), 0755);
        write_often(fd);
        CHECK_EQ(mode_of("file"), 0755);
        CHECK_EQ(close(fd), 0);
        CHECK_EQ(unlink("file"), 0);
    }
    return 0;
}
