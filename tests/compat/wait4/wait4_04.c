/*
 * Waiting when there is nobody, again and again, as shells do. Claims: ECHILD comes exactly while there is no child: not when one was
 * just made, by fork, vfork, by another thread, or with CLONE_PARENT by a child; not when a grandchild comes to a subreaper, nor after exec, which
 * keeps children; options that wait4 does not know are EINVAL, also then. wait4(2), PR_SET_CHILD_SUBREAPER.
 */
#include "tests/compat/compat.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ROUNDS 12 /* after a few, a kernel may have told the process that there is nobody */

static void nobody(void)
{
    int status = 7;
    CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);
    CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
    CHECK_ERRNO(waitpid(-1, NULL, WUNTRACED | WCONTINUED), ECHILD);
    CHECK_ERRNO(waitpid(1, NULL, 0), ECHILD);
    CHECK_ERRNO(waitpid(0, NULL, 0), ECHILD);
    CHECK_ERRNO(syscall(SYS_wait4, -1, NULL, 0x100, NULL), EINVAL);
    CHECK_EQ(status, 7);
}

static void is_child(pid_t pid)
{
    int status;
    CHECK(pid > 0);
    CHECK_EQ(waitpid(-1, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static pid_t make(int delay_us)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep((useconds_t)delay_us);
        _exit(0);
    }
    return pid;
}

static void *make_one(void *arg)
{
    *(pid_t *)arg = make(1000);
    return NULL;
}

static void *nothing(void *arg)
{
    return arg;
}

static void by_a_thread(void)
{
    pthread_t thread;
    pid_t pid;
    CHECK_EQ(pthread_create(&thread, NULL, make_one, &pid), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    is_child(pid);
    nobody();
    CHECK_EQ(pthread_create(&thread, NULL, nothing, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    nobody();
}

/* The child makes a brother, whose number comes by a pipe. */
static void by_a_brother(void)
{
    int fds[2], brother, status, seen = 0;
    CHECK_EQ(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        long made = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (made == 0) {
            usleep(2000);
            _exit(0);
        }
        brother = (int)made;
        CHECK_EQ(write(fds[1], &brother, sizeof(brother)), (long)sizeof(brother));
        _exit(0);
    }
    CHECK_EQ(read(fds[0], &brother, sizeof(brother)), (long)sizeof(brother));
    for (int i = 0; i < 2; i++) {
        pid_t one = waitpid(-1, &status, 0);
        CHECK(one == pid || one == brother);
        seen += one == pid ? 1 : 2;
    }
    CHECK_EQ(seen, 3);
    close(fds[0]);
    close(fds[1]);
    nobody();
}

static void by_reaping(void)
{
    int fds[2], grandchild;
    CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    CHECK_EQ(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        grandchild = make(3000);
        CHECK_EQ(write(fds[1], &grandchild, sizeof(grandchild)), (long)sizeof(grandchild));
        _exit(0);
    }
    CHECK_EQ(read(fds[0], &grandchild, sizeof(grandchild)), (long)sizeof(grandchild));
    is_child(pid);
    is_child(grandchild);
    nobody();
    close(fds[0]);
    close(fds[1]);
}

static volatile sig_atomic_t g_came;
static void reap(int sig)
{
    (void)sig;
    int error = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        g_came++;
    }
    errno = error;
}

int main(int argc, char **argv)
{
    if (argc > 2) { /* after exec: the child is still there */
        is_child(atoi(argv[2]));
        nobody();
        return 0;
    }
    for (int i = 0; i < ROUNDS; i++) {
        nobody();
        is_child(make(i % 3 ? 0 : 500));
        nobody();
        pid_t pid = vfork();
        if (pid == 0) {
            _exit(0);
        }
        is_child(pid);
        nobody();
        by_a_brother();
        by_reaping();
    }
    for (int i = 0; i < ROUNDS; i++) {
        by_a_thread();
    }
    signal(SIGCHLD, reap);
    for (int i = 1; i <= ROUNDS; i++) {
        sigset_t set, old;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        CHECK_EQ(sigprocmask(SIG_BLOCK, &set, &old), 0);
        CHECK(make(0) > 0);
        while (g_came < i) {
            sigsuspend(&old);
        }
        CHECK_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0);
        nobody();
    }
    signal(SIGCHLD, SIG_DFL);
    char number[16];
    snprintf(number, sizeof(number), "%d", make(3000));
    char *const args[] = {argv[0], "child", number, NULL};
    execv("/proc/self/exe", args);
    return 1;
}
