/*
 * What a process knows of itself lies in a page that it can write: umask, names, limits, the working directory's path, flags of
 * its fds, what it does with signals (platform/facts.h). What must happen: lies are told to the liar alone. A forged umask gives modes that a umask could have
 * given; a forged path opens nothing, a forged limit allows nothing; a forged action ignores no SIGKILL, and no mask holds it off; and no
 * other process, nor its own child, hears of it.
 */
#include "tests/escape/escape.h"

#include "platform/facts.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#define ROUNDS 3000

static struct platform_facts *facts(void)
{
    return platform_facts_behind((struct platform_lease_page *)LEASE_PAGE);
}

static void ask_often(void)
{
    char path[4096];
    struct utsname u;
    struct rlimit r;
    for (int i = 0; i < 8; i++) {
        umask(022);
        getcwd(path, sizeof(path));
        uname(&u);
        getrlimit(RLIMIT_NOFILE, &r);
        fcntl(0, F_GETFL);
        fcntl(1, F_SETFD, 0);
    }
}

static mode_t created(void)
{
    struct stat st = {0};
    char name[64];
    snprintf(name, sizeof(name), "/tmp/facts-%d", (int)getpid());
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0666);
    if (fd >= 0) {
        fstat(fd, &st);
        close(fd);
        unlink(name);
    }
    return st.st_mode & 07777;
}

static void forged_umask(void)
{
    ask_often();
    if (!(facts()->umask & FACT_VALID)) {
        NOTE("no umask to forge\n");
        return;
    }
    for (int i = 0; i < ROUNDS; i++) {
        facts()->umask = rnd() | (i % 2 ? FACT_VALID : 0);
        if (i % 50 == 0) {
            mode_t mode = created();
            if (mode & ~0666) {
                BREACH("a file with mode %o", mode);
            }
            if (umask(0) & ~0777) {
                BREACH("a umask beyond nine bits");
            }
        }
    }
    facts()->umask = ~0UL;
    int fd = open("/proc/self/status", O_RDONLY);
    char text[8192] = "";
    (void)!read(fd, text, sizeof(text) - 1);
    char *at = strstr(text, "\nUmask:");
    if (!at || strtoul(at + 7, NULL, 8) > 0777) {
        BREACH("/proc shows a umask of %.20s", at ? at : "nothing");
    }
}

/* The parent's lies are not the child's, and no other's either. */
static void only_ones_own(void)
{
    struct utsname before, after;
    struct rlimit limit;
    char path[4096];
    int status, p[2], q[2];
    uname(&before);
    pipe(p);
    pipe(q);
    pid_t pid = fork();
    if (pid == 0) {
        ask_often();
        write(q[1], "x", 1);
        (void)!read(p[0], path, 1);
        uname(&after);
        _exit(memcmp(&before, &after, sizeof(after)) == 0 && umask(0) == 022 &&
                      getcwd(path, 4096) && strcmp(path, "lie") != 0
                  ? 0
                  : BREACH_STATUS);
    }
    (void)!read(q[0], path, 1);
    ask_often();
    struct platform_facts *f = facts();
    memset(f->uname, 'L', sizeof(f->uname));
    strcpy((char *)f->cwd, "lie");
    f->words[FACT_CWD] = FACT_VALID | 4;
    f->umask = FACT_VALID | 0777;
    for (int i = 0; i < FACT_LIMITS; i++) {
        f->limits[i][0] = f->limits[i][1] = ~0UL;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    NOTE("own lie: %lu files\n", (unsigned long)limit.rlim_cur);
    if (dup2(0, 2000000) >= 0) {
        BREACH("a forged limit counts");
    }
    pid_t child = fork();
    if (child == 0) {
        uname(&after);
        getcwd(path, sizeof(path));
        getrlimit(RLIMIT_NOFILE, &limit);
        _exit(memcmp(&before, &after, sizeof(after)) == 0 && strcmp(path, "lie") != 0 &&
                      limit.rlim_cur != ~0UL
                  ? 0
                  : BREACH_STATUS);
    }
    write(p[1], "x", 1);
    for (int i = 0; i < 2; i++) {
        wait(&status);
        if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            BREACH("another process was lied to");
        }
    }
}

