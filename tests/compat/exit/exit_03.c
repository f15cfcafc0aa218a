/*
 * A process whose leader has ended does all that others do: it maps files, moves much data, makes threads and processes, and the thread that is left may
 * execute a program, whose number is the process's then.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BIG 400000

static char g_big[BIG];
static const char *g_self;
static char *g_args[3];

static void wait_for_leaders_end(void)
{
    char line[128], state = 0;
    for (int i = 0; i < 2000 && state != 'Z'; i++) {
        FILE *f = fopen("/proc/self/status", "r");
        CHECK(f != NULL);
        while (fgets(line, sizeof(line), f)) {
            sscanf(line, "State: %c", &state);
        }
        fclose(f);
        usleep(500);
    }
    CHECK_EQ(state, 'Z');
}

static void maps_files(void)
{
    struct iovec v[2] = {{g_big, BIG / 2}, {g_big + BIG / 2, BIG / 2}};
    memset(g_big, 'x', BIG);
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(pwritev(fd, v, 2, 0), BIG);
    for (int i = 0; i < 2; i++) {
        char *p = mmap(NULL, BIG, PROT_READ, i ? MAP_SHARED : MAP_PRIVATE, fd, 0);
        CHECK(p != MAP_FAILED);
        CHECK(p[0] == 'x' && p[BIG - 1] == 'x');
        CHECK_EQ(munmap(p, BIG), 0);
    }
    memset(g_big, 0, BIG);
    CHECK_EQ(preadv(fd, v, 2, 0), BIG);
    CHECK(g_big[0] == 'x' && g_big[BIG - 1] == 'x');
    close(fd);
}

static void *returns(void *arg)
{
    return arg;
}

static int child(void)
{
    return 7;
}

static void *rest(void *arg)
{
    pthread_t t;
    void *result;
    wait_for_leaders_end();
    maps_files();
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pthread_create(&t, NULL, returns, g_big), 0);
        CHECK_EQ(pthread_join(t, &result), 0);
        CHECK(result == g_big);
        CHECK_EQ(compat_child(child), 7);
    }
    maps_files();
    execv(g_self, g_args);
    exit(1);
    return arg;
}

int main(int argc, char **argv)
{
    int status;
    char number[16];
    pthread_t t;
    if (argc > 1) { /* the program */
        CHECK_EQ(getpid(), atoi(argv[1]));
        CHECK_EQ(syscall(SYS_gettid), getpid());
        return 9;
    }
    char self[PATH_MAX];
    CHECK(realpath("/proc/self/exe", self) != NULL);
    compat_tmpdir();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        snprintf(number, sizeof(number), "%d", (int)getpid());
        g_self = self;
        g_args[0] = argv[0];
        g_args[1] = strdup(number);
        CHECK_EQ(pthread_create(&t, NULL, rest, NULL), 0);
        syscall(SYS_exit, 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 9 << 8);
    return 0;
}
