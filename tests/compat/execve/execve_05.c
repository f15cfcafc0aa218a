/*
 * execve(2) by a thread that is not the first: the process keeps its pid, the new program's only
 * thread has it as tid, and the other threads are gone. And by a vfork child: the parent goes on with its memory.
 */
#include "../compat.h"

#include <dirent.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/syscall.h>

static char self[PATH_MAX], pid_text[16];
static pthread_barrier_t barrier;
extern char **environ;

static void *sleeper(void *arg)
{
    pthread_barrier_wait(&barrier);
    for (;;) {
        pause();
    }
    return arg;
}

static void *spinner(void *arg)
{
    pthread_barrier_wait(&barrier);
    for (volatile unsigned long i = 0;; i++) {
    }
    return arg;
}

static void *executor(void *arg)
{
    pthread_barrier_wait(&barrier);
    execl(self, "argv0", "after", pid_text, NULL);
    _exit(3);
    return arg;
}

static int after(char **argv)
{
    int threads = 0;
    CHECK_EQ(getpid(), atoi(argv[2]));
    CHECK_EQ(syscall(SYS_gettid), getpid());
    DIR *d = opendir("/proc/self/task");
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d));) {
        threads += e->d_name[0] != '.';
    }
    CHECK_EQ(threads, 1);
    return 7;
}

static void threaded(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        pthread_t t;
        snprintf(pid_text, sizeof(pid_text), "%d", getpid());
        pthread_barrier_init(&barrier, NULL, 4);
        CHECK_EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
        CHECK_EQ(pthread_create(&t, NULL, spinner, NULL), 0);
        CHECK_EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
        CHECK_EQ(pthread_create(&t, NULL, executor, NULL), 0);
        for (;;) {
            pause();
        }
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void vforked(void)
{
    volatile int shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 42;
        execl("/missing", "x", NULL);
        shared += errno == ENOENT;
        execl(self, "argv0", "exit", "9", NULL);
        _exit(1);
    }
    CHECK(pid > 0);
    CHECK_EQ(shared, 43);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    char *argv[] = {"argv0", "exit", "11", NULL};
    CHECK_EQ(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 11);
    CHECK_EQ(posix_spawn(&pid, "/missing", NULL, NULL, argv, environ), ENOENT);
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        return strcmp(argv[1], "exit") == 0 ? atoi(argv[2]) : after(argv);
    }
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    for (int i = 0; i < 5; i++) {
        threaded();
        vforked();
    }
    return 0;
}
