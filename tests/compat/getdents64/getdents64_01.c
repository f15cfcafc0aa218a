/*
 * getdents64(2): every name once with "." and "..", aligned records, types and inode numbers that agree
 * with stat; a buffer too small for one entry is EINVAL; d_off is a position to come back to.
 */
#include "../compat.h"

#include <dirent.h>
#include <sys/syscall.h>

struct record {
    uint64_t ino;
    int64_t off;
    uint16_t size;
    uint8_t type;
    char name[];
};
#define FILES 300

static long getdents(int fd, void *buf, size_t size)
{
    return syscall(SYS_getdents64, fd, buf, size);
}

int main(void)
{
    static char seen[FILES], buf[2048] __attribute__((aligned(8)));
    int dots = 0, others = 0;
    int64_t middle = -1;
    char middle_next[64] = "";
    compat_tmpdir();
    for (int i = 0; i < FILES; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%0*d", 1 + i % 30, i);
        int fd = open(name, O_CREAT | O_WRONLY, 0644);
        CHECK(fd >= 0);
        close(fd);
    }
    CHECK_EQ(mkdir("dir", 0755), 0);
    CHECK_EQ(symlink("x", "link"), 0);
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    long n;
    while ((n = getdents(fd, buf, sizeof(buf))) > 0) {
        for (long at = 0; at < n;) {
            struct record *r = (struct record *)(buf + at);
            CHECK(r->size % 8 == 0 && r->size >= 24 && at + r->size <= n);
            CHECK(strlen(r->name) < r->size - 19u);
            struct stat st;
            CHECK_EQ(lstat(r->name, &st), 0);
            if (strcmp(r->name, "..") != 0) {
                CHECK(r->ino == st.st_ino);
            }
            if (strcmp(r->name, ".") == 0 || strcmp(r->name, "..") == 0) {
                CHECK(r->type == DT_DIR);
                dots++;
            } else if (strcmp(r->name, "dir") == 0) {
                CHECK(r->type == DT_DIR);
                others++;
            } else if (strcmp(r->name, "link") == 0) {
                CHECK(r->type == DT_LNK);
                others++;
            } else {
                int i = atoi(r->name);
                CHECK(r->type == DT_REG && i >= 0 && i < FILES && !seen[i]);
                seen[i] = 1;
                if (middle >= 0 && !*middle_next) {
                    strcpy(middle_next, r->name);
                }
                if (i == 150) {
                    middle = r->off;
                }
            }
            at += r->size;
        }
    }
    CHECK_EQ(n, 0);
    CHECK(dots == 2 && others == 2);
    CHECK(memchr(seen, 0, FILES) == NULL);
    CHECK_EQ(getdents(fd, buf, sizeof(buf)), 0);
    if (*middle_next && strcmp(middle_next, "dir") != 0) {
        CHECK_EQ(lseek(fd, middle, SEEK_SET), middle);
        CHECK(getdents(fd, buf, sizeof(buf)) > 0);
        for (struct record *r = (struct record *)buf;; r = (struct record *)((char *)r + r->size)) {
            if (strcmp(r->name, "dir") != 0 && strcmp(r->name, "link") != 0 && r->name[0] != '.') {
                CHECK(strcmp(r->name, middle_next) == 0);
                break;
            }
        }
    }
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_ERRNO(getdents(fd, buf, 16), EINVAL);
    CHECK(getdents(fd, buf, 24) == 24);
    CHECK_ERRNO(getdents(fd, (void *)8, 1024), EFAULT);
    int file = open("dir/../0", O_RDONLY);
    CHECK_ERRNO(getdents(file, buf, 1024), ENOTDIR);
    CHECK_ERRNO(getdents(999, buf, 1024), EBADF);
    int gone = open("dir", O_RDONLY);
    CHECK_EQ(rmdir("dir"), 0);
    CHECK_ERRNO(getdents(gone, buf, 1024), ENOENT);
    return 0;
}
