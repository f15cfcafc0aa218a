/*
 * Prepared opens: files that the kernel has opened for a process ahead of time, which the process claims by writing into its
 * lease page. What must happen: a forged claim gets what open would have given, under a number that was free, or
 * nothing; who gave up its rights has lost what was prepared with them; and no name leads where it led before it was
 * changed, whoever changed it.
 */
#include "tests/escape/forge.h"

#include <dirent.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define FILES 40
static const char *g_where;
static int g_dir;
static struct {
    char name[64];
    ino_t ino;
} g_files[FILES];

static struct platform_lease_page *page(void)
{
    return (struct platform_lease_page *)LEASE_PAGE;
}

static bool is_ready(int index)
{
    return (page()->leases[index].position & (LEASE_READY | LEASE_VALID)) == LEASE_READY;
}

static int count_ready(void)
{
    int n = 0;
    for (int i = 0; i < LEASE_MAX; i++) {
        n += is_ready(i);
    }
    return n;
}

/* The first files of a directory that has many. */
static void list_files(void)
{
    static const char *const places[] = {"/usr/bin", "/usr/include", "/etc"};
    int n = 0;
    for (int place = 0; place < 3 && n < FILES; place++) {
        DIR *d = opendir(g_where = places[place]);
        struct dirent *e;
        n = 0;
        while (d && n < FILES && (e = readdir(d))) {
            struct stat st;
            if (strlen(e->d_name) < 60 &&
                fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(st.st_mode) && st.st_size > 0 && (st.st_mode & 0444) == 0444) {
                strcpy(g_files[n].name, e->d_name);
                g_files[n++].ino = st.st_ino;
            }
        }
        if (d) {
            closedir(d);
        }
    }
    if (n < FILES) {
        BREACH("no directory with files, so these attacks are none");
    }
    g_dir = open(g_where, O_RDONLY | O_DIRECTORY);
}

/* Opens file after file, up to and without the last. Return: something is prepared. */
static bool walk(int last)
{
    for (int i = 0; i < last; i++) {
        int fd = openat(g_dir, g_files[i].name, O_RDONLY);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != g_files[i].ino || close(fd) < 0) {
            BREACH("%s can't be opened", g_files[i].name);
        }
    }
    if (page()->open_limit == 0 || count_ready() == 0) {
        NOTE("nothing is prepared\n");
        return false;
    }
    return true;
}

/* Claims what is ready, as the stub would, or otherwise. */
static void forge_claim(int index, uint32_t opened)
{
    struct platform_lease *l = &page()->leases[index];
    l->opened = opened;
    l->position = LEASE_VALID | LEASE_OPENED | (l->position & ~(LEASE_READY | LEASE_POSITION));
    __atomic_fetch_or(&page()->closes, 1UL << index, __ATOMIC_SEQ_CST);
}

/* --- where a claim goes --- */

static void claimed_numbers(void)
{
    struct stat before[8], now;
    static const uint32_t odd[] = {0, 1, 2, 3, 4, 5, 63, 64, 65, 4095, 4096, ~0U, 0x80000000U, 7};
    list_files();
    if (!walk(12)) {
        return;
    }
    for (int fd = 0; fd < 8; fd++) {
        before[fd].st_ino = 0;
        fstat(fd, &before[fd]);
    }
    int control = 0;
    for (int i = 0, n = 0; i < LEASE_MAX; i++) {
        if (is_ready(i)) {
            forge_claim(i, odd[n++ % 14]);
        }
    }
    for (int fd = 0; fd < 8; fd++) {
        if (before[fd].st_ino && (fstat(fd, &now) < 0 || now.st_ino != before[fd].st_ino)) {
            BREACH("fd %d leads elsewhere", fd);
        }
    }
    for (int fd = 0; fd < 200; fd++) {
        char byte = 0;
        if (fstat(fd, &now) == 0 && S_ISREG(now.st_mode)) {
            control++;
            if (write(fd, &byte, 1) == 1 && fd > 2) {
                BREACH("fd %d was written", fd);
            }
        }
    }
    if (!control) {
        BREACH("no claim was taken, so this attack is none");
    }
    NOTE("%d claims were taken\n", control);
}

static void claimed_beyond_limit(void)
{
    struct rlimit few;
    list_files();
    if (!walk(12)) {
        return;
    }
    getrlimit(RLIMIT_NOFILE, &few);
    few.rlim_cur = 16;
    setrlimit(RLIMIT_NOFILE, &few);
    page()->open_limit = 64;
    page()->free_fds = ~0UL;
    for (int i = 0, n = 20; i < LEASE_MAX; i++) {
        struct platform_lease *l = &page()->leases[i];
        l->position = LEASE_READY;
        forge_claim(i, (uint32_t)n++ % 64);
    }
    for (int fd = 16; fd < 64; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino != 0) {
            for (int i = 0; i < FILES; i++) {
                if (st.st_ino == g_files[i].ino) {
                    BREACH("fd %d is open, beyond the limit", fd);
                }
            }
        }
    }
}

