/*
 * A library that many programs map one after the other. Claims, in each of them: private mappings show the file's bytes, at any
 * offset; errors are mmap's (a closed descriptor, an odd offset, no length); what is written stays in the mapping; /proc/self/maps
 * names the file; another user that may read it can still map it; a descriptor that was moved maps what it stands for.
 * mmap(2), proc_pid_maps(5).
 */
#include "tests/compat/compat.h"

#include <grp.h>
#include <sys/mman.h>

static const char *const g_libraries[] = {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6",
                                          "/usr/lib/libc.so.6", NULL};
static char g_path[64], g_bytes[3 * 4096];

static int is_named(const char *at)
{
    char line[512];
    const char *base = strrchr(g_path, '/');
    int found = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        unsigned long low, high;
        CHECK(sscanf(line, "%lx-%lx", &low, &high) == 2);
        found |=
            (unsigned long)at >= low && (unsigned long)at < high && strstr(line, "libc") && base;
    }
    fclose(f);
    return found;
}

static void map_and_look(int fd, const char *bytes)
{
    char *p = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && memcmp(p, bytes, 3 * 4096) == 0);
    CHECK(is_named(p));
    CHECK(mmap(p + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE, fd,
               8192) == p + 4096);
    CHECK(memcmp(p + 4096, bytes + 8192, 4096) == 0);
    p[4096] = (char)(p[4096] + 1);
    CHECK(munmap(p, 3 * 4096) == 0);
    p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 8192);
    CHECK(p != MAP_FAILED && memcmp(p, bytes + 8192, 4096) == 0 && munmap(p, 4096) == 0);
    p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
    CHECK(p != MAP_FAILED && memcmp(p, bytes + 4096, 4096) == 0);
    CHECK_ERRNO(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES);
    CHECK(munmap(p, 4096) == 0);
    CHECK_ERRNO(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 100), EINVAL);
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ, 0, fd, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
}

static void child(void)
{
    int fd = open(g_path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    map_and_look(fd, g_bytes);
    int other = open("/proc/self/exe", O_RDONLY);
    char start[4096];
    CHECK(other >= 0 && pread(other, start, sizeof(start), 0) == sizeof(start));
    CHECK(dup2(other, fd) == fd);
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && memcmp(p, start, 4096) == 0);
    close(fd);
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EBADF);
    fd = open(g_path, O_RDONLY | O_CLOEXEC);
    if (getuid() == 0) {
        CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
              setresuid(65534, 65534, 65534) == 0);
    }
    map_and_look(fd, g_bytes);
    fd = open(g_path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    map_and_look(fd, g_bytes);
}

int main(void)
{
    for (int i = 0; g_libraries[i]; i++) {
        if (access(g_libraries[i], R_OK) == 0) {
            snprintf(g_path, sizeof(g_path), "%s", g_libraries[i]);
        }
    }
    if (!g_path[0]) {
        fprintf(stderr, "no C library where one is usual\n");
        return 77;
    }
    int fd = open(g_path, O_RDONLY);
    CHECK(fd >= 0 && pread(fd, g_bytes, sizeof(g_bytes), 0) == sizeof(g_bytes));
    for (int i = 0; i < 20; i++) {
        map_and_look(fd, g_bytes);
        pid_t pid = fork();
        if (pid == 0) {
            child();
            _exit(0);
        }
        int status;
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    }
    return 0;
}
