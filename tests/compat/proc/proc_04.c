/*
 * proc_pid_status(5), proc_pid_stat(5), proc_pid_statm(5), limits: agree with the system calls.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/mman.h>

static char text[65536];

static const char *slurp(const char *name)
{
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    CHECK(n > 0);
    text[n] = 0;
    close(fd);
    return text;
}

/* The text behind "name:" in /proc/self/status. */
static const char *field(const char *name)
{
    static char line[4096];
    char key[64];
    snprintf(key, sizeof(key), "\n%s:\t", name);
    slurp("/proc/self/status");
    memmove(text + 1, text, strlen(text) + 1);
    text[0] = '\n';
    const char *at = strstr(text, key);
    if (!at) {
        fprintf(stderr, "no %s in status\n", name);
        exit(1);
    }
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + strlen(key), "\n"), at + strlen(key));
    return line;
}

static void nothing(int sig)
{
    (void)sig;
}

static void status(void)
{
    char want[256];
    snprintf(want, sizeof(want), "%d", getpid());
    CHECK(strcmp(field("Pid"), want) == 0 && strcmp(field("Tgid"), want) == 0);
    snprintf(want, sizeof(want), "%d", getppid());
    CHECK(strcmp(field("PPid"), want) == 0);
    snprintf(want, sizeof(want), "%d\t%d\t%d\t%d", getuid(), geteuid(), geteuid(), geteuid());
    CHECK(strcmp(field("Uid"), want) == 0);
    snprintf(want, sizeof(want), "%d\t%d\t%d\t%d", getgid(), getegid(), getegid(), getegid());
    CHECK(strcmp(field("Gid"), want) == 0);
    CHECK(strncmp(field("State"), "R (running)", 11) == 0);
    umask(027);
    CHECK(strcmp(field("Umask"), "0027") == 0);
    CHECK(strcmp(field("Threads"), "1") == 0);
    CHECK(strcmp(field("TracerPid"), "0") == 0 && strcmp(field("NoNewPrivs"), "0") == 0);
    CHECK(prctl(PR_SET_NAME, "back\\slash") == 0 && strcmp(field("Name"), "back\\\\slash") == 0);
    CHECK(signal(SIGUSR1, nothing) != SIG_ERR && signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGRTMAX);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(kill(getpid(), SIGHUP), 0);
    CHECK(strtoul(field("SigCgt"), NULL, 16) == 1UL << (SIGUSR1 - 1));
    CHECK(strtoul(field("SigIgn"), NULL, 16) & 1UL << (SIGUSR2 - 1));
    CHECK(strtoul(field("SigBlk"), NULL, 16) == (1UL << 63 | 1));
    CHECK(strtoul(field("ShdPnd"), NULL, 16) == 1);
    CHECK(strlen(field("CapEff")) == 16 && strlen(field("SigBlk")) == 16);
    CHECK(atol(field("FDSize")) >= 64);
    CHECK(atol(field("VmSize")) > atol(field("VmRSS")) && atol(field("VmRSS")) > 100);
    CHECK(strstr(field("VmStk"), " kB") && strstr(field("Cpus_allowed_list"), "0"));
    CHECK(atol(field("voluntary_ctxt_switches")) >= 0);
}

static void memory(void)
{
    unsigned long size, resident, more, more_resident;
    CHECK_EQ(sscanf(slurp("/proc/self/statm"), "%lu %lu", &size, &resident), 2);
    char *p = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    for (int i = 0; i < 16 << 20; i += 4096) {
        p[i] = 1;
    }
    CHECK_EQ(sscanf(slurp("/proc/self/statm"), "%lu %lu", &more, &more_resident), 2);
    CHECK(more - size >= 8192 && more - size < 8300);
    CHECK(more_resident - resident >= 4000);
    CHECK_EQ(munmap(p, 32 << 20), 0);
}

static void stat_file(void)
{
    prctl(PR_SET_NAME, "a) b (c");
    int pid, ppid, pgrp, session, tty, fields = 3;
    char state;
    slurp("/proc/self/stat");
    CHECK_EQ(
        sscanf(text, "%d (a) b (c) %c %d %d %d %d", &pid, &state, &ppid, &pgrp, &session, &tty), 6);
    CHECK(pid == getpid() && ppid == getppid() && pgrp == getpgrp() && session == getsid(0) &&
          state == 'R');
    for (const char *p = strrchr(text, ')') + 3; *p; p++) {
        fields += *p == ' ';
    }
    CHECK_EQ(fields, 52);
    CHECK(text[strlen(text) - 1] == '\n');
    /* CPU time is counted */
    for (volatile long i = 0; i < 300000000; i++) {
    }
    unsigned long utime;
    CHECK_EQ(sscanf(strrchr(slurp("/proc/self/stat"), ')'),
                    ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &utime),
             1);
    CHECK(utime > 0);
}

static void limits(void)
{
    struct rlimit l = {100, 200};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &l), 0);
    slurp("/proc/self/limits");
    CHECK(
        strstr(
            text,
            "\nMax open files            100                  200                  files     \n") !=
        NULL);
    CHECK(
        strncmp(text,
                "Limit                     Soft Limit           Hard Limit           Units     \n",
                78) == 0);
}

int main(void)
{
    status();
    memory();
    stat_file();
    limits();
    return 0;
}
