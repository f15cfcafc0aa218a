/*
 * The host's side of the tests: looks at the processes of one sandbox from outside, all the time, for what no guest
 * may ever have, however it came by it. Guests are below argv[1]; argv[2] is the engine.
 *
 *   in each look   a guest process is a child of the sentry, in its namespaces, without capabilities, under a
 *                  filter, without new privileges, without an fd that can do more than be mapped; its stub's text
 *                  is the image, not writable; the page that all guests read is not writable
 *   at rest        (a line on stdin asks) there are as many guest processes as at the first rest
 *
 * Answers each line with "ok" or with what it saw since the last one.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "platform/stub/layout.h"

#define LOOK_MS 15
#define REST_MS 20000 /* many that die at once take their time on a busy machine */
static const char *const g_namespaces[] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"};
#define NAMESPACES (sizeof(g_namespaces) / sizeof(g_namespaces[0]))

static bool g_seccomp;   /* and not ptrace, whose guests make no system calls of their own */
static char g_seen[400]; /* the first violation since the last line */
static int g_sentry, g_guests, g_baseline = -1;
static char g_sentry_ns[NAMESPACES][64];

static void violation(int pid, const char *format, ...)
{
    va_list args;
    if (g_seen[0] || g_baseline < 0) { /* the first guest of all is born outside its wall */
        return;
    }
    int n = snprintf(g_seen, sizeof(g_seen), "guest process %d: ", pid);
    va_start(args, format);
    vsnprintf(g_seen + n, sizeof(g_seen) - (size_t)n, format, args);
    va_end(args);
    g_seen[strcspn(g_seen, "\n")] = 0;
}

/* Return: bytes; 0 when the process is gone, or not ours to look at. */
static size_t slurp(int pid, const char *name, char *buf, size_t size)
{
    char path[64];
    size_t done = 0;
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n;
         fd >= 0 && done < size - 1 && (n = read(fd, buf + done, size - 1 - done)) > 0;) {
        done += (size_t)n;
    }
    if (fd >= 0) {
        close(fd);
    }
    buf[done] = 0;
    return done;
}
static bool link_of(int pid, const char *name, char *buf, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    ssize_t n = readlink(path, buf, size - 1);
    buf[n > 0 ? n : 0] = 0;
    return n > 0;
}

static uint64_t field(const char *status, const char *name, int base)
{
    const char *p = strstr(status, name);
    return p ? strtoull(p + strlen(name), NULL, base) : ~0ULL;
}

static void look_at_status(int pid)
{
    static const char *const none[] = {"\nCapInh:", "\nCapPrm:", "\nCapEff:", "\nCapAmb:"};
    char status[4096];
    if (!slurp(pid, "status", status, sizeof(status)) || strstr(status, "State:\tZ") ||
        strstr(status, "State:\tX")) {
        return;
    }
    for (int i = 0; i < 4; i++) {
        if (field(status, none[i], 16)) {
            violation(pid, "%s %lx", none[i] + 1, field(status, none[i], 16));
        }
    }
    if (field(status, "\nNoNewPrivs:", 10) != 1) {
        violation(pid, "it may gain privileges");
    }
    if (g_seccomp && field(status, "\nSeccomp:", 10) != 2) {
        violation(pid, "it has no filter");
    }
    if ((int)field(status, "\nPPid:", 10) != g_sentry) {
        violation(pid, "its parent is %d, not the sentry, %d", (int)field(status, "\nPPid:", 10),
                  g_sentry);
    }
}

static void look_at_namespaces(int pid)
{
    char name[32], link[64];
    for (size_t i = 0; i < NAMESPACES; i++) {
        snprintf(name, sizeof(name), "ns/%s", g_namespaces[i]);
        if (!g_sentry_ns[i][0]) {
            link_of(g_sentry, name, g_sentry_ns[i], sizeof(g_sentry_ns[i]));
        }
        if (link_of(pid, name, link, sizeof(link)) && strcmp(link, g_sentry_ns[i]) != 0) {
            violation(pid, "%s, the sentry's is %s", link, g_sentry_ns[i]);
        }
    }
}

