/*
 * What a process knows of itself lies in a page that it can write: umask, names, limits, the working directory's path, flags of
 * its fds (platform/facts.h). What must happen: lies are told to the liar alone. A forged umask gives modes that a umask could have
 * given; a forged path opens nothing, a forged limit allows nothing; and no other process, nor its own child, hears of it.
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

static const struct attack g_attacks[] = {
    {"facts: a forged umask", forged_umask},
    {"facts: a forged umask, ordinary user", forged_umask, true},
    {"facts: only one's own", only_ones_own},
    {"facts: garbage under calls", garbage},
    {"facts: garbage under calls, ordinary user", garbage, true},
};
ATTACKS_MAIN(g_attacks)
