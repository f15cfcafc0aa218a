/*
 * Builds what the gofer will serve: each host directory becomes a private, detached copy of its
 * mounts, known only by a file descriptor; the process's own root is empty. A single file is bound
 * into a directory of that root, by itself.
 */
#include "runtime/gofer_main.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gofer/gofer.h"
#include "lib/hostfilter.h"
#include "runtime/error.h"

#define CAP_BIT(cap) (1ULL << (cap))

static struct gofer_root g_roots[CONFIG_MAX_TREES];

static void clone_failed(const struct tree *t, int error)
{
    fail(EXIT_SANDBOX,
         "%s: can't be served: %s: give a directory that you can read on a file system that "
         "can be bind-mounted",
         t->host, strerror(error));
}

static uint32_t directory_mode(const char *file)
{
    struct stat st;
    char dir[4096];
    snprintf(dir, sizeof(dir), "%s", file);
    char *slash = strrchr(dir, '/');
    slash[slash == dir] = 0;
    return stat(dir, &st) == 0 ? st.st_mode & 01777 : 0755;
}

/* Current directory: the future root. Binds the file there as <index>/<name>. */
static void bind_file(const struct tree *t, size_t index)
{
    char path[512];
    snprintf(path, sizeof(path), "%zu", index);
    uint32_t mode = directory_mode(t->host);
    if (mkdir(path, 0700) < 0) {
        clone_failed(t, errno);
    }
    AUTO_FD dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD at = openat(dir, t->only_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    int file = wall_clone_tree(t->host, false);
    if (at < 0 || file < 0) {
        clone_failed(t, file < 0 ? -file : errno);
    }
    if (syscall(SYS_move_mount, file, "", dir, t->only_file, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
        fchmodat(AT_FDCWD, path, mode, 0) < 0) {
        clone_failed(t, errno);
    }
    close(file);
}

static void bind_files(void *arg)
{
    const struct config *c = arg;
    umask(0);
    for (size_t i = 0; i < c->tree_count; i++) {
        if (c->trees[i].only_file) {
            bind_file(&c->trees[i], i);
        }
    }
}

static void open_roots(const struct config *c)
{
    for (size_t i = 0; i < c->tree_count; i++) {
        const struct tree *t = &c->trees[i];
        g_roots[i] = (struct gofer_root){
            .fd = -1, .writable = t->writable, .world_readable_only = t->world_only};
        if (!t->only_file) {
            g_roots[i].fd = wall_clone_tree(t->host, t->writable);
            if (g_roots[i].fd < 0) {
                clone_failed(t, -g_roots[i].fd);
            }
        }
    }
}

static void open_file_roots(const struct config *c)
{
    for (size_t i = 0; i < c->tree_count; i++) {
        if (c->trees[i].only_file) {
            char path[32];
            snprintf(path, sizeof(path), "/%zu", i);
            g_roots[i].fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
            if (g_roots[i].fd < 0) {
                clone_failed(&c->trees[i], errno);
            }
        }
    }
}

/* A root caller without --host=all or binds needs no more than its files' mode bits give. */
static uint64_t kept_capabilities(const struct config *c)
{
    uint64_t caps = 0;
    if (c->read_any && geteuid() == 0) {
        caps |= CAP_BIT(CAP_DAC_READ_SEARCH);
    }
    if (c->write_any && geteuid() == 0) {
        caps |= CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_FOWNER);
    }
    return caps;
}

static void replace_stdio(void)
{
    AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) {
        fail(EXIT_SANDBOX, "/dev/null: %s: the host needs one", strerror(errno));
    }
}

NORETURN void gofer_main(struct wall *w)
{
    const struct config *c = w->config;
    const int keep[] = {0, 1, 2, w->control_inside, w->gofer_server, c->log_fd};
    mallopt(M_ARENA_MAX, 1); /* other arenas open files in /proc */
    log_set_process("gofer");
    wall_enter(w, keep, ARRAY_COUNT(keep));
    replace_stdio();
    open_roots(c);
    wall_empty_root(bind_files, (void *)(uintptr_t)c);
    open_file_roots(c);
    uint64_t caps = kept_capabilities(c);
    wall_drop_privileges(w, caps, false);
    prctl(PR_SET_DUMPABLE, 0);
    static struct gofer_config config;
    config = (struct gofer_config){.sock = w->gofer_server,
                                   .roots = g_roots,
                                   .root_count = c->tree_count,
                                   .map_unmapped_owner = geteuid() != 0,
                                   .dac_override = caps != 0};
    const struct hostfilter_params params = {.proc_fd = -1};
    int r = hostfilter_install(HOST_GOFER, &params);
    if (r < 0) {
        fail(EXIT_SANDBOX, "gofer's host filter: %s: the host needs seccomp", strerror(-r));
    }
    log_debug("serving %zu trees", c->tree_count);
    r = gofer_run(&config);
    fail(EXIT_SANDBOX, "starting the gofer: %s: memory or processes are short", strerror(-r));
}
