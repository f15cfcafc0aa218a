/*
 * Runs a table of attacks, each in a process of its own, and sees to it after each that
 *
 *   - the sandbox still serves this process (files, memory, pipes, children);
 *   - a neighbour, another process of the same sandbox that slept in a call and worked during the attack, has its
 *     memory, its identity and its files as they were;
 *   - what only the sandbox's root may read was not read or changed by an attack that runs as an ordinary user;
 *   - the host is well: the script that started us looks around, and answers the line that names the attack.
 *
 * An attack that does not end in time, or can't be killed, is a failure too.
 */
#pragma once

#include <grp.h>
#include <poll.h>

#include "tests/escape/escape.h"

struct attack {
    const char *name;
    void (*run)(void);
    bool ordinary; /* run as an ordinary user, to whom ROOT_ONLY must stay closed */
};

#define ORDINARY_UID 1000
#define ROOT_ONLY    "/tmp/root-only"

/* The sandbox still serves this process: a file, memory, a pipe, a child. */
static inline bool healthy(void)
{
    char buf[8] = "";
    int p[2], status, fd = open("/proc/self/stat", O_RDONLY);
    if (fd < 0 || read(fd, buf, 1) != 1 || close(fd) < 0 || pipe(p) < 0) {
        return false;
    }
    void *m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED || munmap(m, 65536) < 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        _exit(write(p[1], "alive", 5) == 5 ? 3 : 4);
    }
    bool ok = pid > 0 && read(p[0], buf, 8) == 5 && waitpid(pid, &status, 0) == pid &&
              WEXITSTATUS(status) == 3;
    close(p[0]);
    close(p[1]);
    return ok;
}

/* --- what an ordinary user of the sandbox must not get --- */
static char g_root_only[33]; /* the content; an attack's own copy is wiped before it begins */

static inline void root_only_make(void)
{
    uint64_t r[2] = {(uint64_t)time(NULL) * 0x9e3779b97f4a7c15UL, (uint64_t)getpid()};
    int fd = open("/dev/urandom", O_RDONLY);
    (void)!read(fd, r, sizeof(r));
    close(fd);
    snprintf(g_root_only, sizeof(g_root_only), "%016lx%016lx", r[0], r[1]);
    fd = open(ROOT_ONLY, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)!write(fd, g_root_only, 32);
    close(fd);
}
static inline bool root_only_is_well(void)
{
    char buf[64] = "";
    struct stat st;
    int fd = open(ROOT_ONLY, O_RDONLY);
    bool well = fd >= 0 && read(fd, buf, sizeof(buf)) == 32 && !memcmp(buf, g_root_only, 32) &&
                fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_uid == 0;
    close(fd);
    return well;
}
/* What an attack asks at its end, and in between: does this process have more than it had? */
static inline void must_be_ordinary(void)
{
    char buf[4096] = "";
    unsigned ids[4] = {0};
    int fd = open(ROOT_ONLY, O_RDONLY);
    if (fd >= 0 || setuid(0) == 0) {
        BREACH("it has root's rights");
    }
    fd = open("/proc/self/status", O_RDONLY); /* getuid's answer is the guest's to spoil */
    (void)!read(fd, buf, sizeof(buf) - 1);
    close(fd);
    const char *line = strstr(buf, "\nUid:");
    if (!line || sscanf(line, "\nUid: %u %u %u %u", ids, ids + 1, ids + 2, ids + 3) != 4 ||
        ids[0] != ORDINARY_UID || ids[1] != ORDINARY_UID || ids[2] != ORDINARY_UID ||
        ids[3] != ORDINARY_UID) {
        BREACH("it has become another user: %u %u %u %u", ids[0], ids[1], ids[2], ids[3]);
    }
}
static inline void become_ordinary(void)
{
    if (setgroups(0, NULL) || setgid(ORDINARY_UID) || setuid(ORDINARY_UID)) {
        BREACH("root can't become an ordinary user");
    }
}

/* --- the neighbour --- */
#define NEIGHBOUR_SIZE (256 * 1024)
static struct {
    int ask, answer;
    pid_t pid;
} g_neighbour;
static volatile bool g_neighbour_broken;

