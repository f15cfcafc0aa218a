/*
 * Claims: a process that writes a new file, sets its attributes and closes it has each of its own calls see what those before
 * did: sizes, positions, bytes, modes, free numbers and space, locks that went with a close, descriptors
 * that are none any more. A bad argument is refused by the call that has it, and changes nothing. Limits and credentials count
 * from the moment when they are set.
 */
#include "tests/compat/compat.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#define MANY 70 /* files, more than may be open at once without asking */

static int make(const char *name, int flags)
{
    int fd = open(name, O_CREAT | O_EXCL | flags, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void own_view(void)
{
    char buf[64];
    struct stat st;
    int fd = make("a", O_RDWR);
    CHECK_EQ(write(fd, "abc", 3), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
    CHECK_EQ(write(fd, "def", 3), 3);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 6);
    CHECK_EQ(pread(fd, buf, sizeof(buf), 0), 6);
    CHECK(memcmp(buf, "abcdef", 6) == 0);
    CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
    CHECK_EQ(write(fd, "X", 1), 1);
    CHECK_EQ(read(fd, buf, sizeof(buf)), 4);
    CHECK_EQ(write(fd, "g", 1), 1);
    CHECK_EQ(ftruncate(fd, 2), 0);
    CHECK_EQ(write(fd, "h", 1), 1); /* behind a hole */
    CHECK_EQ(stat("a", &st), 0);
    CHECK_EQ(st.st_size, 8);
    CHECK_EQ(fchmod(fd, 0444), 0);
    CHECK_EQ(stat("a", &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0444);
    CHECK_EQ(fchmod(fd, 04755), 0); /* set-id bits */
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 04755);
    CHECK_EQ(fchown(fd, getuid(), getgid()), 0); /* which they do not survive */
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0755);
    CHECK_EQ(close(fd), 0);
    fd = open("a", O_RDONLY);
    CHECK_EQ(read(fd, buf, sizeof(buf)), 8);
    CHECK(memcmp(buf, "aX\0\0\0\0\0h", 8) == 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink("a"), 0);
}

static void appended(void)
{
    int fd = make("a", O_WRONLY | O_APPEND), other;
    CHECK_EQ(write(fd, "ab", 2), 2);
    CHECK((other = open("a", O_WRONLY | O_APPEND)) >= 0);
    CHECK_EQ(write(other, "cd", 2), 2);
    CHECK_EQ(write(fd, "ef", 2), 2);
    CHECK_EQ(write(other, "gh", 2), 2);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(close(other), 0);
    CHECK(compat_file_is("a", "abcdefgh"));
    CHECK_EQ(unlink("a"), 0);
}

/* All sizes around what goes at once. */
static void large_and_small(void)
{
    static char in[210000], out[210000];
    static const size_t sizes[] = {1,     100,   4095,  4096,  4097,  20000,
                                   32000, 32740, 32752, 32768, 40000, 7};
    size_t total = 0;
    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = (char)(i * 7 + i / 251);
    }
    int fd = make("a", O_RDWR);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CHECK_EQ(write(fd, in + total, sizes[i]), sizes[i]);
        total += sizes[i];
    }
    CHECK_EQ(pread(fd, out, sizeof(out), 0), total);
    CHECK(memcmp(in, out, total) == 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink("a"), 0);
    fd = make("a", O_RDWR);
    for (size_t at = 0; at < sizeof(in); at += 100) { /* with a large call while small ones wait */
        CHECK_EQ(write(fd, in + at, 100), 100);
    }
    CHECK_EQ(pread(fd, out, sizeof(out), 0), sizeof(in));
    CHECK(memcmp(in, out, sizeof(in)) == 0);
    CHECK_EQ(pwrite(fd, in, sizeof(in), 50), sizeof(in));
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink("a"), 0);
}

static void many_at_once(void)
{
    int fds[MANY];
    char name[32], text[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        fds[i] = make(name, O_WRONLY);
        CHECK_EQ(write(fds[i], name, strlen(name)), strlen(name));
    }
    for (int i = 0; i < MANY; i += 3) {
        CHECK_EQ(close(fds[i]), 0);
    }
    for (int i = 0; i < MANY; i++) {
        if (i % 3) {
            snprintf(text, sizeof(text), "+%d", i);
            CHECK_EQ(write(fds[i], text, strlen(text)), strlen(text));
            CHECK_EQ(fchmod(fds[i], 0600 | (i & 077)), 0);
            CHECK_EQ(close(fds[i]), 0);
        }
        CHECK_ERRNO(close(fds[i]), EBADF);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        snprintf(text, sizeof(text), i % 3 ? "f%d+%d" : "f%d", i, i);
        CHECK(compat_file_is(name, text));
        CHECK_EQ(unlink(name), 0);
    }
}

static void bad_arguments(void)
{
    struct stat st;
    struct timespec times[2] = {{.tv_nsec = 1000000000}, {0}};
    char *hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(hole != MAP_FAILED && munmap(hole + 4096, 4096) == 0);
    int fd = make("a", O_WRONLY);
    CHECK_EQ(write(fd, "", 0), 0);
    CHECK_ERRNO(write(fd, hole + 4096, 10), EFAULT);
    CHECK_ERRNO(write(fd, (void *)-4096, 10), EFAULT);
    CHECK_ERRNO(futimens(fd, times), EINVAL);
    CHECK_ERRNO(utimensat(fd, NULL, NULL, 0x4000), EINVAL);
    CHECK_EQ(fchown(fd, (uid_t)-1, (gid_t)-1), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 0);
    CHECK_EQ(st.st_uid, geteuid());
    CHECK_EQ(close(fd), 0);
    CHECK_ERRNO(write(fd, "x", 1), EBADF);
    CHECK_ERRNO(fchmod(fd, 0600), EBADF);
    CHECK_ERRNO(fchown(fd, 0, 0), EBADF);
    CHECK_ERRNO(futimens(fd, NULL), EBADF);
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    fd = open("a", O_RDONLY);
    CHECK_ERRNO(write(fd, "x", 1), EBADF);
    CHECK_EQ(fchmod(fd, 0640), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink("a"), 0);
    munmap(hole, 4096);
}

