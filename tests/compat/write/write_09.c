/* pwrite(2) on a file that was just made, among other calls that change it: the bytes, its size and the position are those of a model. */
#include "tests/compat/compat.h"

#define SIZE_MAX_ 60000
#define FILES     60
#define CALLS     40

static unsigned char g_model[SIZE_MAX_ + 20000], g_buf[20000], g_seen[sizeof(g_model)];
static int64_t g_size, g_pos;
static unsigned g_seed = 7;

static unsigned draw(unsigned limit)
{
    g_seed = g_seed * 1103515245 + 12345;
    return (g_seed >> 8) % limit;
}

static void put(int64_t at, size_t n)
{
    memcpy(g_model + at, g_buf, n);
    g_size = at + (int64_t)n > g_size ? at + (int64_t)n : g_size;
}

static void cut(int64_t size)
{
    if (size < g_size) {
        memset(g_model + size, 0, (size_t)(g_size - size));
    }
    g_size = size;
}

static void check(int fd, int appends)
{
    struct stat st;
    CHECK(fstat(fd, &st) == 0 && st.st_size == g_size);
    CHECK(lseek(fd, 0, SEEK_CUR) == g_pos);
    CHECK(pread(fd, g_seen, sizeof(g_seen), 0) == g_size);
    CHECK(memcmp(g_seen, g_model, (size_t)g_size) == 0);
    CHECK(appends == !!(fcntl(fd, F_GETFL) & O_APPEND));
}

static void change(int fd, const char *name, int appends)
{
    static const size_t sizes[] = {1, 4, 16, 512, 4096, 4097, 9000, 20000};
    size_t n = sizes[draw(8)];
    int64_t at = draw(3) ? g_size : draw(3) ? draw((unsigned)g_size + 1) : draw(SIZE_MAX_);
    memset(g_buf, (int)draw(256), n);
    switch (draw(12)) {
    case 0:
        if (g_pos + (int64_t)n <= SIZE_MAX_ && g_size + (int64_t)n <= SIZE_MAX_) {
            CHECK(write(fd, g_buf, n) == (ssize_t)n);
            g_pos = appends ? g_size : g_pos;
            put(g_pos, n);
            g_pos += (int64_t)n;
        }
        break;
    case 1:
        g_pos = at;
        CHECK(lseek(fd, at, SEEK_SET) == at);
        break;
    case 2:
        if (draw(3) == 0) {
            CHECK((draw(2) ? ftruncate(fd, at) : truncate(name, at)) == 0);
            cut(at);
        }
        break;
    case 3:
        if (draw(4) == 0) {
            check(fd, appends);
        }
        break;
    default: /* Linux appends in any case to such a file */
        if (at <= SIZE_MAX_ && g_size <= SIZE_MAX_) {
            CHECK(pwrite(fd, g_buf, n, at) == (ssize_t)n);
            put(appends ? g_size : at, n);
        }
        break;
    }
}

static void check_by_name(const char *name)
{
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0 && read(fd, g_seen, sizeof(g_seen)) == g_size && close(fd) == 0);
    CHECK(memcmp(g_seen, g_model, (size_t)g_size) == 0);
}

int main(void)
{
    compat_tmpdir();
    for (int i = 0; i < FILES; i++) {
        char name[16];
        int appends = i % 5 == 4;
        snprintf(name, sizeof(name), "f%d", i);
        memset(g_model, 0, sizeof(g_model));
        g_size = g_pos = 0;
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL | (appends ? O_APPEND : 0), 0600);
        CHECK(fd >= 0);
        for (int k = 0; k < CALLS; k++) {
            change(fd, name, appends);
        }
        if (i % 2) {
            pid_t pid = fork();
            CHECK(pid >= 0);
            if (pid == 0) {
                check_by_name(name);
                _exit(0);
            }
            int status;
            CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        }
        check(fd, appends);
        CHECK(close(fd) == 0);
        check_by_name(name);
        if (i % 3 == 0) {
            CHECK(unlink(name) == 0);
        }
    }
    return 0;
}
