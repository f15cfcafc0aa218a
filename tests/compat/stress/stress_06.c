/*
 * stat(2) and its like while somebody else changes what they are about: an answer is never older than the call. One process makes
 * and removes a file, changes its size, and moves its directory, and says before and after each step what it
 * does; threads of two others ask, and whenever no step was under way they must have seen the last one.
 */
#include "../compat.h"

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#define SECONDS 1.5
#define ASKERS  2 /* threads in each of two processes */

struct shared {
    volatile long begun, done; /* steps */
    volatile long checked, seen_absent;
    volatile int stop, failed;
};
static struct shared *g;
static int g_cwd;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* After step k: is there "d/f", and how big is it? */
static int exists(long k)
{
    return k % 5 != 0 && k % 5 != 4;
}

static int step(long k)
{
    int fd;
    switch (k % 5) {
    case 0: /* back, and empty */
        return k ? rename("e", "d") | unlink("d/f") : 0;
    case 1:
        fd = open("d/new", O_CREAT | O_RDWR, 0644);
        return fd < 0 || ftruncate(fd, k) | close(fd) | rename("d/new", "d/f");
    case 2:
        return truncate("d/f", k);
    case 3:
        fd = open("d/f", O_WRONLY | O_APPEND);
        return fd < 0 || write(fd, "x", 1) != 1 || close(fd);
    default:
        return rename("d", "e");
    }
}

static void *changer(void *arg)
{
    for (double end = now() + SECONDS; now() < end && !g->failed;) {
        long k = g->begun + 1;
        __atomic_store_n(&g->begun, k, __ATOMIC_SEQ_CST);
        if (step(k)) {
            perror("step");
            g->failed = 1;
        }
        __atomic_store_n(&g->done, k, __ATOMIC_SEQ_CST);
        if (k % 3 != 0) {
            usleep(300); /* so that there is something to be seen */
        }
    }
    g->stop = 1;
    return arg;
}

static void *asker(void *arg)
{
    for (unsigned i = (unsigned)(intptr_t)arg; !g->stop; i++) {
        struct stat st = {0};
        struct statx x;
        long size = -1, before = __atomic_load_n(&g->done, __ATOMIC_SEQ_CST);
        int r;
        switch (i % 4) {
        case 0:
            r = stat("d/f", &st);
            break;
        case 1:
            r = fstatat(g_cwd, "d/f", &st, AT_SYMLINK_NOFOLLOW);
            break;
        case 2:
            r = statx(AT_FDCWD, "./d/f", 0, STATX_BASIC_STATS, &x);
            st.st_size = r == 0 ? (off_t)x.stx_size : 0;
            break;
        default:
            r = access("d/f", F_OK);
            st.st_size = r == 0 ? -1 : 0;
        }
        size = r == 0 ? (long)st.st_size : 0;
        long after = __atomic_load_n(&g->begun, __ATOMIC_SEQ_CST);
        if (before != after) {
            continue; /* a step was under way */
        }
        g->checked++;
        g->seen_absent += r != 0;
        if ((r == 0) != exists(after) || (size > 0 && size != after)) {
            fprintf(stderr, "after step %ld call %u said %d, size %ld\n", after, i % 4, r, size);
            g->failed = g->stop = 1;
        }
    }
    return NULL;
}

int main(void)
{
    compat_tmpdir();
    g = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g != MAP_FAILED);
    CHECK_EQ(mkdir("d", 0755), 0);
    g_cwd = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(g_cwd >= 0);
    for (int round = 0; round < 2 && !g->failed; round++) { /* changed by a process; by a thread */
        pthread_t t[ASKERS], change;
        pid_t pids[2];
        g->stop = 0;
        for (int p = 0; p < 2; p++) {
            pids[p] = fork();
            CHECK(pids[p] >= 0);
            if (pids[p] == 0) {
                if (p == 0 && round == 0) {
                    changer(NULL);
                    _exit(0);
                }
                for (intptr_t i = 0; i < ASKERS; i++) {
                    pthread_create(&t[i], NULL, asker, (void *)i);
                }
                for (int i = 0; i < ASKERS; i++) {
                    pthread_join(t[i], NULL);
                }
                _exit(0);
            }
        }
        if (round == 1) {
            CHECK_EQ(pthread_create(&change, NULL, changer, NULL), 0);
        }
        asker((void *)1);
        if (round == 1) {
            CHECK_EQ(pthread_join(change, NULL), 0);
        }
        for (int p = 0; p < 2; p++) {
            CHECK_EQ(waitpid(pids[p], NULL, 0), pids[p]);
        }
    }
    fprintf(stderr, "%ld steps, %ld answers checked, %ld of them absent\n", g->done, g->checked,
            g->seen_absent);
    CHECK(!g->failed && g->checked > 0);
    return 0;
}