/* Words, sizes and bytes at random, while threads read them and the sentry takes them back. */
static volatile bool g_stop;
static void *forger(void *arg)
{
    while (!g_stop) {
        uint64_t *words = (uint64_t *)facts();
        words[rnd() % (sizeof(struct platform_facts) / 8)] = rnd();
        for (int i = 0; i < FACT_COUNT; i++) {
            facts()->words[i] = rnd() | FACT_VALID;
        }
        facts()->umask = rnd();
    }
    return arg;
}
static void garbage(void)
{
    pthread_t t;
    char path[8192];
    ask_often();
    pthread_create(&t, NULL, forger, NULL);
    mkdir("/tmp/forged", 0777);
    for (double end = now() + 1; now() < end;) {
        memset(path, 'p', sizeof(path));
        long n = syscall(SYS_getcwd, path, 4096);
        if (n > 4096 || path[4096] != 'p') {
            BREACH("getcwd wrote beyond its buffer: %ld", n);
        }
        struct {
            struct utsname u;
            char behind[64];
        } u = {.behind = "untouched"};
        uname(&u.u);
        if (strcmp(u.behind, "untouched") != 0) {
            BREACH("uname wrote beyond its buffer");
        }
        ask_often();
        created();
        chdir("/tmp/forged");
        rename("/tmp/forged", "/tmp/forged2");
        rename("/tmp/forged2", "/tmp/forged");
        chdir("/");
        int fd = fcntl(0, F_DUPFD_CLOEXEC, 200);
        fcntl(fd, F_SETFL, rnd() & O_NONBLOCK);
        close(fd);
        if (fork() == 0) {
            umask(0);
            _exit(0);
        }
        wait(NULL);
    }
    g_stop = true;
    pthread_join(t, NULL);
    struct stat st;
    if (stat("/tmp/forged", &st) == 0 && st.st_mode & 07000) {
        BREACH("a directory with mode %o", st.st_mode);
    }
}

static void handler(int sig)
{
    (void)sig;
}

/* Actions that no call would set: of all signals, SIGKILL and SIGSTOP included, in both places, while they are acted on. */
static __attribute__((noreturn)) void forge_actions(int ready)
{
    struct platform_facts *f = facts();
    struct sigaction a = {.sa_handler = handler};
    for (int i = 0; i < 40; i++) {
        a.sa_handler = i % 2 ? handler : SIG_DFL;
        sigaction(SIGUSR1, &a, NULL);
    }
    NOTE("actions are %s own\n", f->actions_own ? "its" : "not its");
    write(ready, "x", 1);
    for (;;) {
        for (int i = 0; i < FACT_ACTIONS_OWN; i++) {
            for (int at = 0; at < 2; at++) {
                uint64_t *words = f->own_actions[at][i];
                words[0] = rnd() % 3 ? 1 /* SIG_IGN */ : (uint64_t)handler;
                words[1] = rnd();
                words[3] = ~0UL;
            }
            f->action_at[i] = (uint8_t)(rnd() % 8 ? 1 + rnd() % 2 : rnd());
        }
        f->actions_own = (uint32_t)rnd();
        if (rnd() % 16 == 0) {
            a.sa_handler = handler;
            sigaction((int)(1 + rnd() % 64), &a, NULL);
            kill(getpid(), SIGCONT);
        }
    }
}

static uint64_t blocked_of(pid_t pid)
{
    char name[64], text[8192] = "";
    snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
    int fd = open(name, O_RDONLY);
    (void)!read(fd, text, sizeof(text) - 1);
    close(fd);
    uint64_t all = 0;
    for (const char *const *field =
             (const char *const[]){"\nSigBlk:", "\nSigIgn:", "\nSigCgt:", NULL};
         *field; field++) {
        const char *at = strstr(text, *field);
        all |= at ? strtoull(at + 8, NULL, 16) : 0;
    }
    return all;
}

static void forged_actions(void)
{
    for (int round = 0; round < 20; round++) {
        int ready[2], status = 0;
        char c;
        pipe(ready);
        pid_t pid = fork();
        if (pid == 0) {
            forge_actions(ready[1]);
        }
        (void)!read(ready[0], &c, 1);
        for (int i = 0; i < 50; i++) {
            kill(pid, (int[]){SIGUSR1, SIGCHLD, SIGURG, SIGWINCH, SIGSTOP, SIGCONT}[i % 6]);
            if (blocked_of(pid) & (1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1))) {
                BREACH("SIGKILL or SIGSTOP is blocked, ignored or caught");
            }
        }
        kill(pid, SIGSTOP);
        pid_t r = waitpid(pid, &status, WUNTRACED);
        if (r == pid && WIFSTOPPED(status)) {
            kill(pid, SIGKILL);
            r = waitpid(pid, &status, 0);
        }
        if (r != pid || !WIFSIGNALED(status)) {
            BREACH("a process outlives SIGKILL: %d, %#x", r, status);
        }
        struct sigaction mine;
        if (sigaction(SIGUSR1, NULL, &mine) != 0 || mine.sa_handler != SIG_DFL) {
            BREACH("another process's action changed");
        }
        close(ready[0]);
        close(ready[1]);
    }
}

static const struct attack g_attacks[] = {
    {"facts: forged actions", forged_actions},
    {"facts: forged actions, ordinary user", forged_actions, true},
    {"facts: a forged umask", forged_umask},
    {"facts: a forged umask, ordinary user", forged_umask, true},
    {"facts: only one's own", only_ones_own},
    {"facts: garbage under calls", garbage},
    {"facts: garbage under calls, ordinary user", garbage, true},
};
ATTACKS_MAIN(g_attacks)
