/*
 * Directories that a process closes, copies and reads by itself: it writes what it did into its lease page, where a liar may write
 * anything. What must happen: a forged close or copy is what close and dup2 would have been, of a directory, or nothing; no number beyond the
 * limit is opened, and none that is open led elsewhere; who gave up its rights has lost the entries that came with them; and a
 * position that was never given is one to which lseek could have gone.
 */
#include "tests/escape/forge.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/resource.h>

static struct platform_lease_page *page(void)
{
    return (struct platform_lease_page *)LEASE_PAGE;
}

static int is_directory(int fd)
{
    return page()->lease_of[fd] - 1U < LEASE_MAX &&
           page()->leases[page()->lease_of[fd] - 1].flags & LEASE_DIRECTORY;
}

static int list(const char *name)
{
    int n = 0;
    DIR *d = opendir(name);
    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
    }
    return n;
}

/* An fd of the directory, which the process has in its hands. */
static int open_directory(const char *name)
{
    for (int i = 0; i < 12; i++) {
        if (list(name) < 2) {
            BREACH("%s can't be read", name);
        }
    }
    int fd = open(name, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || !is_directory(fd)) {
        BREACH("no directory is leased, so these attacks are none");
    }
    return fd;
}

static void forge_entry(uint32_t entry)
{
    uint64_t word = page()->logged;
    page()->log[word & (LOG_MAX - 1)] = entry;
    page()->logged = word + 1;
}

static uint32_t copy_of(int fd, int to)
{
    return LOG_DUP | (uint32_t)to << 8 | (uint32_t)fd;
}

/* --- numbers --- */

static void forged_copies(void)
{
    struct stat st, dir, other;
    int fd = open_directory("/usr"), null = open("/dev/null", O_RDONLY), top = open("/", O_RDONLY);
    fstat(fd, &dir);
    forge_entry(copy_of(fd, 40));
    if (fstat(40, &st) < 0 || st.st_ino != dir.st_ino) {
        BREACH("a copy was not made, so this attack is none");
    }
    forge_entry(copy_of(fd, null)); /* it is open */
    forge_entry(copy_of(fd, top));
    forge_entry(copy_of(null, 41)); /* it is no directory */
    forge_entry(copy_of(50, 42));   /* it is closed */
    if (fstat(41, &st) == 0 || fstat(42, &st) == 0) {
        BREACH("what can't be copied was");
    }
    if (fstat(null, &st) < 0 || !S_ISCHR(st.st_mode) || fstat(top, &other) < 0 ||
        stat("/", &st) < 0 || other.st_ino != st.st_ino) {
        BREACH("a number leads elsewhere");
    }
    forge_entry(LOG_CLOSE | (uint32_t)null);
    forge_entry(LOG_CLOSE | 1);
    forge_entry(LOG_CLOSE | 2);
    forge_entry(LOG_CLOSE | 63);
    if (fstat(null, &st) < 0) {
        BREACH("what is no directory was closed by the log");
    }
    forge_entry(LOG_CLOSE | 40);
    MUST_FAIL(fstat(40, &st));
}

static void forged_beyond_limit(void)
{
    struct rlimit few;
    struct stat st;
    int fd = open_directory("/usr");
    getrlimit(RLIMIT_NOFILE, &few);
    few.rlim_cur = 16;
    if (setrlimit(RLIMIT_NOFILE, &few) < 0) {
        BREACH("setrlimit: %d", errno);
    }
    for (int round = 0; round < 2; round++) {
        page()->open_limit = 64;
        page()->free_fds = ~0UL;
        for (int to = 16; to < 64; to += 4) {
            forge_entry(copy_of(fd, to));
        }
        for (int to = 16; to < 64; to++) {
            MUST_FAIL(fstat(to, &st));
        }
        open_directory("/usr"); /* now it may copy again */
    }
}

/* Lengths and entries at random, while it goes on as if nothing were. */
static void forged_log(void)
{
    struct stat st;
    open_directory("/usr");
    for (int i = 0; i < 20000; i++) {
        for (unsigned k = 0; k < LOG_MAX; k++) {
            page()->log[k] = (uint32_t)rnd();
        }
        page()->logged = i % 3 ? rnd() % 40 : rnd();
        page()->closes = i % 5 ? 0 : rnd();
        if (i % 7 == 0) {
            int fd = open("/usr", O_RDONLY | O_DIRECTORY);
            if (fd >= 0) {
                fcntl(fd, F_DUPFD, (int)(rnd() % 64));
            }
        }
        fstat((int)(rnd() % 70), &st);
    }
    for (int fd = 3; fd < 200; fd++) {
        close(fd);
    }
}

/* --- positions and entries --- */

static void forged_position(void)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   2,
                                   3,
                                   4096,
                                   LEASE_POSITION,
                                   LEASE_CLOSED,
                                   LEASE_READY,
                                   LEASE_OPENED | LEASE_READY,
                                   LEASE_OPENED,
                                   1UL << 62,
                                   ~0UL};
    static char buf[65536];
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        int fd = open_directory("/usr");
        struct platform_lease *l = &page()->leases[page()->lease_of[fd] - 1];
        l->position = LEASE_VALID | odd[i];
        l->size = odd[i];
        l->bytes = (uint32_t)odd[i];
        page()->closes = ~0UL;
        off_t pos = lseek(fd, 0, SEEK_CUR);
        if (pos < 0 && errno != EBADF) { /* a forged word may close it */
            BREACH("lseek: errno %d", errno);
        }
        syscall(SYS_getdents64, fd, buf, sizeof(buf));
        close(fd);
    }
    if (list("/usr") < 3) {
        BREACH("the directory can't be read any more");
    }
}

static bool copies_have(const char *text)
{
    return memmem((void *)LEASE_BYTES, LEASE_BYTES_SIZE, text, strlen(text)) != NULL;
}

/* Entries of a directory that only root may read. */
static void entries_given_up(void)
{
    if (mkdir("/tmp/secret", 0700) < 0 || mkdir("/tmp/secret/a-name-that-is-secret", 0700) < 0) {
        BREACH("mkdir: %d", errno);
    }
    int fd = open_directory("/tmp/secret");
    if (!copies_have("that-is-secret")) {
        BREACH("the name did not come, so this attack is none");
    }
    close(fd);
    become_ordinary();
    if (copies_have("that-is-secret")) {
        BREACH("names of root's directory are left to an ordinary user");
    }
    MUST_FAIL(open("/tmp/secret", O_RDONLY | O_DIRECTORY));
}

static const struct attack g_attacks[] = {
    {"directories: forged copies and closes", forged_copies},
    {"directories: copies beyond the limit", forged_beyond_limit},
    {"directories: a log of anything", forged_log},
    {"directories: the same, ordinary user", forged_log, true},
    {"directories: forged positions", forged_position},
    {"directories: entries that rights gave", entries_given_up},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
