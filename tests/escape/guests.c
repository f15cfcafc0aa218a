/*
 * Attacks through ordinary system calls on what is not the guest's: processes of the host and of other
 * sandboxes, namespaces, privileges that root has elsewhere, sockets of the host, its resources.
 */
#include "tests/escape/escape.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/un.h>

static int env_int(const char *name)
{
    const char *s = getenv(name);
    return s ? atoi(s) : 0;
}

static void signals(void)
{
    int victim = env_int("VICTIM");
    MUST_FAIL(kill(victim, SIGKILL));
    MUST_FAIL(kill(getppid() + 100000, SIGKILL));
    for (int pid = 1000; pid < 40000; pid += 7) {
        if (kill(pid, 0) == 0) {
            BREACH("there is a process %d", pid);
        }
    }
    MUST_FAIL(syscall(SYS_tgkill, victim, victim, SIGKILL));
    MUST_FAIL(syscall(SYS_pidfd_open, victim, 0));
    MUST_FAIL(kill(-victim, SIGKILL));
}
static void memory_of_others(void)
{
    int victim = env_int("VICTIM");
    char buf[64];
    struct iovec local = {buf, 64}, remote = {(void *)0x400000, 64};
    const int pids[] = {victim, 1, 100000};
    for (int i = 0; i < 3; i++) {
        MUST_FAIL(process_vm_readv(pids[i], &local, 1, &remote, 1, 0));
        MUST_FAIL(process_vm_writev(pids[i], &local, 1, &remote, 1, 0));
        MUST_FAIL(syscall(SYS_ptrace, 16, pids[i], 0, 0));
        snprintf(buf, sizeof(buf), "/proc/%d/mem", pids[i]);
        int fd = open(buf, O_RDWR);
        if (fd >= 0 && pread(fd, buf, 1, 0x400000) > 0) {
            BREACH("memory of %d", pids[i]);
        }
    }
}
static void namespaces(void)
{
    char path[64];
    static const char *const names[] = {"user", "pid", "mnt",    "net",
                                        "ipc",  "uts", "cgroup", "time"};
    for (int pid = 0; pid < 3; pid++) {
        for (int i = 0; i < 8; i++) {
            snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid ? pid : getpid(), names[i]);
            int fd = open(path, O_RDONLY);
            if (fd >= 0 && setns(fd, 0) == 0 && pid == 1) {
                BREACH("setns(%s)", path);
            }
        }
    }
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && mount("none", "/mnt", "sysfs", 0, NULL) == 0) {
        BREACH("sysfs was mounted");
    }
}
static void mounts(void)
{
    static const char *const kinds[] = {"sysfs",   "debugfs", "cgroup2",    "ext4",
                                        "overlay", "fuse",    "securityfs", "9p",
                                        "nfs",     "bpf",     "tracefs"};
    mkdir("/tmp/m", 0700);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        MUST_FAIL(mount("none", "/tmp/m", kinds[i], 0, ""));
        MUST_FAIL(mount("/dev/vda", "/tmp/m", kinds[i], 0, ""));
    }
    MUST_FAIL(syscall(SYS_pivot_root, "/tmp/m", "/tmp/m"));
    MUST_FAIL(syscall(SYS_open_tree, AT_FDCWD, getenv("CANARY"), 1));
    MUST_FAIL(syscall(SYS_fsopen, "sysfs", 0));
}
static void machine(void)
{
    static char buf[4096];
    struct timeval tv = {1, 1};
    MUST_FAIL(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, 0));
    MUST_FAIL(syscall(SYS_kexec_load, 0, 0, 0, 0));
    MUST_FAIL(syscall(SYS_init_module, buf, 100, ""));
    MUST_FAIL(syscall(SYS_finit_module, 0, "", 0));
    MUST_FAIL(syscall(SYS_delete_module, "x", 0));
    MUST_FAIL(syscall(SYS_iopl, 3));
    MUST_FAIL(syscall(SYS_ioperm, 0x60, 1, 1));
    MUST_FAIL(syscall(SYS_bpf, 5, buf, 120));
    MUST_FAIL(syscall(SYS_perf_event_open, buf, 0, -1, -1, 0));
    MUST_FAIL(syscall(SYS_userfaultfd, 0));
    MUST_FAIL(syscall(SYS_io_uring_setup, 8, buf));
    MUST_FAIL(syscall(SYS_swapon, "/dev/vda", 0));
    MUST_FAIL(syscall(SYS_acct, "/tmp/acct"));
    MUST_FAIL(syscall(SYS_quotactl, 0, "/dev/vda", 0, buf));
    MUST_FAIL(syscall(SYS_lookup_dcookie, 0, buf, 10));
    MUST_FAIL(syscall(SYS_vhangup));
    MUST_FAIL(syscall(SYS_keyctl, 0, -3, 1));
    MUST_FAIL(syscall(SYS_modify_ldt, 1, buf, 16));
}
static void sockets(void)
{
    static const int families[] = {AF_PACKET,
                                   AF_NETLINK,
                                   40 /* VSOCK */,
                                   38 /* ALG */,
                                   44 /* XDP */,
                                   31 /* BLUETOOTH */,
                                   29 /* CAN */,
                                   9 /* X25 */,
                                   21 /* RDS */,
                                   30 /* TIPC */,
                                   16};
    const char *name = getenv(
        "SECRET_START"); /* the socket's name begins so: tried with all endings that fit in time */
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)env_int("PORT"))};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        int fd = socket(families[i], SOCK_RAW, 0);
        if (fd >= 0 && families[i] != AF_NETLINK) {
            BREACH("socket of family %d", families[i]);
        }
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (void *)&in, sizeof(in)) == 0) {
        BREACH("a port of the host");
    }
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    FILE *f = fopen("/proc/net/unix", "r");
    char line[256];
    while (f && fgets(line, sizeof(line), f)) {
        if (name && strstr(line, name)) {
            BREACH("an abstract socket of the host is listed");
        }
    }
    static const char *const known[] = {"/run/dbus/system_bus_socket", "/run/systemd/private",
                                        "/var/run/docker.sock", "/run/containerd/containerd.sock",
                                        "/dev/log"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && fd >= 0; i++) {
        strcpy(un.sun_path, known[i]);
        MUST_FAIL(connect(fd, (void *)&un, sizeof(un)));
    }
}
/* The listener's exact name, handed over: still another world. */
static void abstract_socket(void)
{
    const char *name = getenv("ABSTRACT");
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (!name || fd < 0) {
        return;
    }
    memcpy(un.sun_path + 1, name, strlen(name));
    MUST_FAIL(connect(fd, (void *)&un,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))));
}
/* Each fork bomb, each hoard, ends in an errno; --pids and --memory are set. */
static void fork_bomb(void)
{
    for (int i = 0; i < 2000; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0) {
            kill(0, SIGKILL);
        }
    }
    BREACH("2000 processes");
}
static void hoard_fds(void)
{
    int last = 0;
    struct rlimit all = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_NOFILE, &all);
    for (int i = 0; i < 100000; i++) {
        int fd = open(i % 3 ? "/etc/passwd" : "/dev/null", O_RDONLY);
        if (fd < 0) {
            break;
        }
        last = fd;
    }
    (void)last;
}
static void hoard_pipes(void)
{
    int p[2];
    static char buf[65536];
    for (int i = 0; i < 500 && pipe2(p, O_NONBLOCK) == 0; i++) {
        write(p[1], buf, sizeof(buf));
    }
}
static void deep_paths(void)
{
    static char path[100000];
    for (int i = 0; i < 3000; i++) {
        if (mkdir("d", 0700) < 0 || chdir("d") < 0) {
            break;
        }
    }
    if (getcwd(path, sizeof(path))) {
        (void)path;
    }
    for (int i = 0; i < 100; i++) {
        memset(path, 'x', (size_t)(i * 300));
        path[i * 300] = 0;
        open(path, O_RDONLY);
    }
    for (size_t k = 0; k < sizeof(path) - 4; k += 3) {
        memcpy(path + k, "../", 4);
    }
    open(path, O_RDONLY);
}
static void odd_limits(void)
{
    for (int r = -2; r < 20; r++) {
        struct rlimit l = {0, 0};
        setrlimit(r, &l);
    }
    getppid();
    setpriority(PRIO_PROCESS, 1,
                -20); /* init is the sandbox's own: root may, the host must not mind */
}
static void init_is_safe(void)
{
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    kill(1, SIGSEGV);
    usleep(20000);
    if (kill(1, 0) < 0 && errno == ESRCH) {
        BREACH("init is gone");
    }
}
static void threads_and_exec(void)
{
    /* many threads, and one of them executes: all others must be gone, and nothing hang */
    for (int i = 0; i < 20; i++) {
        if (fork() == 0) {
            pthread_t t;
            for (int k = 0; k < 10; k++) {
                pthread_create(&t, NULL, (void *(*)(void *))pause, NULL);
            }
            execl("/bin/true", "true", NULL);
            _exit(1);
        }
    }
    while (wait(NULL) > 0) {
    }
}

static const struct attack g_attacks[] = {
    {"signals to the host", signals},
    {"memory of others", memory_of_others},
    {"namespaces", namespaces},
    {"mounts", mounts},
    {"the machine", machine},
    {"sockets", sockets},
    {"an abstract socket of the host", abstract_socket},
    {"a fork bomb", fork_bomb},
    {"hoarding fds", hoard_fds},
    {"hoarding pipes", hoard_pipes},
    {"deep and long paths", deep_paths},
    {"odd limits", odd_limits},
    {"signals to init", init_is_safe},
    {"exec among threads", threads_and_exec},
};
ATTACKS_MAIN(g_attacks)
