/*
 * mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2): signals don't break them off, not even many of them.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#define SIZE   65536UL
#define ROUNDS 3000

static pthread_t g_main;
static volatile int g_over, g_signals;

static void count(int sig)
{
    (void)sig;
    g_signals++;
}

static void *disturb(void *arg)
{
    while (!g_over) {
        pthread_kill(g_main, SIGURG);
    }
    return arg;
}

static void with_file(int fd, int flags)
{
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK(mmap(p, SIZE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == p);
    CHECK(p[5] == 5);
    CHECK_EQ(mprotect(p, SIZE, PROT_READ), 0);
    CHECK_EQ(madvise(p, SIZE, MADV_RANDOM), 0);
    p = mremap(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
    CHECK(p != MAP_FAILED);
    CHECK(p[5] == 5);
    CHECK_EQ(munmap(p, 2 * SIZE), 0);
}

int main(void)
{
    compat_tmpdir();
    struct sigaction action = {.sa_handler = count}; /* without SA_RESTART */
    CHECK_EQ(sigaction(SIGURG, &action, NULL), 0);
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    char five[8] = {[5] = 5};
    CHECK_EQ(write(fd, five, sizeof(five)), sizeof(five));
    CHECK_EQ(ftruncate(fd, SIZE), 0);
    g_main = pthread_self();
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, disturb, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        with_file(fd, i & 1 ? MAP_SHARED : MAP_PRIVATE);
    }
    g_over = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(g_signals > 0);
    return 0;
}
