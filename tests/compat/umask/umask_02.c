/*
 * umask(2) called often: each result is the mask before; a file made by any thread afterwards has it; /proc shows it; fork copies it,
 * vfork's child has its own, exec keeps it; CLONE_FS shares it between threads and between processes; unshare(CLONE_FS) ends
 * that for one thread, as its own umask from then on.
 */
#include "../compat.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#define ROUNDS 200

static mode_t created(void)
{
    struct stat st;
    static int count;
    char name[32];
    snprintf(name, sizeof(name), "n%d-%d", (int)getpid(), count++);
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0777);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    close(fd);
    unlink(name);
    return st.st_mode & 0777;
}

static mode_t shown(void)
{
    char text[8192], *at;
    int fd = open("/proc/thread-self/status", O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    CHECK(n > 0);
    text[n] = 0;
    at = strstr(text, "\nUmask:");
    CHECK(at != NULL);
    return (mode_t)strtoul(at + 7, NULL, 8);
}

/* The mask is 0 before and afterwards. */
static void often(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(umask(i % 0777), i == 0 ? 0 : (i - 1) % 0777);
        if (i % 16 == 0) {
            CHECK_EQ(created(), 0777 & ~(i % 0777));
            CHECK_EQ(shown(), i % 0777);
        }
    }
    CHECK_EQ(umask(0xfffff000), (ROUNDS - 1) % 0777);
    CHECK_EQ(umask(0), 0);
}

static void *sharer(void *arg)
{
    compat_wait_turn(1);
    CHECK_EQ(umask(022), 077);
    CHECK_EQ(created(), 0755);
    g_compat_turn = 2;
    compat_wait_turn(3);
    CHECK_EQ(created(), 0700);
    CHECK_EQ(unshare(CLONE_FS), 0);
    CHECK_EQ(umask(011), 077);
    g_compat_turn = 4;
    compat_wait_turn(5);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(umask(011), 011);
    }
    CHECK_EQ(created(), 0766);
    CHECK_EQ(shown(), 011);
    return arg;
}

static void threads(void)
{
    pthread_t t;
    CHECK_EQ(umask(077), 0);
    CHECK_EQ(pthread_create(&t, NULL, sharer, NULL), 0);
    g_compat_turn = 1;
    compat_wait_turn(2);
    CHECK_EQ(created(), 0755);
    CHECK_EQ(umask(077), 022);
    g_compat_turn = 3;
    compat_wait_turn(4);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(umask(033), i ? 033 : 077);
    }
    g_compat_turn = 5;
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(created(), 0744);
    CHECK_EQ(umask(0), 033);
}

/* A racing umask and create: always one of the two masks, and never lost. */
static void *flipper(void *arg)
{
    while (!g_compat_turn) {
        umask(022);
        umask(077);
    }
    return arg;
}
static void race(void)
{
    pthread_t t;
    g_compat_turn = 0;
    umask(077);
    CHECK_EQ(pthread_create(&t, NULL, flipper, NULL), 0);
    for (int i = 0; i < 300; i++) {
        mode_t mode = created();
        CHECK(mode == 0755 || mode == 0700);
    }
    g_compat_turn = 1;
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(umask(0), 077);
}

static int child_of_fork(void)
{
    if (umask(071) != 035 || created() != 0706) {
        return 1;
    }
    for (int i = 0; i < 20; i++) {
        umask(0);
    }
    execl("/proc/self/exe", "umask", "0", (char *)NULL);
    return 2;
}

static void processes(void)
{
    CHECK_EQ(umask(035), 0);
    CHECK_EQ(compat_child(child_of_fork), 0);
    CHECK_EQ(umask(035), 035);
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        for (int i = 0; i < 20; i++) {
            umask(0111);
        }
        execl("/proc/self/exe", "umask", "111", (char *)NULL);
        _exit(3);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(umask(035), 035);
    /* one mask for two processes */
    pid = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        for (int i = 0; i < 20; i++) {
            umask(0123);
        }
        _exit(umask(0124) == 0123 ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(umask(0), 0124);
    often();
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        mode_t want = (mode_t)strtoul(argv[1], NULL, 8);
        return umask(want) == want && umask(want) == want ? 0 : 1;
    }
    compat_tmpdir();
    umask(0);
    often();
    threads();
    race();
    processes();
    return 0;
}
