/*
 * PR_SET_NO_NEW_PRIVS takes nothing from files that are open: who went through a directory, and has read the beginnings of some,
 * reads their rest afterwards, and opens others.
 */
#include "../compat.h"

#include <dirent.h>
#include <sys/prctl.h>

#define FILES 40
#define KEPT  6

static char g_name[FILES][64];
static int g_dir, g_count;

static void list_files(const char *where)
{
    DIR *d = opendir(where);
    struct dirent *e;
    struct stat st;
    while (d && g_count < FILES && (e = readdir(d))) {
        if (strlen(e->d_name) < 60 && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && st.st_size > 16 && (st.st_mode & 0444) == 0444) {
            strcpy(g_name[g_count++], e->d_name);
        }
    }
    g_dir = open(where, O_RDONLY | O_DIRECTORY);
    CHECK(d && g_dir >= 0 && closedir(d) == 0);
}

static size_t read_all(int fd, char *to, size_t size)
{
    size_t done = 0;
    ssize_t n;
    while ((n = read(fd, to + done, size - done)) > 0) {
        done += (size_t)n;
    }
    CHECK(n == 0);
    return done;
}

int main(void)
{
    static char once[1 << 20], again[1 << 20];
    int fds[KEPT];
    list_files("/etc");
    if (g_count < FILES) {
        SKIP("no directory with files");
    }
    for (int i = 0; i < FILES - KEPT; i++) {
        int fd = openat(g_dir, g_name[i], O_RDONLY);
        CHECK(fd >= 0);
        read_all(fd, once, sizeof(once));
        CHECK(close(fd) == 0);
    }
    for (int i = 0; i < KEPT; i++) {
        fds[i] = openat(g_dir, g_name[FILES - KEPT + i], O_RDONLY);
        CHECK(fds[i] >= 0 && read(fds[i], once, 7) == 7);
    }
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    for (int i = 0; i < KEPT; i++) {
        size_t rest = read_all(fds[i], once, sizeof(once));
        int fd = openat(g_dir, g_name[FILES - KEPT + i], O_RDONLY);
        CHECK(fd >= 0 && fd != fds[i]);
        CHECK(read_all(fd, again, sizeof(again)) == rest + 7);
        CHECK(memcmp(again + 7, once, rest) == 0);
        CHECK(close(fds[i]) == 0 && close(fd) == 0);
    }
    return 0;
}
