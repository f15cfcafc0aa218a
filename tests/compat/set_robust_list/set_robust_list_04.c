/*
 * set_robust_list(2): exec gives up what its program held: the next locker gets EOWNERDEAD, and who waits already is woken.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static pthread_mutex_t *g_mutex;

static void make(void)
{
    pthread_mutexattr_t a;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_mutex_init(g_mutex, &a), 0);
}

static pid_t holder(const char *program, int fd)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(pthread_mutex_lock(g_mutex), 0);
        CHECK_EQ(write(fd, "x", 1), 1);
        execl(program, program, "stay", NULL);
        _exit(1);
    }
    return pid;
}

int main(int argc, char **argv)
{
    int p[2], status;
    char c;
    if (argc > 1) {
        pause();
        return 0;
    }
    CHECK_EQ(pipe(p), 0);
    g_mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_mutex != MAP_FAILED);
    make();

    pid_t pid = holder("/proc/self/exe", p[1]);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(pthread_mutex_lock(g_mutex), EOWNERDEAD);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0); /* it lives on */
    CHECK_EQ(pthread_mutex_consistent(g_mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(g_mutex), 0);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);

    /* An exec that fails changes nothing. */
    pid = holder("/nothing", p[1]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 1);
    CHECK_EQ(pthread_mutex_lock(g_mutex), EOWNERDEAD);
    (void)argv;
    return 0;
}