/* What an fd is does not matter as long as the gate only lets it be mapped; but these have other uses. */
static void look_at_fds(int pid)
{
    char path[64], link[256], info[512], name[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!isdigit(e->d_name[0])) {
            continue;
        }
        int fd = atoi(e->d_name);
        snprintf(name, sizeof(name), "fd/%d", fd);
        if (!link_of(pid, name, link, sizeof(link))) {
            continue;
        }
        if (link[0] != '/' || fd < STUB_FD_CHAN) {
            violation(pid, "fd %d is %s", fd, link);
        }
        snprintf(name, sizeof(name), "fdinfo/%d", fd);
        if (STUB_FD_IS_MAPPABLE(fd) && slurp(pid, name, info, sizeof(info)) &&
            (field(info, "\nflags:", 8) & O_ACCMODE) != O_RDONLY) {
            violation(pid, "fd %d, %s, is writable", fd, link);
        }
    }
    if (d) {
        closedir(d);
    }
}

/* It runs a program: the sandbox keeps processes ready for programs to come, now one, now none, which have code but no stack yet. */
static bool g_has_stack;

/* Return: false when there are mappings, but not that of the stub's text. */
static bool look_at_maps(int pid)
{
    static char maps[1 << 20];
    bool text = false;
    g_has_stack = false;
    if (!slurp(pid, "maps", maps, sizeof(maps))) {
        return true;
    }
    for (char *save, *line = strtok_r(maps, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        uint64_t start, end;
        char prot[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, prot) != 3) {
            continue;
        }
        g_has_stack |= start >> 40 == 0x7f && !strcmp(prot, "rw-p");
        if (start >> 32 != SLICE_HI) {
            continue;
        }
        if (strchr(prot, 'w') && strchr(prot, 'x')) {
            violation(pid, "writable code in the slice: %s", line);
        }
        if (start < STUB_TEXT_END && end > STUB_TEXT &&
            (strchr(prot, 'w') || !strstr(line, "memfd:stub"))) {
            violation(pid, "the stub's text is %s", line);
        }
        if (start < STUB_RO + STUB_RO_SIZE && end > STUB_RO &&
            (strchr(prot, 'w') || !strstr(line, "memfd:ro"))) {
            violation(pid, "the shared page is %s", line);
        }
        text |= start <= STUB_TEXT && end > STUB_TEXT;
    }
    return text;
}

static void look_at_guest(int pid, int parent)
{
    if (!g_sentry) {
        g_sentry = parent;
    }
    look_at_status(pid);
    look_at_namespaces(pid);
    if (g_seccomp) {
        look_at_fds(pid);
        if (!look_at_maps(pid)) {
            usleep(50000); /* in the midst of an exec? */
            if (!look_at_maps(pid)) {
                violation(pid, "it has lost its stub");
            }
        }
    }
    g_guests += g_has_stack || !g_seccomp;
}

static void look_below(int pid, int depth)
{
    char path[64], list[65536], exe[256];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *d = depth < 10 ? opendir(path) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!isdigit(e->d_name[0])) {
            continue;
        }
        snprintf(path, sizeof(path), "task/%s/children", e->d_name);
        if (!slurp(pid, path, list, sizeof(list))) {
            continue;
        }
        char *next = list;
        for (int child; (child = (int)strtol(next, &next, 10)) > 0;) {
            if (link_of(child, "exe", exe, sizeof(exe)) && strstr(exe, "memfd:stub")) {
                look_at_guest(child, pid);
            }
            look_below(child, depth + 1);
        }
    }
    if (d) {
        closedir(d);
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Return: how many guest processes there are. */
static int look(int root)
{
    g_guests = 0;
    look_below(root, 0);
    return g_guests;
}

static void rest(int root)
{
    int64_t end = now_ms() + REST_MS;
    int count = look(root);
    while (g_baseline >= 0 && count > g_baseline && now_ms() < end) {
        usleep(20000);
        count = look(root);
    }
    if (g_baseline < 0) {
        g_baseline = count;
    }
    if (count == 0) {
        printf("no guest process is to be seen\n");
    } else if (count > g_baseline) {
        printf("%d guest processes are left, %d were there before\n", count, g_baseline);
        g_baseline = count; /* so that the next attack is not blamed for it */
    } else {
        printf("%s\n", g_seen[0] ? g_seen : "ok");
    }
    g_seen[0] = 0;
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    int root = atoi(argv[1]), wait = LOOK_MS;
    g_seccomp = strcmp(argv[2], "seccomp") == 0;
    for (;;) {
        struct pollfd p = {.fd = 0, .events = POLLIN};
        char line[256];
        int64_t start;
        if (poll(&p, 1, wait) > 0) {
            if (read(0, line, sizeof(line)) <= 0) {
                return 0;
            }
            rest(root);
            continue;
        }
        start = now_ms();
        look(root);
        wait = (int)(LOOK_MS + 4 * (now_ms() - start)); /* many processes: look less often */
    }
}
