/*
 * Ways to host files that were not given: absolute and relative names, symbolic links, procfs's magic ones, hard
 * links, handles, devices, and the races that fool walks. $CANARY is such a file; $HOME_OF_RACES, if set, a
 * writable folder of the host whose parent has a file "outside" that must stay unseen.
 */
#include "tests/escape/escape.h"

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static const char *canary(void)
{
    return getenv("CANARY");
}

/* Is what can be read through this fd the canary, or can it be written at all? */
static bool leads_out(int fd)
{
    char buf[512] = "";
    const char *start = getenv("SECRET_START");
    if (fd < 0) {
        return false;
    }
    ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);
    close(fd);
    return n > 0 && start && strstr(buf, start);
}
static void try_path(const char *path)
{
    static const int flags[] = {
        O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_CREAT, O_RDONLY | O_NOFOLLOW, O_PATH};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        int fd = open(path, flags[i], 0600);
        if (flags[i] == O_PATH && fd >= 0) {
            char magic[64];
            snprintf(magic, sizeof(magic), "/proc/self/fd/%d", fd);
            if (leads_out(open(magic, O_RDONLY))) {
                BREACH("%s through O_PATH", path);
            }
        }
        if (leads_out(fd)) {
            BREACH("%s was opened", path);
        }
    }
}

static void by_name(void)
{
    char path[8192], *p = path;
    try_path(canary());
    for (int i = 0; i < 100; i++) {
        p = stpcpy(p, "../");
    }
    strcpy(p, canary() + 1);
    try_path(path);
    try_path("../secret/canary");
    static const char *const prefixes[] = {
        "/proc/self/root", "/proc/self/cwd",     "/proc/1/root",
        "/proc/1/cwd",     "/proc/2/root",       "/proc/self/task/1/root",
        "/dev/fd/0/..",    "/proc/self/fd/0/..", "/proc/self/cwd/../secret/.."};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", prefixes[i], canary());
        try_path(path);
        snprintf(path, sizeof(path), "%s/../secret/canary", prefixes[i]);
        try_path(path);
        snprintf(path, sizeof(path), "%s/../../../../../../../..%s", prefixes[i], canary());
        try_path(path);
    }
}
static void by_symlink(void)
{
    char path[600];
    symlink(canary(), "made-link");
    try_path("made-link");
    symlink("../secret/canary", "made-relative");
    try_path("made-relative");
    symlink("../secret", "made-dir");
    try_path("made-dir/canary");
    try_path("host-link"); /* the host made these: to the canary, its folder, and / */
    try_path("host-dir/canary");
    snprintf(path, sizeof(path), "host-root%s", canary());
    try_path(path);
    symlink("/proc/self/root", "made-root");
    snprintf(path, sizeof(path), "made-root%s", canary());
    try_path(path);
}
static void by_link(void)
{
    MUST_FAIL(link(canary(), "hard"));
    MUST_FAIL(link("../secret/canary", "hard"));
    MUST_FAIL(linkat(AT_FDCWD, "host-link", AT_FDCWD, "hard2", AT_SYMLINK_FOLLOW));
    MUST_FAIL(rename(canary(), "moved"));
    MUST_FAIL(unlink(canary()));
    MUST_FAIL(truncate(canary(), 0));
    MUST_FAIL(chmod(canary(), 0777));
    MUST_FAIL(chown(canary(), 1, 1));
    MUST_FAIL(setxattr(canary(), "user.a", "b", 1, 0));
    MUST_FAIL(truncate("host-link", 0));
    MUST_FAIL(chmod("host-link", 0777));
}
static void by_handle(void)
{
    struct {
        struct file_handle h;
        unsigned char data[128];
    } h;
    int id, dir = open("/", O_RDONLY | O_DIRECTORY);
    for (uint64_t ino = 0; ino < 300; ino++) {
        for (int type = 1; type < 3; type++) {
            h.h.handle_bytes = 8;
            h.h.handle_type = type;
            memcpy(h.data, &ino, 8);
            if (leads_out(open_by_handle_at(dir, &h.h, O_RDONLY))) {
                BREACH("handle");
            }
        }
    }
    h.h.handle_bytes = 128;
    if (name_to_handle_at(AT_FDCWD, ".", &h.h, &id, 0) == 0 &&
        open_by_handle_at(dir, &h.h, O_RDONLY) < 0) {
        return;
    }
}
static void by_openat2(void)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {0};
    for (how.resolve = 0; how.resolve < 64; how.resolve++) {
        if (leads_out((int)syscall(SYS_openat2, AT_FDCWD, "../secret/canary", &how, sizeof(how))) ||
            leads_out((int)syscall(SYS_openat2, AT_FDCWD, canary(), &how, sizeof(how))) ||
            leads_out((int)syscall(SYS_openat2, AT_FDCWD, "host-link", &how, sizeof(how)))) {
            BREACH("openat2, resolve %#lx", how.resolve);
        }
    }
}
static void by_cwd(void)
{
    for (int i = 0; i < 50; i++) {
        chdir("..");
    }
    try_path(canary() + 1);
    int fd = open("/usr", O_RDONLY | O_DIRECTORY);
    mkdir("/tmp/jail", 0700);
    mkdir("/tmp/jail/in", 0700);
    if (chroot("/tmp/jail") ==
        0) { /* the classic way out of a chroot leads to the sandbox's own root */
        chroot("in");
        fchdir(fd);
        for (int i = 0; i < 50; i++) {
            chdir("..");
        }
        chroot(".");
        try_path(canary());
    }
}

