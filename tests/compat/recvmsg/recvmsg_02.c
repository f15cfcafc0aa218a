/*
 * recv(2) of streams: how much one call takes, and how long it waits.
 * Claims: MSG_WAITALL waits for all, and gives what there is at the end or after a signal; SO_RCVLOWAT makes a
 * blocking call wait for that much; SO_RCVTIMEO ends a wait with EAGAIN, and gives what came before; SO_SNDTIMEO the same for a full
 * socket, with a short count; a handler interrupts with EINTR, or restarts without a timeout; MSG_PEEK takes nothing; MSG_PEEK sees
 * several writes at once; a thread that is blocked sees the other end close.
 */
#include "../compat.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static int g_s[2];

static void on_alarm(int sig)
{
    (void)sig;
}

static void alarm_in(int ms, int flags)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
    struct itimerval it = {.it_value = {0, ms * 1000}};

    CHECK(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static void *slow_writer(void *arg)
{
    const char *text = arg;

    for (size_t i = 0; text[i]; i++) {
        usleep(10000);
        CHECK(write(g_s[0], text + i, 1) == 1);
    }
    return NULL;
}

static void *slow_closer(void *arg)
{
    usleep(20000);
    CHECK(shutdown(g_s[0], SHUT_WR) == 0);
    return arg;
}

static void timeout(int fd, int option, int ms)
{
    struct timeval tv = {.tv_usec = ms * 1000};

    CHECK(setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)) == 0);
}

static void wait_all(void)
{
    char buf[16];
    pthread_t th;
    int low = 3;

    CHECK(pthread_create(&th, NULL, slow_writer, "abcdef") == 0);
    CHECK_EQ(recv(g_s[1], buf, 4, MSG_WAITALL), 4);
    CHECK(memcmp(buf, "abcd", 4) == 0);
    CHECK(pthread_join(th, NULL) == 0);
    CHECK_EQ(recv(g_s[1], buf, 4, MSG_WAITALL | MSG_DONTWAIT), 2);
    CHECK(write(g_s[0], "xy", 2) == 2);
    alarm_in(20, 0);
    CHECK_EQ(recv(g_s[1], buf, 4, MSG_WAITALL), 2);
    CHECK(setsockopt(g_s[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0);
    CHECK(pthread_create(&th, NULL, slow_writer, "abc") == 0);
    CHECK_EQ(read(g_s[1], buf, 16), 3);
    CHECK(pthread_join(th, NULL) == 0);
    low = 1;
    CHECK(setsockopt(g_s[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0);
}

static void times(void)
{
    static char big[1 << 20];
    struct timespec before, after;
    char buf[16];

    timeout(g_s[1], SO_RCVTIMEO, 30);
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_ERRNO(read(g_s[1], buf, 1), EAGAIN);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >=
          29000000L);
    CHECK(write(g_s[0], "xy", 2) == 2);
    CHECK_EQ(recv(g_s[1], buf, 4, MSG_WAITALL), 2);
    timeout(g_s[1], SO_RCVTIMEO, 900);
    alarm_in(20, SA_RESTART);
    CHECK_ERRNO(read(g_s[1], buf, 1), EINTR);
    timeout(g_s[1], SO_RCVTIMEO, 0);
    alarm_in(20, 0);
    CHECK_ERRNO(read(g_s[1], buf, 1), EINTR);
    timeout(g_s[0], SO_SNDTIMEO, 30);
    ssize_t n = write(g_s[0], big, sizeof(big));
    CHECK(n > 100000 && n < (ssize_t)sizeof(big));
    CHECK_ERRNO(write(g_s[0], big, 1), EAGAIN);
    CHECK_EQ(recv(g_s[1], big, sizeof(big), MSG_PEEK), n);
    CHECK_EQ(recv(g_s[1], big, sizeof(big), 0), n);
}

static void restarted(void)
{
    char buf[4];
    pthread_t th;

    alarm_in(10, SA_RESTART);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0); /* the thread must not take the signal */
    CHECK(pthread_create(&th, NULL, slow_writer, "  ") == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK_EQ(recv(g_s[1], buf, 2, MSG_WAITALL), 2);
    CHECK(pthread_join(th, NULL) == 0);
    CHECK(pthread_create(&th, NULL, slow_closer, NULL) == 0);
    CHECK_EQ(read(g_s[1], buf, 2), 0);
    CHECK(pthread_join(th, NULL) == 0);
}

int main(void)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, g_s) == 0);
    wait_all();
    times();
    restarted();
    return 0;
}
