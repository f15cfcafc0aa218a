/*
 * Who may look: another user's environ, fd, exe, maps are refused, and so are those of a process that
 * is not dumpable; status, stat, cmdline are everybody's. Needs root to become others.
 */
#include "../compat.h"

#include <grp.h>
#include <sys/prctl.h>

static pid_t target;

static int reads(const char *name)
{
    char path[64], byte;
    snprintf(path, sizeof(path), "/proc/%d/%s", target, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n = read(fd, &byte, 1);
    int e = errno;
    close(fd);
    return n < 0 ? -e : 0;
}

static int follows(const char *name)
{
    char path[64], text[PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%d/%s", target, name);
    return readlink(path, text, sizeof(text)) < 0 ? -errno : 0;
}

static void become(uid_t uid)
{
    CHECK_EQ(setgroups(0, NULL), 0);
    CHECK_EQ(setresgid(uid, uid, uid), 0);
    CHECK_EQ(setresuid(uid, uid, uid), 0);
}

static int stranger(void)
{
    become(1001);
    CHECK_EQ(reads("environ"), -EACCES);
    CHECK_EQ(reads("maps"), -EACCES);
    CHECK_EQ(reads("auxv"), -EACCES);
    CHECK_EQ(reads("fd"), -EACCES);
    CHECK_EQ(follows("exe"), -EACCES);
    CHECK_EQ(follows("cwd"), -EACCES);
    CHECK_EQ(follows("fd/0"), -EACCES);
    CHECK_EQ(reads("status"), 0);
    CHECK_EQ(reads("stat"), 0);
    CHECK_EQ(reads("cmdline"), 0);
    CHECK_EQ(reads("limits"), 0);
    return 0;
}

static int same_user(void)
{
    become(1000);
    CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
    CHECK_EQ(reads("environ"), 0);
    CHECK_EQ(reads("maps"), 0);
    CHECK_EQ(follows("exe"), 0);
    return 0;
}

static int same_user_refused(void)
{
    become(1000);
    CHECK_EQ(reads("environ"), -EACCES);
    CHECK_EQ(follows("exe"), -EACCES);
    struct stat st;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", target);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_uid, 0); /* root's, when others may not look */
    return 0;
}

static int itself(void)
{
    become(1000); /* not dumpable now, but it is itself */
    char path[64];
    target = getpid();
    CHECK_EQ(follows("exe"), 0);
    CHECK_EQ(follows("fd/0"), 0);
    CHECK_EQ(reads("fd"), -EISDIR);
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", target);
    return 0;
}

int main(void)
{
    if (getuid() != 0) {
        SKIP("not root");
    }
    int p[2], q[2];
    char byte;
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(pipe(q), 0);
    target = fork();
    CHECK(target >= 0);
    if (target == 0) {
        become(1000);
        CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
        CHECK(write(q[1], "x", 1) == 1);
        CHECK(read(p[0], &byte, 1) == 1);
        CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
        CHECK(write(q[1], "x", 1) == 1);
        CHECK(read(p[0], &byte, 1) == 1);
        _exit(0);
    }
    CHECK(read(q[0], &byte, 1) == 1);
    CHECK_EQ(compat_child(stranger), 0);
    CHECK_EQ(compat_child(same_user), 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK(read(q[0], &byte, 1) == 1);
    CHECK_EQ(compat_child(same_user_refused), 0);
    CHECK_EQ(reads("environ"), 0); /* root may */
    CHECK(write(p[1], "x", 1) == 1);
    CHECK(waitpid(target, NULL, 0) == target);
    CHECK_EQ(compat_child(itself), 0);
    return 0;
}