/* Calls whose results are known, now and then, while attacks run. */
static inline void *neighbour_work(void *arg)
{
    pid_t pid = getpid();
    for (;;) {
        char text[4] = "";
        int fd = open("/proc/self/exe", O_RDONLY);
        if (fd < 0 || pread(fd, text, 4, 0) != 4 || memcmp(text, "\177ELF", 4) || close(fd) ||
            getpid() != pid || syscall(SYS_getppid) != (long)(intptr_t)arg) {
            g_neighbour_broken = true;
        }
        usleep(3000);
    }
    return NULL;
}
static inline void neighbour_main(int ask, int answer, pid_t parent)
{
    pthread_t t;
    char byte;
    uint8_t *memory =
        mmap(NULL, NEIGHBOUR_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 0x5a, NEIGHBOUR_SIZE);
    pthread_create(&t, NULL, neighbour_work, (void *)(intptr_t)parent);
    while (read(ask, &byte, 1) == 1) { /* asleep in this call while an attack runs */
        bool well = !g_neighbour_broken && byte == 'w';
        for (size_t i = 0; i < NEIGHBOUR_SIZE; i++) {
            well &= memory[i] == 0x5a;
        }
        if (write(answer, well ? "y" : "n", 1) != 1) {
            break;
        }
    }
    _exit(0);
}
static inline void neighbour_start(void)
{
    int a[2], b[2];
    pid_t parent = getpid();
    if (pipe2(a, O_CLOEXEC) || pipe2(b, O_CLOEXEC)) {
        exit(2);
    }
    g_neighbour.pid = fork();
    if (g_neighbour.pid == 0) {
        close(a[1]);
        close(b[0]);
        prctl(PR_SET_NAME, "neighbour");
        neighbour_main(a[0], b[1], parent);
    }
    close(a[0]);
    close(b[1]);
    g_neighbour.ask = a[1];
    g_neighbour.answer = b[0];
}
static inline bool neighbour_is_well(void)
{
    char byte = 0;
    struct pollfd p = {.fd = g_neighbour.answer, .events = POLLIN};
    return write(g_neighbour.ask, "w", 1) == 1 && poll(&p, 1, 10000) == 1 &&
           read(g_neighbour.answer, &byte, 1) == 1 && byte == 'y';
}

/*
 * --- spare processes ---
 * Programs started one after the other have the sandbox keep processes ready for the next, which the host's first count of guest
 * processes must include.
 */
__attribute__((constructor)) static void nothing_to_do(int argc, char **argv)
{
    if (argc == 1 && !strcmp(argv[0], "nothing")) {
        _exit(0);
    }
}
static inline void spares_make(void)
{
    for (int i = 0; i < 12; i++) {
        char *const argv[] = {"nothing", NULL}, *const envp[] = {NULL};
        pid_t pid = fork();
        if (pid == 0) {
            execve("/proc/self/exe", argv, envp);
            _exit(1);
        }
        (void)!waitpid(pid, NULL, 0);
    }
}

/* --- the table --- */

/* Attacks that ruin their own channel may sleep for ever, as long as they can be killed. */
/* 0: none, or it can't be read. */
static inline char first_byte(const char *path)
{
    char byte = 0;
    int fd = open(path, O_RDONLY);
    (void)!pread(fd, &byte, 1, 0);
    close(fd);
    return byte;
}

static bool g_may_hang;

static inline void run_in_child(const struct attack *a)
{
    int null = open("/dev/null", O_RDWR);
    setpgid(0, 0);
    dup2(null, 0); /* ours is for the host's answers */
    close(null);
    close(g_neighbour.ask);
    close(g_neighbour.answer);
    g_neighbour.ask = g_neighbour.answer = g_neighbour.pid = -1;
    explicit_bzero(g_root_only, sizeof(g_root_only));
    if (a->ordinary) {
        become_ordinary();
    }
    a->run();
    if (a->ordinary) {
        must_be_ordinary();
    }
    fflush(NULL);
    _exit(0);
}

/* Return: what is wrong, or NULL. */
static inline const char *run_attack(const struct attack *a, int *status)
{
    const char *what = NULL;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        run_in_child(a);
    }
    if (pid < 0) {
        return "no process could be made";
    }
    if (!wait_until(pid, status, now() + 20)) {
        kill(pid, SIGKILL);
        if (!wait_until(pid, status, now() + 10)) {
            what = "it hung, and could not be killed";
        } else if (!g_may_hang) {
            what = "it hung";
        }
    } else if (WIFEXITED(*status) && WEXITSTATUS(*status) == BREACH_STATUS) {
        what = "a breach";
    }
    kill(-pid, SIGKILL); /* its children */
    return what                                    ? what
           : !healthy()                            ? "the kernel does not serve others afterwards"
           : !neighbour_is_well()                  ? "the neighbour was disturbed"
           : getuid() == 0 && !root_only_is_well() ? "root's file was changed"
                                                   : NULL;
}

static inline int run_attacks(const struct attack *attacks, size_t count)
{
    int bad = 0;
    char answer[64];
    if (!g_neighbour.pid) {
        spares_make();
        neighbour_start();
        root_only_make();
        printf("attack nobody yet\n");
        fflush(stdout);
        (void)!read(0, answer, sizeof(answer));
    }
    for (size_t i = 0; i < count; i++) {
        int status = 0;
        if (attacks[i].ordinary && getuid() != 0) {
            continue; /* nobody here to be protected from an ordinary user */
        }
        double start = now();
        const char *what = run_attack(&attacks[i], &status);
        if (what) {
            printf("FAILED %s: %s\n", attacks[i].name, what);
            bad++;
        }
        printf("attack %-44s %s %d, %.1f s\n", attacks[i].name,
               WIFEXITED(status) ? "exit" : "signal",
               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), now() - start);
        fflush(stdout);
        (void)!read(0, answer, sizeof(answer)); /* the host has looked around */
    }
    printf("%zu attacks, %d with success\n", count, bad);
    fflush(NULL);
    return bad != 0;
}
#define ATTACKS_MAIN(list)                                                                         \
    int main(void)                                                                                 \
    {                                                                                              \
        return run_attacks(list, sizeof(list) / sizeof((list)[0]));                                \
    }
