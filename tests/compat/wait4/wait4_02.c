/*
 * Job control:
 * 1. WUNTRACED reports a stop once, with its signal; WCONTINUED the continue once, status 0xffff.
 * 2. Without them wait does not return for a stop.
 * 3. SIGKILL ends a stopped process.
 * 4. The parent gets SIGCHLD with CLD_STOPPED and CLD_CONTINUED, but not with SA_NOCLDSTOP.
 * 5. A stop stops all threads of the process.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static volatile sig_atomic_t chld_count, last_code;
static volatile long *counter;

static void on_chld(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    (void)uc;
    chld_count++;
    last_code = si->si_code;
}

static void *count(void *arg)
{
    for (;;) {
        ++*counter;
    }
    return arg;
}

/* wait may see the change a moment before the signal comes. */
static void wait_code(int code)
{
    for (int i = 0; i < 2000 && last_code != code; i++) {
        usleep(1000);
    }
    CHECK_EQ(last_code, code);
}

int main(void)
{
    int status;
    struct sigaction sa = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_EQ(sigaction(SIGCHLD, &sa, NULL), 0);
    counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counter != MAP_FAILED);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0); /* not orphaned, whatever group the test itself is in: SIGTSTP stops it */
        pthread_t p;
        pthread_create(&p, NULL, count, NULL);
        for (;;) {
            pause();
        }
    }
    while (*counter == 0) {
        usleep(1000);
    }
    CHECK_EQ(kill(pid, SIGSTOP), 0);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    wait_code(CLD_STOPPED);
    long before = *counter;
    usleep(20000);
    CHECK_EQ(*counter, before);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    CHECK_EQ(status, 0xffff);
    wait_code(CLD_CONTINUED);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);

    sa.sa_flags |= SA_NOCLDSTOP;
    CHECK_EQ(sigaction(SIGCHLD, &sa, NULL), 0);
    int seen = chld_count;
    CHECK_EQ(kill(pid, SIGTSTP), 0);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_EQ(WSTOPSIG(status), SIGTSTP);
    CHECK_EQ(chld_count, seen);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WTERMSIG(status), SIGKILL);
    return 0;
}
