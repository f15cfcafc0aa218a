/*
 * What a guest may learn: nothing of the caller's environment, of other sandboxes, of the host's kernel, or
 * of guests with other rights. $SECRET_START is the beginning of a secret that is in the caller's environment,
 * in its arguments' neighbourhood, and in a file that it holds open.
 */
#include "tests/escape/escape.h"

#include <dirent.h>
#include <setjmp.h>
#include <sys/utsname.h>

static bool is_secret(const char *p, size_t size)
{
    const char *start = getenv("SECRET_START"); /* without its end, so that our own copy is none */
    size_t length = strlen(start);
    for (const char *end = p + size; (p = memmem(p, (size_t)(end - p), start, length)); p++) {
        if ((size_t)(end - p) > length && p[length] >= '0' && p[length] <= 'f') {
            return true;
        }
    }
    return false;
}

static void look_at(const char *path)
{
    static char buf[1 << 20];
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
    close(fd);
    if (n > 0 && is_secret(buf, (size_t)n)) {
        BREACH("%s shows the secret", path);
    }
}

static void look_below(const char *dir, int depth)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[4096];
        struct stat st;
        if (snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int)sizeof(path) ||
            e->d_name[0] == '.') {
            continue;
        }
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && depth > 0) {
            look_below(path, depth - 1);
        } else if (S_ISREG(st.st_mode)) {
            look_at(path);
        }
    }
    if (d) {
        closedir(d);
    }
}
static void procfs(void)
{
    look_below("/proc", 4);
}
static void environment(void)
{
    if (getenv("SECRET")) {
        BREACH("the caller's environment was passed on");
    }
}
static sigjmp_buf g_unreadable;
static void on_fault(int sig)
{
    siglongjmp(g_unreadable, sig);
}
/* Page by page, with an overlap; what can't be read (parts of vvar) is passed over. */
static bool range_is_secret(uint64_t start, uint64_t end)
{
    static char copy[8192];
    for (; start < end; start += 4096) {
        if (sigsetjmp(g_unreadable, 1) == 0) {
            memcpy(copy + 4096, (const char *)start, 4096);
            if (is_secret(copy, sizeof(copy))) {
                return true;
            }
            memcpy(copy, copy + 4096, 4096);
        }
    }
    memset(copy, 0, sizeof(copy));
    return false;
}

