/*
 * Record locks that a process sets by itself: they stand in a log in its lease page, which it can write. What must happen: what others
 * have locked stays locked, and is refused as it is; locks outside of what a system call could set are not there; and nobody
 * else is kept from a file by a process that is gone.
 */
#include "tests/escape/forge.h"

#include <fcntl.h>

static const char g_path[] = "/tmp/locked";

static struct platform_lease_page *page(void)
{
    return (struct platform_lease_page *)LEASE_PAGE;
}

static int set(int fd, short type, off_t start, off_t size)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = size};
    return fcntl(fd, F_SETLK, &l);
}

/* Return: an fd on whose file this process sets locks by itself, or -1. */
static int make_granted(void)
{
    char block[4096] = "L";
    int fd = open(g_path, O_RDWR | O_CREAT, 0666);
    for (int i = 0; fd >= 0 && i < 80; i++) {
        if (pwrite(fd, block, sizeof(block), 0) != sizeof(block) || set(fd, F_WRLCK, 500, 1) < 0 ||
            set(fd, F_UNLCK, 500, 1) < 0) {
            break;
        }
        if (page()->lock_word & LOG_GRANTED) {
            return fd;
        }
    }
    close(fd);
    return -1;
}

static void forge_log(uint64_t count)
{
    static const int64_t odd[] = {0, 1, -1, INT64_MAX, INT64_MIN, 99, 100, 109, 110, 500};
    for (unsigned i = 0; i < LOCKS_MAX; i++) {
        page()->locks[i] = (struct platform_lock){
            .start = odd[rnd() % 10], .end = odd[rnd() % 10], .type = (uint32_t)(rnd() % 5)};
    }
    page()->lock_lease = (uint32_t)rnd();
    page()->lock_word = LOG_GRANTED | count;
}

/* Forges, and makes the kernel look, until it is killed. */
static void spoil(void)
{
    static const uint64_t counts[] = {1, LOCKS_MAX, LOCKS_MAX + 1, LOG_COUNT, 1UL << 40};
    for (;;) {
        int fd = make_granted();
        int other = open(g_path, O_RDONLY);
        for (int i = 0; i < 20; i++) {
            forge_log(counts[rnd() % 5]);
            struct flock l = {.l_type = F_WRLCK};
            fcntl(rnd() & 1 ? fd : other, F_GETLK, &l);
            set(fd, (short)(rnd() % 3), (off_t)(rnd() % 200), (off_t)(rnd() % 50));
        }
        close(other);
        close(fd);
    }
}

/* [100, 109] is locked by this process all the time. */
static void forged_log(void)
{
    int fd = make_granted(), status;
    if (fd < 0) {
        NOTE("not granted\n");
        return;
    }
    set(fd, F_WRLCK, 100, 10);
    pid_t spoiler = fork();
    if (spoiler == 0) {
        spoil();
    }
    for (double end = now() + 1; now() < end;) {
        pid_t pid = fork();
        if (pid == 0) { /* somebody else */
            struct flock l = {.l_type = F_WRLCK, .l_start = 100, .l_len = 10};
            int own = open(g_path, O_RDWR);
            if (set(own, F_RDLCK, 105, 1) == 0 || fcntl(own, F_GETLK, &l) < 0 ||
                l.l_type != F_WRLCK || l.l_pid != getppid()) {
                BREACH("a lock is not there");
            }
            l = (struct flock){.l_type = F_WRLCK, .l_start = 110};
            if (fcntl(own, F_GETLK, &l) < 0 || l.l_start < 0 || l.l_len < 0) {
                BREACH("a lock from %ld", (long)l.l_start);
            }
            _exit(0);
        }
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            kill(spoiler, SIGKILL);
            _exit(BREACH_STATUS);
        }
    }
    kill(spoiler, SIGKILL);
    waitpid(spoiler, NULL, 0);
    if (set(fd, F_WRLCK, 0, 0) < 0) {
        BREACH("locks of a process that is gone");
    }
}

/* The lease ends with the fd; what the log says then is nobody's. */
static void log_of_a_closed_file(void)
{
    int fd = make_granted(), status;
    if (fd < 0) {
        NOTE("not granted\n");
        return;
    }
    close(fd);
    page()->locks[0] = (struct platform_lock){.start = 0, .end = INT64_MAX, .type = F_WRLCK};
    page()->lock_word = LOG_GRANTED | 1;
    page()->lock_lease = 1;
    fd = open(g_path, O_RDWR);
    struct flock l = {.l_type = F_UNLCK};
    fcntl(fd, F_GETLK, &l);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(set(fd, F_WRLCK, 0, 0) == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    if (status != 0) {
        BREACH("a lock that nobody could set");
    }
}

static const struct attack g_attacks[] = {
    {"locks: a forged log", forged_log},
    {"locks: a log without a lease", log_of_a_closed_file},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
