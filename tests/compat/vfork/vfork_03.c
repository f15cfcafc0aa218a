/*
 * Children that share their parent's memory, with vfork's ways and without, and are killed at any moment while they move the break, map and
 * protect code, and make system calls in it often; the parent has another thread that does the same. Claims: the parent goes on,
 * memory is where the break says, and calls do what they did. vfork(2), clone(2), brk(2).
 */
#include "../compat.h"
#include "tests/call_sites.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 150
#define PLACES 4
#define ROOM   0x100000L

static char g_stack[65536] __attribute__((aligned(16)));
static unsigned char *g_room;
static volatile pid_t *g_child; /* shared with the process that kills */
static volatile int g_over;

static void use_code(unsigned char *p, unsigned round, pid_t pid)
{
    static const unsigned short at[] = {256, 517, 1024, 2047, 4093};
    CHECK(mmap(p, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          p);
    memset(p, 0xc3, 8192);
    for (int i = 0; i < 5; i++) {
        const int is_mov = i != 2 && i != 3;
        memcpy(p + at[i], is_mov ? mov_form : cmp_form,
               is_mov ? sizeof(mov_form) : sizeof(cmp_form));
    }
    CHECK(mprotect(p, 8192, PROT_READ | PROT_EXEC) == 0);
    for (int i = 0; i < 12 * 5; i++) {
        CHECK_EQ(call_with(p + at[i % 5], SYS_getpid, 0, 0, 0), pid);
    }
    if (round % 3 == 0) {
        CHECK(madvise(p, 8192, MADV_DONTNEED) == 0);
    } else if (round % 3 == 1) {
        CHECK(mprotect(p, 8192, PROT_READ | PROT_WRITE) == 0);
        CHECK(memcmp(p + 517, mov_form, sizeof(mov_form)) == 0);
        CHECK(memcmp(p + 2047, cmp_form, sizeof(cmp_form)) == 0);
    }
}

/* Up, by a page that can be used, and down again. */
static void move_break(void)
{
    char *end = (char *)syscall(SYS_brk, 0);
    CHECK((char *)syscall(SYS_brk, end + 65536) == end + 65536);
    end[100] = end[65535] = 1;
    CHECK((char *)syscall(SYS_brk, end) == end);
}

static int child(void *arg)
{
    pid_t pid = (pid_t)syscall(SYS_getpid);
    (void)arg;
    *g_child = pid;
    for (unsigned i = 0; i < UINT_MAX; i++) {
        use_code(g_room + (i % PLACES) * 16384, i, pid);
        move_break();
    }
    return 0;
}

static void *other_thread(void *arg)
{
    for (unsigned i = 0; !g_over; i++) {
        use_code(g_room + ROOM / 2 + (i % PLACES) * 16384, i, getpid());
    }
    return arg;
}

static void spin(unsigned us)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000 < us);
}

static void kill_children(void)
{
    for (unsigned i = 0, x = 1; i < ROUNDS; i++) {
        while (!*g_child) {
            sched_yield();
        }
        x = x * 1103515245 + 12345;
        spin((x >> 16) % (i % 4 ? 300 : 3000));
        pid_t pid = *g_child;
        *g_child = 0;
        CHECK(kill(pid, SIGKILL) == 0);
    }
}

static void outlive_children(int flags)
{
    pid_t killer = fork();
    if (killer == 0) {
        kill_children();
        _exit(0);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        int status;
        pid_t pid = clone(child, g_stack + sizeof(g_stack), flags | SIGCHLD, NULL);
        CHECK(pid > 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, SIGKILL);
        move_break();
        use_code(g_room + ROOM / 4, i, getpid());
        if (i % 8 == 0) {
            pid = fork();
            if (pid == 0) {
                move_break();
                _exit(0);
            }
            CHECK_EQ(waitpid(pid, &status, 0), pid);
            CHECK_EQ(status, 0);
        }
    }
    int status;
    CHECK_EQ(waitpid(killer, &status, 0), killer);
    CHECK_EQ(status, 0);
}

int main(void)
{
    pthread_t thread;
    g_child = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(g_room != MAP_FAILED);
    outlive_children(CLONE_VM);
    outlive_children(CLONE_VM | CLONE_VFORK);
    CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
    outlive_children(CLONE_VM);
    outlive_children(CLONE_VM | CLONE_VFORK);
    g_over = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
