/*
 * A process whose leader has ended is still there for who looks into its memory by another thread, or has opened it before, also when that
 * thread has never made a system call.
 */
#include "tests/compat/ptrace/tracer.h"

#include <pthread.h>
#include <sys/mman.h>

static volatile long *g_shared; /* "it runs"; "go on" */
static volatile long g_word = 0x1234;

static void *spins(void *arg)
{
    g_shared[0] = 1;
    while (!g_shared[1]) {
    }
    _exit(g_word == 0x4321 ? 3 : 4);
    return arg;
}

static void makes_thread(void)
{
    pthread_attr_t a;
    pthread_t t;
    CHECK_EQ(pthread_attr_init(&a), 0);
    CHECK_EQ(pthread_create(&t, &a, spins, NULL), 0);
    while (!g_shared[0]) {
    }
    syscall(SYS_exit, 0);
}

static int open_mem(const char *format, int pid, int tid)
{
    char path[64];
    snprintf(path, sizeof(path), format, pid, tid);
    return open(path, O_RDWR);
}
static char state_of(pid_t pid)
{
    char path[64], state = 0, line[128];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f)) {
        sscanf(line, "State: %c", &state);
    }
    if (f) {
        fclose(f);
    }
    return state;
}
int main(void)
{
    int status;
    g_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_shared != MAP_FAILED);
    int hold[2];
    CHECK_EQ(pipe(hold), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char c;
        CHECK_EQ(read(hold[0], &c, 1), 1);
        makes_thread();
    }
    int before = open_mem("/proc/%d/mem", pid, 0);
    CHECK(before >= 0);
    CHECK_EQ(write(hold[1], "x", 1), 1);
    for (int i = 0; i < 1000 && state_of(pid) != 'Z'; i++) {
        usleep(1000);
    }
    CHECK_EQ(state_of(pid), 'Z');
    long word = 0;
    CHECK_EQ(pread(before, &word, sizeof(word), (off_t)(uintptr_t)&g_word), (long)sizeof(word));
    CHECK_EQ(word, 0x1234);
    word = 0x4321;
    CHECK_EQ(pwrite(before, &word, sizeof(word), (off_t)(uintptr_t)&g_word), (long)sizeof(word));
    g_shared[1] = 1;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 3 << 8);
    return 0;
}
