/*
 * The system-wide files of proc(5): cpuinfo, meminfo, stat, uptime, loadavg, version, mounts,
 * mountinfo, filesystems, sys/...: their form, and that they agree with the system calls.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

static char text[1 << 20];

static const char *slurp(const char *name)
{
    size_t n = 0;
    ssize_t r;
    int fd = open(name, O_RDONLY);
    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
        exit(1);
    }
    while ((r = read(fd, text + n, 4096)) > 0) {
        n += (size_t)r;
    }
    text[n] = 0;
    close(fd);
    return text;
}

static int count(const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++) {
        n++;
    }
    return n;
}

static long number(const char *name)
{
    return atol(slurp(name));
}

static void machine(void)
{
    struct sysinfo si;
    struct utsname un;
    unsigned long kb;
    double up, idle, load[3];
    int running, all;
    CHECK_EQ(sysinfo(&si), 0);
    CHECK_EQ(uname(&un), 0);
    slurp("/proc/cpuinfo");
    CHECK_EQ(count("processor\t: "), sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(strstr(text, "\nmodel name\t: ") && strstr(text, "\nflags\t\t: fpu ") &&
          strstr(text, " sse2 ") && strstr(text, " lm "));
    slurp("/proc/meminfo");
    CHECK_EQ(sscanf(text, "MemTotal: %lu kB\nMemFree:", &kb), 1);
    CHECK(kb == si.totalram * si.mem_unit / 1024);
    CHECK(strstr(text, "\nMemAvailable:") && strstr(text, "\nSwapTotal:") &&
          strstr(text, "\nHugepagesize:"));
    CHECK_EQ(sscanf(slurp("/proc/uptime"), "%lf %lf\n", &up, &idle), 2);
    struct timespec ts;
    CHECK_EQ(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
    CHECK(up > (double)ts.tv_sec - 2 && up < (double)ts.tv_sec + 2);
    CHECK_EQ(sscanf(slurp("/proc/loadavg"), "%lf %lf %lf %d/%d ", &load[0], &load[1], &load[2],
                    &running, &all),
             5);
    CHECK(running >= 1 && all >= running);
    slurp("/proc/stat");
    CHECK(strncmp(text, "cpu  ", 5) == 0 && strstr(text, "\ncpu0 ") && strstr(text, "\nctxt "));
    long btime = atol(strstr(text, "\nbtime ") + 7);
    CHECK(labs((long)(time(NULL) - ts.tv_sec) - btime) <= 2);
    CHECK(strstr(text, "\nprocesses ") && strstr(text, "\nprocs_running "));
    slurp("/proc/version");
    CHECK(strncmp(text, "Linux version ", 14) == 0 &&
          strncmp(text + 14, un.release, strlen(un.release)) == 0);
    slurp("/proc/filesystems");
    CHECK(strstr(text, "nodev\tproc\n") && strstr(text, "nodev\ttmpfs\n"));
    CHECK(strstr(slurp("/proc/vmstat"), "pgfault "));
    slurp("/proc/swaps");
    CHECK(strncmp(text, "Filename", 8) == 0);
}

static void mounts(void)
{
    int id, parent, major_nr, minor_nr, found = 0;
    char root[256], at[256];
    slurp("/proc/mounts");
    CHECK(strstr(text, " / ") && strstr(text, " /proc proc rw"));
    CHECK(strcmp(strrchr(text, ' '), " 0\n") == 0);
    slurp("/proc/self/mountinfo");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        CHECK_EQ(
            sscanf(line, "%d %d %d:%d %255s %255s ", &id, &parent, &major_nr, &minor_nr, root, at),
            6);
        CHECK(strstr(line, " - ") != NULL);
        found += strcmp(at, "/proc") == 0 && strstr(line, " - proc ");
    }
    CHECK(found >= 1);
    char target[32];
    CHECK_EQ(readlink("/proc/mounts", target, sizeof(target)), 11);
    CHECK(memcmp(target, "self/mounts", 11) == 0);
}

static void sysctls(void)
{
    struct utsname un;
    CHECK_EQ(uname(&un), 0);
    char first[64];
    slurp("/proc/sys/kernel/hostname");
    CHECK(strncmp(text, un.nodename, strlen(un.nodename)) == 0 &&
          strlen(text) == strlen(un.nodename) + 1);
    slurp("/proc/sys/kernel/osrelease");
    CHECK(strncmp(text, un.release, strlen(un.release)) == 0);
    CHECK(strcmp(slurp("/proc/sys/kernel/ostype"), "Linux\n") == 0);
    CHECK(number("/proc/sys/kernel/pid_max") > getpid());
    CHECK(number("/proc/sys/kernel/cap_last_cap") >= 40);
    CHECK_EQ(number("/proc/sys/kernel/ngroups_max"), 65536);
    CHECK_EQ(number("/proc/sys/kernel/overflowuid"), 65534);
    CHECK(number("/proc/sys/kernel/threads-max") > 0);
    strcpy(first, slurp("/proc/sys/kernel/random/uuid"));
    CHECK(strlen(first) == 37 && first[14] == '4' &&
          strcmp(first, slurp("/proc/sys/kernel/random/uuid")) != 0);
    strcpy(first, slurp("/proc/sys/kernel/random/boot_id"));
    CHECK(strlen(first) == 37 && strcmp(first, slurp("/proc/sys/kernel/random/boot_id")) == 0);
    CHECK(number("/proc/sys/vm/max_map_count") >= 65530);
    CHECK(number("/proc/sys/vm/overcommit_memory") <= 2);
    CHECK_EQ(number("/proc/sys/fs/pipe-max-size"), 1048576);
    CHECK(number("/proc/sys/fs/nr_open") >= 1024 && number("/proc/sys/fs/file-max") > 0);
    CHECK(number("/proc/sys/net/core/somaxconn") >= 128);
    slurp("/proc/net/dev");
    CHECK(strstr(text, " face |bytes ") && strstr(text, "    lo:"));
}

/* A read that begins at 0 is fresh; reads that go on see one moment. */
static void snapshots(void)
{
    char a[64], b[64];
    int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY);
    CHECK(fd >= 0);
    CHECK(pread(fd, a, 36, 0) == 36 && pread(fd, b, 36, 0) == 36);
    CHECK(memcmp(a, b, 36) != 0);
    close(fd);
    fd = open("/proc/self/status", O_RDONLY);
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(st.st_size == 0 && S_ISREG(st.st_mode));
    int n = 0;
    while (read(fd, a, 1) == 1) {
        n++;
    }
    CHECK(n > 500);
    CHECK_EQ(read(fd, a, 1), 0);
    close(fd);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/proc/version", O_RDONLY), 0) ==
          MAP_FAILED);
}

int main(void)
{
    machine();
    mounts();
    sysctls();
    snapshots();
    return 0;
}