/* Devices by number: they are the sandbox's own, or none. */
static void devices(void)
{
    static const struct {
        mode_t kind;
        int major, minor;
    } list[] = {{S_IFCHR, 1, 1},    {S_IFCHR, 1, 2},    {S_IFCHR, 1, 4},    {S_IFCHR, 1, 11},
                {S_IFCHR, 10, 232}, {S_IFCHR, 10, 229}, {S_IFCHR, 10, 200}, {S_IFCHR, 4, 1},
                {S_IFCHR, 7, 0},    {S_IFBLK, 8, 0},    {S_IFBLK, 254, 0},  {S_IFBLK, 259, 0},
                {S_IFBLK, 7, 0},    {S_IFBLK, 1, 0},    {S_IFBLK, 253, 0}};
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "/tmp/dev%zu", i);
        if (mknod(name, list[i].kind | 0600, makedev(list[i].major, list[i].minor)) == 0 &&
            open(name, O_RDONLY | O_NONBLOCK) >= 0) {
            BREACH("device %d:%d", list[i].major, list[i].minor);
        }
    }
    static const char *const names[] = {"/dev/mem",          "/dev/kmem",
                                        "/dev/port",         "/dev/kmsg",
                                        "/dev/kvm",          "/dev/fuse",
                                        "/dev/net/tun",      "/dev/vda",
                                        "/dev/vda1",         "/dev/sda",
                                        "/dev/nvme0n1",      "/dev/loop0",
                                        "/dev/loop-control", "/dev/mapper/control",
                                        "/dev/tty1",         "/dev/vhost-net",
                                        "/dev/userfaultfd",  "/dev/cpu/0/msr",
                                        "/dev/dri/card0",    "/dev/input/event0",
                                        "/dev/hpet",         "/dev/rtc0",
                                        "/dev/ttyS0"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (open(names[i], O_RDONLY | O_NONBLOCK) >= 0) {
            BREACH("%s", names[i]);
        }
    }
}
static void kernel_knobs(void)
{
    static const char *const names[] = {"/proc/sysrq-trigger",
                                        "/proc/sys/kernel/core_pattern",
                                        "/proc/sys/kernel/modprobe",
                                        "/proc/sys/vm/drop_caches",
                                        "/proc/sys/kernel/randomize_va_space",
                                        "/proc/sys/fs/binfmt_misc/register",
                                        "/proc/1/oom_score_adj",
                                        "/proc/self/uid_map",
                                        "/proc/1/mem",
                                        "/sys/kernel/uevent_helper",
                                        "/sys/fs/cgroup/cgroup.procs",
                                        "/proc/timer_list",
                                        "/proc/irq/0/smp_affinity"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = open(names[i], O_WRONLY);
        if (fd >= 0 && write(fd, "|/bin/false\n", 12) > 0 && strncmp(names[i], "/proc/self", 10)) {
            BREACH("%s was written", names[i]);
        }
    }
    static const char *const secrets[] = {"/proc/kcore",       "/proc/kallsyms",
                                          "/proc/kmsg",        "/proc/vmallocinfo",
                                          "/proc/iomem",       "/proc/keys",
                                          "/proc/sched_debug", "/sys/kernel/notes",
                                          "/proc/config.gz",   "/sys/firmware/dmi/tables/DMI",
                                          "/proc/slabinfo",    "/proc/1/environ"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        char c;
        int fd = open(secrets[i], O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && read(fd, &c, 1) > 0) {
            BREACH("%s was read", secrets[i]);
        }
    }
}
static void private_places(void)
{
    static const char *const names[] = {"/etc/shadow",
                                        "/etc/gshadow",
                                        "/etc/ssl/private",
                                        "/root/.ssh",
                                        "/root/.bashrc",
                                        "/root/.cargo",
                                        "/home/user",
                                        "/var/log",
                                        "/var/lib/dpkg",
                                        "/boot/vmlinuz",
                                        "/proc/1/root/root",
                                        "/etc/sudoers",
                                        "/etc/ssh/ssh_host_rsa_key",
                                        "/run/systemd",
                                        "/srv",
                                        "/mnt/host",
                                        "/media/x",
                                        "/lost+found/x"};
    if (!getenv("DEFAULT_VIEW")) {
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct stat st;
        char c;
        int fd = open(names[i], O_RDONLY);
        DIR *d = opendir(names[i]);
        bool filled = false;
        for (struct dirent *e; d && (e = readdir(d));) {
            filled |= e->d_name[0] != '.';
        }
        if (filled ||
            (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, &c, 1) > 0)) {
            BREACH("%s", names[i]);
        }
    }
}
/* What is written here must not arrive on the host: the script looks. */
static void writes(void)
{
    static const char *const names[] = {"host-file", "/usr/bin/made-by-escape",
                                        "/etc/made-by-escape", "/etc/passwd",
                                        "/usr/lib/made-by-escape"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = open(names[i], O_RDWR | O_CREAT | O_APPEND, 04777);
        if (fd >= 0) {
            write(fd, "escaped\n", 8);
            fchmod(fd, 04777);
            void *m = mmap(NULL, 4096, 3, MAP_SHARED, fd, 0);
            if (m != MAP_FAILED) {
                memcpy(m, "escaped", 7);
            }
        }
        chmod(names[i], 04777);
    }
    int fd = open("host-file", O_RDONLY);
    char *m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (m != MAP_FAILED && mprotect(m, 4096, 3) == 0) {
        *m = 'E';
    }
    char self[64];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    fd = open(self, O_RDWR);
    if (fd >= 0) {
        write(fd, "escaped", 7);
    }
    fd = open("/proc/self/exe", O_RDWR);
    if (fd >= 0 && write(fd, "escaped", 7) > 0) {
        lseek(fd, 0, SEEK_SET);
    }
    unlink("host-file");
    rename("host-dir2", "gone");
}

