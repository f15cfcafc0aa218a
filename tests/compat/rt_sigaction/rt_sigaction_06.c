/*
 * An action that was changed after many others holds for everybody who acts on it:
 * 1. A signal from another process, from a timer, and a child's death find the action that was set last.
 * 2. /proc/self/status shows what is ignored and caught.
 * 3. SIGCHLD ignored, or with SA_NOCLDWAIT: children leave no zombie; set back: they do.
 * 4. What was pending is dropped by the call that ignores it, and is not there when a handler is set again.
 * 5. A second thread has the actions, and changes them for both; a fork's and a vfork's child have their own.
 * 6. While another process sends without end: a handler does not run after it was replaced, nor while the signal is ignored.
 * 7. After exec: handlers are gone, ignored signals stay so.
 * 8. SA_RESETHAND and a fault with the signal ignored take effect, and later changes do, too.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile sig_atomic_t g_a, g_b;
static void *volatile g_nowhere = (void *)8;

static void run_a(int sig)
{
    (void)sig;
    g_a++;
}
static void run_b(int sig)
{
    (void)sig;
    g_b++;
}

static void set(int sig, void (*f)(int), int flags)
{
    struct sigaction a = {.sa_handler = f, .sa_flags = flags};
    CHECK(sigaction(sig, &a, NULL) == 0);
}
static void (*now(int sig))(int)
{
    struct sigaction a;
    CHECK(sigaction(sig, NULL, &a) == 0);
    return a.sa_handler;
}
/* So many changes that who keeps count of them does. The last one sets a. */
static void change_often(int sig)
{
    for (int i = 0; i < 21; i++) {
        set(sig, i % 2 ? run_b : run_a, 0);
    }
}
static int wait_for(pid_t pid)
{
    int status, r;
    do {
        r = waitpid(pid, &status, 0);
    } while (r == -1 && errno == EINTR);
    CHECK(r == pid);
    return status;
}
static void sent_by_child(int sig)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(kill(getppid(), sig) != 0);
    }
    CHECK(wait_for(pid) == 0);
}

static void others_send(void)
{
    change_often(SIGUSR1);
    g_a = g_b = 0;
    sent_by_child(SIGUSR1);
    CHECK(g_a == 1 && g_b == 0);
    set(SIGUSR1, run_b, 0);
    sent_by_child(SIGUSR1);
    CHECK(g_a == 1 && g_b == 1);
    set(SIGUSR1, SIG_IGN, 0);
    sent_by_child(SIGUSR1);
    CHECK(g_a == 1 && g_b == 1);

    set(SIGALRM, run_a, 0);
    set(SIGALRM, run_b, 0);
    const struct itimerval soon = {.it_value = {.tv_usec = 2000}};
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    while (g_b == 1) {
        usleep(100);
    }
    CHECK(g_a == 1 && g_b == 2);

    set(SIGCHLD, run_a, 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    wait_for(pid);
    while (g_a == 1) {
        usleep(100); /* who waits may be quicker than the signal */
    }
    CHECK(g_a == 2);
    set(SIGCHLD, SIG_DFL, 0);
}

static unsigned long of_status(const char *field)
{
    char line[256];
    unsigned long set_of = 0;
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f);
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            set_of = strtoul(line + strlen(field), NULL, 16);
        }
    }
    fclose(f);
    return set_of;
}

static void status(void)
{
    const unsigned long usr1 = 1UL << (SIGUSR1 - 1), usr2 = 1UL << (SIGUSR2 - 1);
    change_often(SIGUSR1);
    set(SIGUSR1, SIG_IGN, 0);
    set(SIGUSR2, run_a, 0);
    CHECK((of_status("SigIgn:") & (usr1 | usr2)) == usr1);
    CHECK((of_status("SigCgt:") & (usr1 | usr2)) == usr2);
    set(SIGUSR1, run_b, 0);
    set(SIGUSR2, SIG_DFL, 0);
    CHECK((of_status("SigIgn:") & (usr1 | usr2)) == 0);
    CHECK((of_status("SigCgt:") & (usr1 | usr2)) == usr1);
}

static int leaves_zombie(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(3);
    }
    int r;
    do {
        r = waitpid(pid, NULL, 0);
    } while (r == -1 && errno == EINTR);
    CHECK(r == pid || (r == -1 && errno == ECHILD));
    return r == pid;
}

static void zombies(void)
{
    change_often(SIGCHLD);
    for (int i = 0; i < 3; i++) {
        set(SIGCHLD, SIG_IGN, 0);
        CHECK(!leaves_zombie());
        set(SIGCHLD, SIG_DFL, 0);
        CHECK(leaves_zombie());
        set(SIGCHLD, run_a, SA_NOCLDWAIT);
        CHECK(!leaves_zombie());
        set(SIGCHLD, run_a, 0);
        CHECK(leaves_zombie());
    }
    set(SIGCHLD, SIG_DFL, 0);
}