/* --- whose rights --- */

static void hide_files(int from)
{
    for (int i = from; i < FILES; i++) {
        if (fchmodat(g_dir, g_files[i].name, 0400, 0) < 0) {
            BREACH("chmod: %d", errno);
        }
    }
}

static void rights_given_up(void)
{
    list_files();
    hide_files(10);
    if (!walk(12)) {
        return;
    }
    become_ordinary();
    for (int i = 0; i < LEASE_MAX; i++) {
        struct platform_lease *l = &page()->leases[i];
        l->position = LEASE_READY;
        forge_claim(i, (uint32_t)i);
    }
    for (int fd = 3; fd < 64; fd++) {
        struct stat st;
        char byte;
        for (int i = 10; i < FILES && fstat(fd, &st) == 0; i++) {
            if (st.st_ino == g_files[i].ino && read(fd, &byte, 1) >= 0) {
                BREACH("root's file was opened by an ordinary user");
            }
        }
    }
    for (int i = 10; i < FILES; i++) {
        MUST_FAIL(openat(g_dir, g_files[i].name, O_RDONLY));
    }
}

static bool copies_have(const char *text, size_t size)
{
    return memmem((void *)LEASE_BYTES, LEASE_BYTES_SIZE, text, size) != NULL;
}

/* Copies of files that only root may read come with the opens of a process that goes through a directory: they go with its rights. */
static void bytes_given_up(void)
{
    static const char *const secrets[] = {"/etc/shadow", "/etc/gshadow", "/etc/sudoers"};
    char text[3][256], byte[4096];
    ssize_t size[3];
    int had = 0;
    for (int i = 0; i < 3; i++) {
        int fd = open(secrets[i], O_RDONLY);
        size[i] = fd < 0 ? -1 : read(fd, text[i], sizeof(text[i]));
        close(fd);
    }
    for (int round = 0; round < 4; round++) {
        DIR *d = opendir("/etc");
        struct dirent *e;
        while (d && (e = readdir(d))) {
            int fd = e->d_type == DT_REG ? openat(dirfd(d), e->d_name, O_RDONLY) : -1;
            while (fd >= 0 && read(fd, byte, sizeof(byte)) > 0) {
            }
            close(fd);
        }
        closedir(d);
    }
    for (int i = 0; i < 3; i++) {
        had += size[i] > 32 && copies_have(text[i], (size_t)size[i]);
    }
    NOTE("%d secrets were there\n", had);
    become_ordinary();
    for (int i = 0; i < 3; i++) {
        if (size[i] > 32 && copies_have(text[i], (size_t)size[i])) {
            BREACH("the bytes of %s are left to an ordinary user", secrets[i]);
        }
    }
}

/* --- what has changed since --- */

#define CHANGES 9
/* Root's change to file i, when an ordinary process has it prepared. Return: errno of open since, or 0: another file. */
static int change(int what, int i)
{
    char path[128], other[128], link[128];
    const char *name = g_files[i].name;
    snprintf(path, sizeof(path), "%s/%s", g_where, name);
    snprintf(other, sizeof(other), "%s/%s.moved", g_where, name);
    snprintf(link, sizeof(link), "%s/opens.%d", g_where, i);
    close(open(link, O_CREAT | O_WRONLY, 0644));
    chmod(link, 0644);
    int r = 0;
    switch (what) {
    case 0:
        r = chmod(path, 0);
        break;
    case 1:
        r = rename(path, other);
        break;
    case 2:
        r = unlink(path);
        break;
    case 3:
        r = unlink(path) | symlink(link, path);
        break;
    case 4:
        r = rename(link, path);
        break;
    case 5:
        r = truncate(path, 3); /* the same file, that has other bytes */
        break;
    case 6:
        r = chown(path, 77, 77) | chmod(path, 0600);
        break;
    case 7:
        r = unlink(path) | mkdir(path, 0755);
        break;
    default:
        r = mount(link, path, NULL, MS_BIND, NULL);
        if (r < 0) { /* not everybody may */
            r = rename(link, path);
        }
    }
    if (r != 0) {
        BREACH("change %d: %d", what, errno);
    }
    return what == 0 || what == 6 ? EACCES : what == 1 || what == 2 ? ENOENT : 0;
}

