#include "runtime/wall.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/host.h"
#include "runtime/error.h"
#include "runtime/gofer_main.h"
#include "runtime/sentry_main.h"

#define NOBODY       65534u
#define RESERVED_FDS 16384u

#ifndef MS_PRIVATE
#define MS_PRIVATE (1 << 18)
#endif
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
int umount2(const char *target, int flags);

/* A fork with namespaces. The caller has one thread, so that the child may go on as it is. */
static pid_t clone_process(unsigned long flags)
{
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

/* --- front --- */

static int write_file(const char *path, const char *text)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n = host_write(fd, text, strlen(text));
    return n < 0 ? (int)n : 0;
}

/* The ids that this user namespace has, each mapped to itself: "first first count" a line. */
static void identity_map(const char *own_map, char *out, size_t size)
{
    size_t used = 0;
    unsigned first, outside, count;
    FILE *f = fopen(own_map, "re");
    while (f && fscanf(f, "%u %u %u", &first, &outside, &count) == 3 && used < size) {
        used += (size_t)snprintf(out + used, size - used, "%u %u %u\n", first, first, count);
    }
    if (f) {
        fclose(f);
    }
}

static void map_ids(pid_t pid)
{
    char path[64], uid_map[4096] = "", gid_map[4096] = "";
    int r = 0;
    if (geteuid() == 0) {
        identity_map("/proc/self/uid_map", uid_map, sizeof(uid_map));
        identity_map("/proc/self/gid_map", gid_map, sizeof(gid_map));
    } else {
        snprintf(uid_map, sizeof(uid_map), "%u %u 1\n", geteuid(), geteuid());
        snprintf(gid_map, sizeof(gid_map), "%u %u 1\n", getegid(), getegid());
        snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
        r = write_file(path, "deny");
    }
    snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
    r = r < 0 ? r : write_file(path, uid_map);
    snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
    r = r < 0 ? r : write_file(path, gid_map);
    if (r < 0) {
        kill(pid, SIGKILL);
        fail(EXIT_SANDBOX,
             "user namespace: mapping ids: %s: is /proc mounted, and are user namespaces "
             "allowed for you?",
             strerror(-r));
    }
}

NORETURN static void setup_process(struct wall *w, int go)
{
    char byte;
    close(w->control_front); /* else its end is not seen by those who wait for it */
    error_use_control(w->control_inside);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || read(go, &byte, 1) != 1) {
        _exit(EXIT_SANDBOX); /* the front is gone */
    }
    close(go);
    if (w->gofer_server >= 0) {
        pid_t gofer = clone_process(CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS);
        if (gofer == 0) {
            gofer_main(w);
        }
        if (gofer < 0) {
            fail(EXIT_SANDBOX,
                 "making the gofer process: %s: check limits on processes and namespaces",
                 strerror(errno));
        }
        w->pids->gofer = gofer;
    }
    pid_t sentry = clone_process(CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS);
    if (sentry == 0) {
        sentry_main(w);
    }
    if (sentry < 0) {
        fail(EXIT_SANDBOX,
             "making the sentry process: %s: check limits on processes and namespaces",
             strerror(errno));
    }
    w->pids->sentry = sentry;
    _exit(0);
}

void wall_start(struct wall *w, int cgroup_procs_fd)
{
    int control[2], files[2] = {-1, -1}, go[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
        pipe2(go, O_CLOEXEC) < 0 ||
        (w->config->tree_count &&
         socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, files) < 0)) {
        fail(EXIT_SANDBOX, "start: %s: raise the limit of open files", strerror(errno));
    }
    w->control_front = control[0];
    w->control_inside = control[1];
    w->gofer_server = files[0];
    w->gofer_client = files[1];
    w->pids = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w->pids == MAP_FAILED) {
        fail(EXIT_SANDBOX, "start: %s: memory is short", strerror(errno));
    }
    w->setup =
        clone_process(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
    if (w->setup < 0) {
        fail(EXIT_SANDBOX,
             "user namespace: %s: allow user namespaces on this host (sysctl "
             "user.max_user_namespaces, "
             "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)",
             strerror(errno));
    }
    if (w->setup == 0) {
        close(go[1]);
        setup_process(w, go[0]);
    }
    close(go[0]);
    close(control[1]);
    host_close(files[0]);
    host_close(files[1]);
    map_ids(w->setup);
    char pid[16];
    int size = snprintf(pid, sizeof(pid), "%d", w->setup);
    if (cgroup_procs_fd >= 0 && write(cgroup_procs_fd, pid, (size_t)size) < 0) {
        kill(w->setup, SIGKILL);
        fail(EXIT_SANDBOX, "--memory: entering the cgroup: %s: leave --memory out",
             strerror(errno));
    }
    if (write(go[1], "g", 1) != 1) {
        fail(EXIT_SANDBOX, "start: %s: try again", strerror(errno));
    }
    close(go[1]);
}