/* F_GETFD and the like are asked so often that the process knows them. */
static void known_descriptors(void)
{
    for (int i = 0; i < 40; i++) {
        int fd = make("a", O_WRONLY | O_CLOEXEC);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        CHECK_EQ(fcntl(fd, F_SETFD, 0), 0);
        CHECK_EQ(write(fd, "x", 1), 1);
        CHECK_EQ(close(fd), 0);
        CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
        CHECK_EQ(unlink("a"), 0);
    }
}

static void numbers(void)
{
    struct rlimit old, few;
    int first = make("a", O_WRONLY);
    CHECK_EQ(close(first), 0);
    CHECK_EQ(open("a", O_RDONLY), first);
    CHECK_EQ(close(first), 0);
    CHECK_EQ(dup(0), first);
    CHECK_EQ(close(first), 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){(rlim_t)first + 1, old.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(open("a", O_RDWR), first);
        CHECK_ERRNO(open("a", O_RDWR), EMFILE);
        CHECK_EQ(close(first), 0);
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    int fd = open("a", O_RDWR), above = dup2(fd, fd + 10);
    CHECK_EQ(above, fd + 10);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(dup2(above, fd), fd);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(close(above), 0);
    CHECK_EQ(close(fd), 0);
    CHECK(compat_file_is("a", "x"));
    CHECK_EQ(unlink("a"), 0);
}

static long free_blocks(void)
{
    struct statfs s;
    CHECK_EQ(statfs(".", &s), 0);
    return (long)s.f_bfree * ((long)s.f_bsize / 512);
}

/* Other programs use the file system, too: it is about large differences. */
static void space(void)
{
    const long size = 64L << 20, blocks = size / 512;
    int fd = make("a", O_WRONLY);
    if (fallocate(fd, 0, 0, size) != 0) {
        CHECK_EQ(close(fd), 0);
        CHECK_EQ(unlink("a"), 0);
        return;
    }
    int again = open("a", O_RDWR);
    long before = free_blocks();
    CHECK_EQ(unlink("a"), 0);
    CHECK_EQ(close(fd), 0);
    CHECK(labs(free_blocks() - before) < blocks / 2);
    CHECK_EQ(close(again), 0);
    for (int i = 0; i < 100 && free_blocks() < before + blocks / 2; i++) {
        usleep(50000); /* not every host's file system counts at once */
    }
    CHECK(free_blocks() >= before + blocks / 2);
}

static int try_lock(void)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    int fd = open("a", O_RDWR);
    return fcntl(fd, F_SETLK, &l) == 0 ? 0 : errno == EAGAIN || errno == EACCES ? 1 : 2;
}

static int try_flock(void)
{
    int fd = open("a", O_RDWR);
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? 1 : 2;
}

static void locks(void)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    int fd = make("a", O_RDWR), other = open("a", O_RDWR);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(fcntl(fd, F_SETLK, &l), 0);
    CHECK_EQ(compat_child(try_lock), 1);
    CHECK_EQ(close(other), 0); /* any descriptor of the file */
    CHECK_EQ(compat_child(try_lock), 0);
    CHECK_EQ(close(fd), 0);
    fd = open("a", O_RDWR);
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    CHECK_EQ(compat_child(try_flock), 1);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(compat_child(try_flock), 0);
    CHECK_EQ(unlink("a"), 0);
}

static int limited(void)
{
    const struct rlimit small = {100, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    int fd = make("limited", O_WRONLY);
    CHECK_EQ(write(fd, "12345678901234567890", 20), 20);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    char block[200] = {0};
    CHECK_EQ(write(fd, block, sizeof(block)), 80);
    CHECK_ERRNO(write(fd, block, 1), EFBIG);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink("limited"), 0);
    return 0;
}

static int ordinary(void)
{
    struct stat st;
    int fd = make("ordinary", O_WRONLY);
    CHECK_EQ(chmod(".", 0777), 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(fchown(fd, 1234, 1234), 0);
    CHECK_EQ(setgid(4321), 0);
    CHECK_EQ(setuid(4321), 0);
    CHECK_EQ(write(fd, "y", 1), 1); /* what it has open it may write */
    CHECK_ERRNO(fchmod(fd, 0666), EPERM);
    CHECK_ERRNO(fchown(fd, 4321, 4321), EPERM);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_uid, 1234);
    CHECK_EQ(st.st_size, 2);
    CHECK_EQ(st.st_mode & 0777, 0600);
    CHECK_EQ(close(fd), 0);
    fd = make("own", O_WRONLY);
    CHECK_ERRNO(fchown(fd, 1234, (gid_t)-1), EPERM);
    CHECK_EQ(fchown(fd, 4321, 4321), 0);
    CHECK_EQ(fchmod(fd, 0200), 0);
    CHECK_EQ(futimens(fd, NULL), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(stat("own", &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0200);
    return 0;
}

int main(void)
{
    compat_tmpdir();
    own_view();
    appended();
    large_and_small();
    many_at_once();
    bad_arguments();
    known_descriptors();
    numbers();
    space();
    locks();
    CHECK_EQ(compat_child(limited), 0);
    if (geteuid() == 0) {
        CHECK_EQ(compat_child(ordinary), 0);
    }
    return 0;
}
