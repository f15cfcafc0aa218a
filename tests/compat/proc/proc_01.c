/*
 * proc(5): /proc/self, /proc/thread-self, a directory for each process and thread, listed and found
 * by number; a process that ended is ENOENT by name and ESRCH through what is still open.
 */
#include "../compat.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static int listed(const char *dir, long number)
{
    int found = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d));) {
        char *end;
        long n = strtol(e->d_name, &end, 10);
        if (!*end && n == number) {
            struct stat st;
            CHECK_EQ(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
            CHECK_EQ(st.st_ino, e->d_ino);
            CHECK(S_ISDIR(st.st_mode) && e->d_type == DT_DIR);
            found++;
        }
    }
    closedir(d);
    return found;
}

static void link_is(const char *name, const char *want)
{
    char text[PATH_MAX];
    ssize_t n = readlink(name, text, sizeof(text) - 1);
    CHECK(n > 0);
    text[n] = 0;
    CHECK(strcmp(text, want) == 0);
}

static void *thread(void *arg)
{
    char want[64], name[64];
    int *pipes = arg;
    long tid = syscall(SYS_gettid);
    snprintf(want, sizeof(want), "%d/task/%ld", getpid(), tid);
    link_is("/proc/thread-self", want);
    snprintf(name, sizeof(name), "/proc/%ld/comm", tid); /* found, though not listed */
    CHECK_EQ(access(name, R_OK), 0);
    CHECK_EQ(listed("/proc", tid), 0);
    CHECK_EQ(listed("/proc/self/task", tid), 1);
    CHECK(write(pipes[1], "x", 1) == 1);
    return NULL;
}

static void ended(void)
{
    char name[64], text[64];
    int p[2];
    CHECK_EQ(pipe(p), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(p[1]);
        _exit(read(p[0], text, 1) == 0 ? 0 : 1);
    }
    close(p[0]);
    CHECK_EQ(listed("/proc", pid), 1);
    snprintf(name, sizeof(name), "/proc/%d", pid);
    int dir = open(name, O_RDONLY | O_DIRECTORY);
    int file = openat(dir, "stat", O_RDONLY);
    CHECK(dir >= 0 && file >= 0);
    CHECK(read(file, text, sizeof(text)) > 0);
    close(p[1]);
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
    CHECK(read(file, text, sizeof(text) - 1) > 0); /* a zombie still has it */
    CHECK(strstr(text, ") Z ") != NULL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    CHECK_ERRNO(open(name, O_RDONLY), ENOENT);
    CHECK_ERRNO(openat(dir, "status", O_RDONLY), ESRCH);
    CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
    CHECK_ERRNO(read(file, text, sizeof(text)), ESRCH);
    close(dir);
    close(file);
}

int main(void)
{
    char name[64], want[64];
    struct stat st, other;
    struct statfs fs;
    CHECK_EQ(statfs("/proc", &fs), 0);
    CHECK_EQ(fs.f_type, 0x9fa0);
    snprintf(want, sizeof(want), "%d", getpid());
    link_is("/proc/self", want);
    CHECK_EQ(listed("/proc", getpid()), 1);
    CHECK_EQ(listed("/proc", getppid()), 1);
    CHECK_EQ(stat("/proc", &st), 0);
    CHECK(S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0555 && st.st_ino == 1);
    snprintf(name, sizeof(name), "/proc/%d", getpid());
    CHECK_EQ(stat(name, &st), 0);
    CHECK(S_ISDIR(st.st_mode) && st.st_uid == geteuid() && st.st_gid == getegid());
    CHECK_EQ(stat("/proc/self", &other), 0);
    CHECK(other.st_ino == st.st_ino && other.st_dev == st.st_dev);
    CHECK_EQ(stat("/proc/self/task/../stat", &st), 0);
    CHECK_ERRNO(open("/proc/0", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/007", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/99999999999", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/self/task/1", O_RDONLY), ENOENT);
    if (geteuid() == 0) {
        CHECK_ERRNO(open("/proc/new", O_RDWR | O_CREAT, 0644), ENOENT);
        CHECK_ERRNO(mkdir("/proc/self/new", 0755), ENOENT);
    }
    CHECK(unlink("/proc/version") == -1 && (errno == EPERM || errno == EACCES));
    int pipes[2];
    char byte;
    pthread_t t;
    CHECK_EQ(pipe(pipes), 0);
    CHECK_EQ(pthread_create(&t, NULL, thread, pipes), 0);
    CHECK(read(pipes[0], &byte, 1) == 1);
    CHECK_EQ(pthread_join(t, NULL), 0);
    ended();
    return 0;
}
