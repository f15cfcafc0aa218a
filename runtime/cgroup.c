/*
 * cgroup v2 and v1 memory controllers, below the caller's own cgroup. The directory has to vanish
 * even when the front process is killed, so a janitor process outside of the sandbox waits for
 * that and removes it.
 */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host.h"

static int write_at(const char *dir, const char *name, const char *text)
{
    char path[640];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n = host_write(fd, text, strlen(text));
    return n < 0 ? (int)n : 0;
}

/* This process's cgroup for a controller ("memory"), or of v2 (""). */
static int own_cgroup(const char *controller, char *out, size_t size)
{
    char line[512];
    int r = -ENOENT;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && r < 0 && fgets(line, sizeof(line), f)) {
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (path) {
            *path++ = 0;
            path[strcspn(path, "\n")] = 0;
            if (!strcmp(names + 1, controller)) {
                snprintf(out, size, "%s", path);
                r = 0;
            }
        }
    }
    if (f) {
        fclose(f);
    }
    return r;
}

static int try_in(struct cgroup *g, const char *mount_point, const char *controller,
                  const char *limit_file, uint64_t bytes)
{
    char own[256], limit[32];
    snprintf(limit, sizeof(limit), "%llu", (unsigned long long)bytes);
    int r = own_cgroup(controller, own, sizeof(own));
    if (r < 0) {
        return r;
    }
    snprintf(g->path, sizeof(g->path), "%s%s/sandbox-%d", mount_point, strcmp(own, "/") ? own : "",
             getpid());
    if (mkdir(g->path, 0755) < 0) {
        g->path[0] = 0;
        return -errno;
    }
    r = write_at(g->path, limit_file, limit);
    if (r == 0) {
        char procs[640];
        snprintf(procs, sizeof(procs), "%s/cgroup.procs", g->path);
        g->procs_fd = open(procs, O_WRONLY | O_CLOEXEC);
        r = g->procs_fd < 0 ? -errno : 0;
    }
    if (r < 0) {
        rmdir(g->path);
        g->path[0] = 0;
    }
    return r;
}

/* Processes that are being killed stay in their cgroup for a moment. */
static void remove_patiently(const char *path)
{
    for (int i = 0; i < 500 && rmdir(path) < 0 && errno == EBUSY; i++) {
        usleep(10 * 1000);
    }
}

/* Outlives the front when that is killed; nobody else has the other end of the pipe. */
static int start_janitor(const char *path)
{
    int alive[2];
    if (pipe2(alive, O_CLOEXEC) < 0) {
        return -1;
    }
    int pid = fork();
    if (pid == 0) {
        char byte;
        setsid();
        close(alive[1]);
        dup2(alive[0], 0);
        syscall(SYS_close_range, 1, ~0U, 0);
        if (read(0, &byte, 1) <= 0) {
            remove_patiently(path);
        }
        _exit(0);
    }
    close(
        alive[0]); /* the write end stays open until this process ends, closed in those it makes */
    return pid;
}

int cgroup_make(struct cgroup *g, uint64_t memory_bytes)
{
    static const struct {
        const char *mount_point, *controller, *limit_file;
    } ways[] = {
        {"/sys/fs/cgroup", "", "memory.max"},
        {"/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes"},
        {"/sys/fs/cgroup/unified", "", "memory.max"},
    };
    int r = -ENOENT;
    *g = (struct cgroup){.procs_fd = -1, .janitor = -1};
    for (size_t i = 0; i < ARRAY_COUNT(ways) && r < 0; i++) {
        r = try_in(g, ways[i].mount_point, ways[i].controller, ways[i].limit_file, memory_bytes);
    }
    if (r == 0) {
        (void)!write_at(g->path, "memory.swap.max",
                        "0"); /* v2; without swap there is no such file */
        g->janitor = start_janitor(g->path);
    }
    return r;
}

void cgroup_remove(struct cgroup *g)
{
    if (!g->path[0]) {
        return;
    }
    remove_patiently(g->path);
    if (g->janitor > 0) {
        kill(g->janitor, SIGKILL);
        waitpid(g->janitor, NULL, 0);
    }
    g->path[0] = 0;
}