/* --- gofer and sentry --- */

static int compare_int(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void close_all_but(const int *keep, size_t count)
{
    int sorted[16];
    size_t n = 0;
    for (size_t i = 0; i < count && n < ARRAY_COUNT(sorted); i++) {
        if (keep[i] >= 0) {
            sorted[n++] = keep[i];
        }
    }
    qsort(sorted, n, sizeof(int), compare_int);
    unsigned next = 0;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned)sorted[i] > next) {
            syscall(SYS_close_range, next, (unsigned)sorted[i] - 1, 0);
        }
        next = (unsigned)sorted[i] + 1;
    }
    if (syscall(SYS_close_range, next, ~0U, 0) < 0) {
        fail(EXIT_SANDBOX, "close_range: %s: Linux 5.9 or newer is needed", strerror(errno));
    }
}

/* What the caller did not pass on must not lie about in a process that may be taken over. */
static void wipe_environment(void)
{
    for (char **e = environ; *e; e++) {
        explicit_bzero(*e, strlen(*e));
    }
    *environ = NULL;
}

/*
 * Makes the table of fds large while this process has one thread. With more, the host kernel waits for an RCU
 * grace period each time that the table has to grow: 5-20 ms in the middle of some call.
 */
static void reserve_fds(int any_fd, rlim_t limit)
{
    int fd = fcntl(any_fd, F_DUPFD_CLOEXEC, (int)MIN(limit, (rlim_t)RESERVED_FDS) - 1);
    if (fd >= 0) {
        close(fd);
    }
}

void wall_enter(const struct wall *w, const int *keep, size_t count)
{
    struct pollfd front = {.fd = w->control_inside};
    struct rlimit limit;
    /* The front's death is seen either by the signal or, if it came before, by the socket. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&front, 1, 0) < 0 ||
        (front.revents & POLLHUP)) {
        _exit(EXIT_SANDBOX);
    }
    close_all_but(keep, count);
    wipe_environment();
    setsid(); /* the terminal's signals go to the front alone, which passes them on */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        reserve_fds(w->control_inside, limit.rlim_cur);
    }
    limit = (struct rlimit){0, 0};
    setrlimit(RLIMIT_CORE, &limit);
}

int wall_proc_fd(void)
{
    int mount_fd = -1;
    AUTO_FD fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
    if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "subset", "pid", 0) == 0 &&
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
        mount_fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                                MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                                    MOUNT_ATTR_RDONLY);
    }
    return mount_fd; /* some containers hide parts of /proc, and then nobody inside may mount one */
}

int wall_clone_tree(const char *path, bool writable)
{
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path,
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0) {
        return -errno;
    }
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                              .propagation = MS_PRIVATE};
    if (!writable) {
        attr.attr_set |= MOUNT_ATTR_RDONLY;
    }
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static void mount_failed(const char *what)
{
    fail(EXIT_SANDBOX,
         "mount namespace: %s: %s: Linux 5.12 or newer is needed, and no policy may forbid it",
         what, strerror(errno));
}

/*
 * A fresh tmpfs is put over a directory that is there for sure, becomes the root, and what was the
 * root is detached: from then on the host's files have no name here.
 */
void wall_empty_root(void (*prepare)(void *arg), void *arg)
{
    AUTO_FD fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        mount_failed("tmpfs");
    }
    AUTO_FD root = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                                MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (root < 0 ||
        syscall(SYS_move_mount, root, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
        fchdir(root) < 0) {
        mount_failed("empty root");
    }
    if (prepare) {
        prepare(arg);
    }
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
        mount_failed("pivot_root");
    }
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0) {
        mount_failed("read-only root");
    }
}

static void set_capabilities(uint64_t caps)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
        {.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)}};
    if (syscall(SYS_capset, &header, data) < 0) {
        fail(EXIT_SANDBOX, "dropping capabilities: %s", strerror(errno));
    }
}

void wall_drop_privileges(const struct wall *w, uint64_t keep_caps, bool unprivileged_uid)
{
    (void)w;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        fail(EXIT_SANDBOX, "no_new_privs: %s", strerror(errno));
    }
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            fail(EXIT_SANDBOX, "dropping capabilities: %s", strerror(errno));
        }
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* A root caller's map has nobody, unless a container around us leaves it out: then root without
     * capabilities and without any file to own is what remains. */
    if (unprivileged_uid && geteuid() == 0) {
        if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
            setresuid(NOBODY, NOBODY, NOBODY) == 0) {
            prctl(PR_SET_DUMPABLE, 1); /* its stubs' memory must stay open to it */
        }
    }
    set_capabilities(keep_caps);
    /* Changing ids took the death signal away. */
    struct pollfd front = {.fd = w->control_inside};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&front, 1, 0) < 0 ||
        (front.revents & POLLHUP)) {
        _exit(EXIT_SANDBOX);
    }
}
