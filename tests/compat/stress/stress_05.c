/*
 * Claims: threads that open, look at, read, share and close files all the time, while others fork, take locks and look at
 * /proc/self/fd, each find their own files behind their own descriptors: the name's bytes at the position where they left it.
 * Nothing stays open that was closed, and nothing is closed that was not.
 */
#include "tests/compat/compat.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/file.h>

#define THREADS 4
#define ROUNDS  400

static const char *const NAMES[] = {"/etc/passwd", "/etc/group", "/proc/self/exe"};
static struct {
    char bytes[256];
    struct stat st;
} g_files[3];

static void check_file(int fd, int which, off_t pos)
{
    char got[64];
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(st.st_ino == g_files[which].st.st_ino && st.st_size == g_files[which].st.st_size);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), pos);
    CHECK_EQ(read(fd, got, sizeof(got)), sizeof(got));
    CHECK(memcmp(got, g_files[which].bytes + pos, sizeof(got)) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), pos + (off_t)sizeof(got));
}

static void in_a_child(int fd, int which)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char got[32];
        _exit(pread(fd, got, sizeof(got), 5) == sizeof(got) &&
                      memcmp(got, g_files[which].bytes + 5, sizeof(got)) == 0 && close(fd) == 0 &&
                      fcntl(fd, F_GETFD) == -1
                  ? 0
                  : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void *work(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int round = 0; round < ROUNDS; round++) {
        int which = (int)(rand_r(&seed) % 3), fd = open(NAMES[which], O_RDONLY);
        CHECK(fd >= 0);
        off_t pos = rand_r(&seed) % 100;
        CHECK_EQ(lseek(fd, pos, SEEK_SET), pos);
        switch (rand_r(&seed) % 8) {
        case 0: {
            int twin = dup(fd);
            CHECK(twin >= 0);
            CHECK_EQ(close(fd), 0);
            fd = twin;
            break;
        }
        case 1:
            CHECK_EQ(flock(fd, LOCK_SH), 0);
            break;
        case 2: {
            DIR *d = opendir("/proc/self/fd");
            struct dirent *e;
            bool found = false;
            CHECK(d);
            while ((e = readdir(d))) {
                found |= atoi(e->d_name) == fd;
            }
            CHECK(found);
            closedir(d);
            break;
        }
        case 3:
            in_a_child(fd, which);
            break;
        case 4: {
            struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
            CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
            break;
        }
        default:
            break;
        }
        check_file(fd, which, pos);
        CHECK_EQ(close(fd), 0);
    }
    return NULL;
}

static int count_open(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d);
    while (readdir(d)) {
        count++;
    }
    closedir(d);
    return count;
}

int main(void)
{
    pthread_t t[THREADS];
    for (int i = 0; i < 3; i++) {
        int fd = open(NAMES[i], O_RDONLY);
        CHECK_EQ(read(fd, g_files[i].bytes, sizeof(g_files[i].bytes)), sizeof(g_files[i].bytes));
        CHECK_EQ(fstat(fd, &g_files[i].st), 0);
        CHECK_EQ(close(fd), 0);
    }
    int before = count_open();
    for (intptr_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, work, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
    CHECK_EQ(count_open(), before);
    return 0;
}
