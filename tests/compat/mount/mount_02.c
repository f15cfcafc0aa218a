/*
 * A tmpfs with a limit: files fill it to the last page and no further, whatever size the writes have.
 *
 * Claims: the write that does not fit is short, the next one ENOSPC; what is there already can be overwritten in a full
 * file system; and what is freed can be written again. No SIGBUS comes instead of an error.
 */
#include "limited.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT (8L << 20)

static char g_buf[1 << 20];

/* Return: bytes until the file system is full. */
static long fill(int fd, size_t size)
{
    long total = 0;
    ssize_t n;
    while ((n = write(fd, g_buf, size)) > 0) {
        total += n;
        if (n < (ssize_t)size) {
            break;
        }
    }
    CHECK_ERRNO(write(fd, g_buf, size), ENOSPC);
    return total;
}

int main(void)
{
    static const size_t sizes[] = {4096, 65536, 100000, 1 << 20};
    limited_tmpfs("size=8m");
    memset(g_buf, 'x', sizeof(g_buf));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct stat st;
        int fd = open("m/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK_EQ(fill(fd, sizes[i]), LIMIT);
        CHECK(fstat(fd, &st) == 0 && st.st_size == LIMIT && st.st_blocks == LIMIT / 512);
        for (int k = 0; k < 20; k++) {
            CHECK_EQ(pwrite(fd, g_buf, 70000, k * 70000 + 123), 70000);
        }
        CHECK_EQ(ftruncate(fd, LIMIT / 2), 0);
        int other = open("m/other", O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK_EQ(fill(other, sizes[i]), LIMIT / 2);
        CHECK_ERRNO(pwrite(fd, g_buf, sizes[i], LIMIT / 2), ENOSPC);
        CHECK_EQ(pwrite(fd, g_buf, 4096, LIMIT / 2 - 4096), 4096);
        close(other);
        CHECK_EQ(unlink("m/other"), 0);
        CHECK_EQ(pwrite(fd, g_buf, 65536, LIMIT / 2), 65536);
        close(fd);
        CHECK_EQ(unlink("m/file"), 0);
    }
    return 0;
}