static void pending(void)
{
    sigset_t usr1, waiting;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    change_often(SIGUSR1);
    for (int i = 0; i < 4; i++) {
        g_a = 0;
        CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0);
        if (i % 2) {
            raise(SIGUSR1);
        } else {
            sent_by_child(SIGUSR1);
        }
        CHECK(sigpending(&waiting) == 0 && sigismember(&waiting, SIGUSR1));
        set(SIGUSR1, SIG_IGN, 0);
        CHECK(sigpending(&waiting) == 0 && !sigismember(&waiting, SIGUSR1));
        set(SIGUSR1, run_a, 0);
        CHECK(sigprocmask(SIG_UNBLOCK, &usr1, NULL) == 0);
        CHECK(g_a == 0);
    }
}

static void *in_thread(void *arg)
{
    (void)arg;
    CHECK(now(SIGUSR1) == run_b && now(SIGUSR2) == SIG_IGN);
    set(SIGUSR2, run_a, 0);
    set(SIGUSR1, run_a, 0);
    return NULL;
}

static void threads_and_children(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        change_often(SIGUSR1);
        set(SIGUSR1, run_b, 0);
        set(SIGUSR2, SIG_IGN, 0);
        CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(now(SIGUSR1) == run_a && now(SIGUSR2) == run_a);
    }
    set(SIGUSR1, run_b, SA_RESTART);
    for (int i = 0; i < 12; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(now(SIGUSR1) == run_b && now(SIGUSR2) == run_a);
            set(SIGUSR1, SIG_DFL, 0);
            set(SIGUSR2, SIG_IGN, 0);
            CHECK(now(SIGUSR1) == SIG_DFL);
            raise(SIGUSR2);
            raise(SIGUSR1);
            _exit(1);
        }
        int how = wait_for(pid);
        CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGUSR1);
        CHECK(now(SIGUSR1) == run_b && now(SIGUSR2) == run_a);
    }
    pid_t pid = vfork();
    if (pid == 0) {
        signal(SIGUSR1, SIG_DFL);
        signal(SIGUSR2, SIG_IGN);
        _exit(0);
    }
    CHECK(wait_for(pid) == 0);
    CHECK(now(SIGUSR1) == run_b && now(SIGUSR2) == run_a);
}

static void under_fire(void)
{
    change_often(SIGUSR1);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            kill(getppid(), SIGUSR1);
            for (volatile int i = 0; i < 300; i++) {
            }
        }
    }
    for (int i = 0; i < 4000; i++) {
        set(SIGUSR1, run_b, 0);
        sig_atomic_t seen = g_a;
        for (volatile int k = 0; k < 200; k++) {
        }
        CHECK(g_a == seen);
        set(SIGUSR1, SIG_IGN, 0);
        seen = g_b;
        for (volatile int k = 0; k < 200; k++) {
        }
        CHECK(g_b == seen);
        set(SIGUSR1, run_a, 0);
    }
    CHECK(kill(pid, SIGKILL) == 0);
    wait_for(pid);
}

static void over_exec(char *self)
{
    change_often(SIGUSR1);
    set(SIGUSR2, run_a, 0);
    set(SIGUSR2, SIG_IGN, SA_RESTART);
    pid_t pid = fork();
    if (pid == 0) {
        set(SIGUSR2, SIG_DFL, 0);
        set(SIGUSR2, SIG_IGN, 0);
        execl(self, self, "after-exec", NULL);
        _exit(99);
    }
    CHECK(wait_for(pid) == 0);
}

static int after_exec(void)
{
    struct sigaction a;
    CHECK(now(SIGUSR1) == SIG_DFL);
    CHECK(sigaction(SIGUSR2, NULL, &a) == 0);
    CHECK(a.sa_handler == SIG_IGN && !(a.sa_flags & SA_RESTART));
    return 0;
}

static void taken_away(void)
{
    change_often(SIGUSR1);
    g_a = 0;
    for (int i = 0; i < 3; i++) {
        set(SIGUSR1, run_a, SA_RESETHAND);
        sent_by_child(SIGUSR1);
        CHECK(g_a == i + 1 && now(SIGUSR1) == SIG_DFL);
    }
    pid_t pid = fork();
    if (pid == 0) {
        set(SIGSEGV, run_a, 0);
        set(SIGSEGV, SIG_IGN, 0);
        *(volatile int *)g_nowhere = 1;
        _exit(1);
    }
    int how = wait_for(pid);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGSEGV);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return after_exec();
    }
    others_send();
    status();
    zombies();
    pending();
    threads_and_children();
    under_fire();
    over_exec(argv[0]);
    taken_away();
    return 0;
}
