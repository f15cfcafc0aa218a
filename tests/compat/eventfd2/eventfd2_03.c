/*
 * eventfds that processes use all the time: counts add up and are taken whole, or one by one with EFD_SEMAPHORE; an empty one
 * blocks, or is EAGAIN as soon as O_NONBLOCK is set; large counts are kept exactly; poll and epoll see them; a handler
 * interrupts a read, and SA_RESTART resumes it; forked and threaded readers get each count once; closing and duplicating
 * change nothing for the others.
 */
#include "../compat.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/uio.h>

#define ROUNDS 40

static void put(int fd, uint64_t value)
{
    CHECK_EQ(write(fd, &value, 8), 8);
}
static uint64_t get(int fd)
{
    uint64_t value = ~0UL;
    CHECK_EQ(read(fd, &value, 8), 8);
    return value;
}
static short ready(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static void counts(void)
{
    uint64_t value = 5;
    char small[4];
    int fd = eventfd(3, 0), sem = eventfd(0, EFD_SEMAPHORE), non = eventfd(0, EFD_NONBLOCK);
    CHECK_EQ(get(fd), 3);
    for (uint64_t i = 1; i < ROUNDS; i++) {
        put(fd, i);
        put(fd, 2 * i);
        put(fd, 0);
        CHECK_EQ(ready(fd), POLLIN | POLLOUT);
        CHECK_EQ(get(fd), 3 * i);
        CHECK_EQ(ready(fd), POLLOUT);
        put(sem, 2);
        CHECK_EQ(get(sem), 1);
        CHECK_EQ(ready(sem), POLLIN | POLLOUT);
        CHECK_EQ(get(sem), 1);
        CHECK_EQ(ready(sem), POLLOUT);
        CHECK_ERRNO(read(non, &value, 8), EAGAIN);
        put(non, i << 40);
        CHECK_EQ(get(non), i << 40);
        CHECK_ERRNO(read(non, small, 4), EINVAL);
        CHECK_ERRNO(write(non, small, 4), EINVAL);
        value = ~0UL;
        CHECK_ERRNO(write(non, &value, 8), EINVAL);
        CHECK_ERRNO(write(non, (void *)8, 8), EFAULT);
        CHECK_ERRNO(read(non, (void *)8, 8), EAGAIN);
    }
    for (int i = 0; i < 3; i++) { /* more than fits a lease, and more than fits at all */
        put(non, 0xfffffffffffe);
        put(non, 1);
        CHECK_EQ(get(non), 0xffffffffffff);
        put(non, 0xffffffffffff);
        put(non, 1);
        CHECK_EQ(get(non), 0x1000000000000);
        put(non, ~0UL - 1);
        CHECK_EQ(ready(non), POLLIN);
        value = 1;
        CHECK_ERRNO(write(non, &value, 8), EAGAIN);
        CHECK_EQ(get(non), ~0UL - 1);
        for (int n = 0; n < 10; n++) {
            put(non, 1);
            CHECK_EQ(get(non), 1);
        }
    }
    CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    CHECK_ERRNO(read(fd, &value, 8), EAGAIN);
    put(fd, 9);
    int other = dup(fd);
    CHECK_EQ(get(other), 9);
    for (int i = 0; i < ROUNDS; i++) {
        put(other, 4);
        CHECK_EQ(get(fd), 4);
    }
    close(fd);
    put(other, 6);
    CHECK_EQ(get(other), 6);
    char text[200] = "", path[64];
    put(other, 0x77);
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", other);
    int info = open(path, O_RDONLY);
    CHECK(read(info, text, sizeof(text) - 1) > 0);
    CHECK(strstr(text, "eventfd-count:               77") != NULL);
    struct iovec v[2] = {{&value, 3}, {(char *)&value + 3, 5}};
    CHECK_EQ(readv(other, v, 2), 8);
    CHECK_EQ(value, 0x77);
}

static void watched(void)
{
    int fd = eventfd(0, EFD_NONBLOCK), set = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    for (int i = 0; i < ROUNDS; i++) {
        put(fd, 1);
        CHECK_EQ(get(fd), 1);
    }
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
        put(fd, 1);
        CHECK_EQ(epoll_wait(set, &e, 1, 1000), 1);
        CHECK_EQ(get(fd), 1);
    }
}

/* --- several processes --- */
static int echo(int in, int out)
{
    for (int i = 0; i < 2000; i++) {
        uint64_t value = get(in);
        put(out, value + 1);
    }
    return 0;
}
static void processes(void)
{
    int a = eventfd(0, 0), b = eventfd(0, 0), status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(echo(a, b));
    }
    for (uint64_t i = 1; i <= 2000; i++) {
        put(a, i);
        CHECK_EQ(get(b), i + 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    /* tickets: each is taken by one */
    int sem = eventfd(0, EFD_SEMAPHORE), done = eventfd(0, 0);
    for (int c = 0; c < 3; c++) {
        if (fork() == 0) {
            uint64_t mine = 0;
            for (; mine < 500; mine++) {
                get(sem);
            }
            put(done, mine);
            _exit(0);
        }
    }
    for (int i = 0; i < 300; i++) {
        put(sem, 5);
    }
    for (int c = 0; c < 3; c++) {
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(get(done), 1500);
    CHECK_EQ(ready(sem), POLLOUT);
}

/* One is killed while it waits; the others go on. */
static void killed(void)
{
    int fd = eventfd(0, 0), status;
    for (int i = 0; i < ROUNDS; i++) {
        put(fd, 1);
        get(fd);
    }
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            get(fd);
        }
    }
    for (int i = 0; i < 200; i++) {
        put(fd, 1);
        usleep(10);
    }
    usleep(10000);
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < ROUNDS; i++) {
        put(fd, 2);
        CHECK(get(fd) >= 2);
    }
}

static volatile sig_atomic_t g_alarms;
static void on_alarm(int sig)
{
    (void)sig;
    g_alarms++;
}
static void *late_writer(void *arg)
{
    usleep(60000);
    put(*(int *)arg, 11);
    return arg;
}
static void interrupted(void)
{
    int fd = eventfd(0, 0);
    uint64_t value;
    const struct itimerval soon = {.it_value.tv_usec = 20000};
    struct sigaction sa = {.sa_handler = on_alarm};
    pthread_t t;
    for (int i = 0; i < ROUNDS; i++) {
        put(fd, 1);
        get(fd);
    }
    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
    CHECK_ERRNO(read(fd, &value, 8), EINTR);
    CHECK_EQ(g_alarms, 1);
    sa.sa_flags = SA_RESTART;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0); /* for the thread */
    CHECK_EQ(pthread_create(&t, NULL, late_writer, &fd), 0);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
    CHECK_EQ(get(fd), 11);
    CHECK_EQ(g_alarms, 2);
    CHECK_EQ(pthread_join(t, NULL), 0);
}

int main(void)
{
    counts();
    watched();
    processes();
    killed();
    interrupted();
    return 0;
}