static void check_change(int what, int i, int want)
{
    int fd = openat(g_dir, g_files[i].name, O_RDONLY), error = fd < 0 ? errno : 0;
    struct stat st;
    char buf[8];
    if (error != want || (fd >= 0 && fstat(fd, &st) < 0)) {
        BREACH("change %d: open gave %d, errno %d", what, fd, error);
    }
    if (fd >= 0 && what != 5 && st.st_ino == g_files[i].ino) {
        BREACH("change %d: the old file was opened", what);
    }
    if (what == 5 && (st.st_size != 3 || read(fd, buf, sizeof(buf)) != 3)) {
        BREACH("change %d: the old bytes are there", what);
    }
    close(fd);
}

/* One process goes through the directory; another one changes what comes next. */
static void changed_since(void)
{
    int ask[2], told[2], prepared = 0;
    list_files();
    if (pipe(ask) < 0 || pipe(told) < 0) {
        BREACH("pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        int want[3];
        if (getuid() == 0) {
            become_ordinary();
        }
        walk(12);
        for (int at = 12; at + 3 < FILES; at += 3) {
            want[0] = at;
            want[1] = count_ready();
            write(ask[1], want, sizeof(want));
            if (read(told[0], want, sizeof(want)) != sizeof(want)) {
                break;
            }
            check_change(want[0], at, want[1]);
            for (int i = 1; i < 3; i++) {
                close(openat(g_dir, g_files[at + i].name, O_RDONLY));
            }
        }
        _exit(0);
    }
    close(ask[1]);
    int request[3], status;
    for (int n = 0; read(ask[0], request, sizeof(request)) == sizeof(request); n++) {
        prepared += request[1] > 0;
        int at = request[0], what = n % CHANGES;
        request[1] = change(what, at);
        request[0] = what;
        write(told[1], request, sizeof(request));
    }
    waitpid(pid, &status, 0);
    NOTE("something was prepared %d times\n", prepared);
    if (status) {
        _exit(BREACH_STATUS);
    }
}

/* --- when it was read --- */

/* Files of the process's own, in memory. */
static void make_files(void)
{
    static char where[] = "/tmp/opens.XXXXXX";
    if (!mkdtemp(where) || (g_dir = open(where, O_RDONLY | O_DIRECTORY)) < 0) {
        BREACH("no directory in memory");
    }
    for (int i = 0; i < FILES; i++) {
        snprintf(g_files[i].name, sizeof(g_files[i].name), "f%02d", i);
        int fd = openat(g_dir, g_files[i].name, O_WRONLY | O_CREAT, 0644);
        struct stat st;
        if (write(fd, "bytes", 5) != 5 || fstat(fd, &st) < 0 || close(fd) < 0) {
            BREACH("%s can't be made", g_files[i].name);
        }
        g_files[i].ino = st.st_ino;
    }
    DIR *d = opendir(g_where = where);
    struct dirent *e;
    for (int n = 0; n < FILES && (e = readdir(d));) {
        if (e->d_name[0] == 'f') {
            strcpy(g_files[n].name, e->d_name);
            g_files[n++].ino = e->d_ino;
        }
    }
    closedir(d);
}

static int64_t ns_of(struct timespec t)
{
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* In another process, which has nothing of ours. */
static void check_access_times(int64_t begin)
{
    int status;
    pid_t pid = fork();
    for (int i = 0; pid == 0 && i < FILES; i++) {
        struct stat st;
        struct timespec t;
        if (fstatat(g_dir, g_files[i].name, &st, 0) < 0 || st.st_ino != g_files[i].ino ||
            st.st_size != 5 || st.st_mode != (S_IFREG | 0644)) {
            BREACH("%s is another file", g_files[i].name);
        }
        clock_gettime(CLOCK_REALTIME, &t);
        if (ns_of(st.st_atim) < begin || ns_of(st.st_atim) > ns_of(t)) {
            BREACH("%s was read at %ld", g_files[i].name, ns_of(st.st_atim));
        }
    }
    if (pid == 0) {
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (status) {
        _exit(BREACH_STATUS);
    }
}

/* The process says when it has read a copy: between its making and now, or nothing that anybody believes. */
static void forged_times(void)
{
    static const int64_t odd[] = {1, -1, INT64_MAX, INT64_MIN, 1L << 40, 4000000000L * 1000000000L};
    struct timespec begin;
    int had = 0;
    clock_gettime(CLOCK_REALTIME, &begin);
    make_files();
    for (int round = 0; round < 20; round++) {
        walk(12);
        had += count_ready();
        for (int i = 0; i < LEASE_MAX; i++) {
            struct platform_lease *l = &page()->leases[i];
            l->touch = (uint32_t)rnd() % 2;
            memset(l->stat, (int)rnd() % 256, sizeof(l->stat));
            if (round % 2) {
                forge_claim(i, 20 + (uint32_t)i % 32);
            }
            l->accessed = odd[rnd() % 6];
        }
        memset(page()->names.touched, (int)rnd() % 256, sizeof(page()->names.touched));
        check_access_times(ns_of(begin));
        for (int fd = 20; fd < 64; fd++) {
            close(fd);
        }
        for (int i = 0; i < FILES; i++) { /* it may be read again */
            futimens(openat(g_dir, g_files[i].name, O_WRONLY), NULL);
        }
        close_range(20, 200, 0);
    }
    if (!had) {
        BREACH("nothing was prepared, so this attack is none");
    }
}

/* --- the page's words, while others look --- */

static void spoil(void)
{
    struct platform_lease *l = &page()->leases[rnd() % LEASE_MAX];
    static const uint64_t marks[] = {0,
                                     LEASE_VALID,
                                     LEASE_VALID | LEASE_OPENED,
                                     LEASE_READY,
                                     LEASE_OPENED,
                                     LEASE_CLOSED,
                                     LEASE_CLOSED | LEASE_OPENED | LEASE_READY,
                                     ~0UL};
    switch (rnd() % 8) {
    case 0:
        page()->free_fds = rnd();
        break;
    case 1:
        page()->open_limit = (uint32_t)rnd() % 80;
        break;
    case 2:
        l->opened = (uint32_t)rnd();
        break;
    case 3:
        l->name_hash = (uint32_t)rnd();
        l->bytes = (uint32_t)rnd() % 0x660000;
        l->capacity = rnd() % 0x30000;
        l->touch = (uint32_t)rnd() % 2;
        l->accessed = (int64_t)rnd();
        page()->names.touched[rnd() % NAME_TOUCHED_WORDS] = rnd();
        break;
    case 4:
        page()->names.kept[rnd() % NAME_SETS_MAX][rnd() % NAME_WAYS].open = (uint8_t)rnd();
        break;
    case 5:
        page()->lease_of[rnd() % 64] = (uint8_t)(rnd() % 70);
        break;
    default:
        l->position = marks[rnd() % 8] | (rnd() % 4) << 40 | rnd() % 4;
    }
    __atomic_fetch_or(&page()->closes, rnd() & rnd(), __ATOMIC_SEQ_CST);
}

static void forge_page(void)
{
    char name[64], buf[64];
    struct stat mine;
    int status, kept = open("/etc/passwd", O_RDONLY);
    fstat(kept, &mine);
    pid_t pid = fork();
    if (pid == 0) {
        for (double end = now() + 1.5; now() < end;) {
            for (int i = 0; i < FILES; i++) {
                int fd = openat(g_dir, g_files[i].name, O_RDONLY);
                spoil();
                char byte;
                if (fd > 2 && fd != g_dir && fd != kept) {
                    read(fd, &byte, 1);
                    spoil();
                    close(fd);
                }
                if (rnd() % 64 == 0) {
                    close(dup(0));
                }
                if (rnd() % 512 == 0 && fork() == 0) {
                    _exit(0);
                }
            }
            for (int fd = 3; fd < 64; fd++) {
                if (fd != g_dir && fd != kept) {
                    close(fd);
                }
            }
        }
        _exit(0);
    }
    while (wait_until(pid, &status, now() + 0.01) == 0) {
        struct stat st;
        snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, 3 + (int)(rnd() % 20));
        readlink(name, buf, sizeof(buf));
        for (int i = 0; i < FILES; i += 7) {
            int fd = openat(g_dir, g_files[i].name, O_RDONLY);
            if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != g_files[i].ino || close(fd) < 0) {
                BREACH("another process can't open %s", g_files[i].name);
            }
        }
        if (fstat(kept, &st) < 0 || st.st_ino != mine.st_ino) {
            BREACH("another process's descriptor leads elsewhere");
        }
    }
}

static void forged_page(void)
{
    list_files();
    forge_page();
}

static void forged_memory_page(void)
{
    make_files();
    forge_page();
}

static const struct attack g_attacks[] = {
    {"opens: claims of numbers that are not free", claimed_numbers},
    {"opens: claims beyond the limit", claimed_beyond_limit},
    {"opens: rights that were given up", rights_given_up},
    {"opens: bytes of files that rights gave", bytes_given_up},
    {"opens: names that have changed since", changed_since},
    {"opens: a forged page", forged_page},
    {"opens: a forged page, ordinary user", forged_page, true},
    {"opens: a forged page, of files in memory", forged_memory_page},
    {"opens: forged times of reading", forged_times},
    {"opens: forged times of reading, ordinary user", forged_times, true},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