/* --- races, in a folder of the host that may be written --- */
static volatile bool g_stop;
static void *swap_link(void *arg)
{
    while (!g_stop) {
        syscall(SYS_renameat2, AT_FDCWD, "race", AT_FDCWD, "link", 2 /* EXCHANGE */);
    }
    return arg;
}
static void race_symlink(void)
{
    pthread_t t;
    const char *dir = getenv("HOME_OF_RACES");
    if (!dir || chdir(dir) < 0) {
        return;
    }
    mkdir("race", 0755);
    symlink("..", "link");
    pthread_create(&t, NULL, swap_link, NULL);
    for (double end = now() + 2; now() < end;) {
        if (leads_out(open("race/outside", O_RDONLY)) ||
            leads_out(open("race/../outside", O_RDONLY)) ||
            leads_out(open("race/../../outside", O_RDONLY))) {
            BREACH("out by a swapped link");
        }
        int fd = open("race/planted", O_WRONLY | O_CREAT, 0600);
        close(fd);
    }
    g_stop = true;
}
static void *move_dir(void *arg)
{
    while (!g_stop) {
        rename("a/b/c/d", "d");
        rename("d", "a/b/c/d");
    }
    return arg;
}
static void race_dotdot(void)
{
    pthread_t t;
    const char *dir = getenv("HOME_OF_RACES");
    if (!dir || chdir(dir) < 0) {
        return;
    }
    mkdir("a", 0755);
    mkdir("a/b", 0755);
    mkdir("a/b/c", 0755);
    mkdir("a/b/c/d", 0755);
    pthread_create(&t, NULL, move_dir, NULL);
    for (double end = now() + 2; now() < end;) {
        if (leads_out(open("a/b/c/d/../../../../../outside", O_RDONLY)) ||
            leads_out(open("a/b/c/d/../../../../../../outside", O_RDONLY))) {
            BREACH("out by a moved folder");
        }
    }
    g_stop = true;
}
static void plant(void)
{
    const char *dir = getenv("HOME_OF_RACES");
    if (!dir || chdir(dir) < 0) {
        return;
    }
    mknod("mem", S_IFCHR | 0666, makedev(1, 1));
    mknod("disk", S_IFBLK | 0666, makedev(254, 0));
    close(open("setid", O_WRONLY | O_CREAT, 0755));
    chmod("setid", 06755);
    MUST_FAIL(link(canary(), "hard"));
    MUST_FAIL(link("../outside", "hard"));
    MUST_FAIL(rename("../outside", "mine"));
    MUST_FAIL(rename("setid", "../planted"));
    try_path("../outside");
    symlink(canary(), "planted-link");
    try_path("planted-link");
}

static const struct attack g_attacks[] = {
    {"files by name", by_name},
    {"files by symbolic links", by_symlink},
    {"files by links, names changed", by_link},
    {"files by handle", by_handle},
    {"files by openat2", by_openat2},
    {"files by leaving a root", by_cwd},
    {"devices", devices},
    {"knobs and secrets of the kernel", kernel_knobs},
    {"private places", private_places},
    {"writes to the host", writes},
    {"race: swapped link", race_symlink},
    {"race: moved folder", race_dotdot},
    {"plant devices and set-id files", plant},
};
ATTACKS_MAIN(g_attacks)