/* All of one's own memory, the stub's slice included. */
static void memory(void)
{
    char line[512];
    FILE *f = fopen("/proc/self/maps", "r");
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    while (f && fgets(line, sizeof(line), f)) {
        unsigned long start, end;
        char r;
        if (strstr(line, "/build/") && !strstr(line, "leaks")) {
            BREACH("a host path in maps: %s", line);
        }
        if (sscanf(line, "%lx-%lx %c", &start, &end, &r) == 3 && r == 'r' &&
            end - start < (64UL << 20) && start < 0x7fffffffffffUL && range_is_secret(start, end)) {
            BREACH("the secret in memory: %s", line);
        }
    }
    static const struct {
        uint64_t start, size;
    } slice[] = {{STUB_TEXT, 4096},
                 {STUB_DATA, 4096},
                 {STUB_RO, 0x5000},
                 {CHAN_BASE, CHAN_STRIDE * 8},
                 {AREA_BASE - AREA_STRIDE * 7, AREA_STRIDE * 8}};
    for (int i = 0; i < 5; i++) {
        if (stub()->magic == STUB_MAGIC &&
            range_is_secret(slice[i].start, slice[i].start + slice[i].size)) {
            BREACH("the secret in the slice at %#lx", slice[i].start);
        }
    }
}
static void open_files(void)
{
    for (int fd = 3; fd < 2000; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            BREACH("fd %d was inherited", fd);
        }
    }
}
static void names(void)
{
    struct utsname u;
    char host[256] = "";
    uname(&u);
    const char *name = getenv("HOST_NAME");
    gethostname(host, sizeof(host));
    if (name && *name && (!strcmp(u.nodename, name) || !strcmp(host, name))) {
        BREACH("the host's name is seen");
    }
    look_at("/proc/cmdline");
    look_at("/proc/mounts");
    char buf[4096];
    FILE *f = fopen("/proc/self/mountinfo", "r");
    while (f && fgets(buf, sizeof(buf), f)) {
        if (strstr(buf, "/dev/vd") || strstr(buf, "/dev/sd") || strstr(buf, "/dev/nvme")) {
            BREACH("a device of the host: %s", buf);
        }
    }
}
static void kernel_log(void)
{
    char buf[4096];
    int n = (int)syscall(SYS_syslog, 3, buf, sizeof(buf) - 1);
    buf[n > 0 ? n : 0] = 0;
    if (strstr(buf, "Command line:") || strstr(buf, "ffffffff")) {
        BREACH("the host's kernel log");
    }
}
/* Channel memory is used again: what a privileged guest wrote must be gone when another one gets it. */
static void used_channels(void)
{
    static const char magic[] = "leftover-of-another-guest";
    static char buf[60000];
    for (int round = 0; round < 20; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (size_t i = 0; i + sizeof(magic) < sizeof(buf); i += sizeof(magic)) {
                memcpy(buf + i, magic, sizeof(magic));
            }
            int p[2];
            pipe2(p, O_NONBLOCK);
            write(p[1], buf, sizeof(buf));
            read(p[0], buf, sizeof(buf));
            if (stub()->magic == STUB_MAGIC) {
                memcpy((char *)CHAN_BASE + WINDOW_OFFSET + 4096, buf,
                       50000); /* and as a bulk copy would leave it */
                memcpy((char *)CHAN_BASE + CHAN_STRIDE * 3, buf,
                       50000); /* in a slot that it never used */
            }
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        pid = fork();
        if (pid == 0) {
            setgid(1000);
            setuid(1000);
            if (stub()->magic == STUB_MAGIC &&
                memmem((void *)CHAN_BASE, CHAN_STRIDE * 8, magic, sizeof(magic))) {
                BREACH("another guest's data in a used channel (round %d)", round);
            }
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        if (WEXITSTATUS(status) == BREACH_STATUS) {
            _exit(BREACH_STATUS);
        }
    }
}
/* New memory, new files and new pipes are empty. */
static void fresh_memory(void)
{
    uint64_t *p = mmap(NULL, 64 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < (64 << 20) / 8; i += 64) {
        if (p[i]) {
            BREACH("new memory is not empty");
        }
    }
    for (int round = 0; round < 10; round++) {
        char name[64], block[8192];
        snprintf(name, sizeof(name), "/tmp/f%d", round);
        int fd = open(name, O_RDWR | O_CREAT, 0600);
        memset(block, 0x55, sizeof(block));
        write(fd, block, sizeof(block));
        unlink(name);
        close(fd);
        fd = open(name, O_RDWR | O_CREAT, 0600);
        ftruncate(fd, 1 << 20);
        char *m = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
        for (int i = 0; m != MAP_FAILED && i < 1 << 20; i += 64) {
            if (m[i]) {
                BREACH("a new file shows an old one's data");
            }
        }
        pread(fd, block, sizeof(block), 1000);
        if (memchr(block, 0x55, sizeof(block))) {
            BREACH("a new file reads as an old one");
        }
        close(fd);
    }
}
/* Memory of a file that was mapped, shortened, and given to another. */
static void stale_mapping(void)
{
    int a = open("/tmp/a", O_RDWR | O_CREAT, 0600);
    char block[65536];
    memset(block, 'a', sizeof(block));
    write(a, block, sizeof(block));
    volatile char *m = mmap(NULL, 65536, 3, MAP_SHARED, a, 0);
    ftruncate(a, 0);
    unlink("/tmp/a");
    int b = open("/tmp/b", O_RDWR | O_CREAT, 0600);
    memset(block, 'b', sizeof(block));
    write(b, block, sizeof(block));
    if (fork() == 0) {
        if (*m == 'b') {
            BREACH("a mapping of a shortened file shows another file");
        }
        *m = 'X';
        _exit(0);
    }
    int status;
    wait(&status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
    pread(b, block, 65536, 0);
    if (memchr(block, 'X', 65536)) {
        BREACH("a mapping of a shortened file writes another file");
    }
}

static const struct attack g_attacks[] = {
    {"procfs", procfs},
    {"the caller's environment", environment},
    {"one's own memory", memory},
    {"inherited fds", open_files},
    {"names of the host", names},
    {"the kernel's log", kernel_log},
    {"used channels", used_channels},
    {"fresh memory", fresh_memory},
    {"mappings of shortened files", stale_mapping},
};
ATTACKS_MAIN(g_attacks)
