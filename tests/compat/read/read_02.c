/*
 * Claims: who opens a file again and again, asks for its attributes and position, and reads it to its end, gets what holds at
 * that moment, after every change: by another descriptor, a duplicate, a name, a mapping, another process that
 * makes the change while this one makes no call; after calls that move the position otherwise than read and write do, and
 * with other flags than the file was opened with.
 */
#include "tests/compat/compat.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <termios.h>

#define TIMES 30 /* so that whoever learns from what is asked has learned */

static volatile int *g_turn; /* shared by both: who waits does so without a call */

static void wait_turn(int turn)
{
    for (long i = 0; *g_turn != turn; i++) {
        CHECK(i < 5000000000L);
        __builtin_ia32_pause();
    }
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* fstat says what stat says. */
static struct stat same_as_named(int fd, const char *name)
{
    struct stat a, b;
    CHECK_EQ(fstat(fd, &a), 0);
    CHECK_EQ(stat(name, &b), 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_mode == b.st_mode);
    CHECK(a.st_size == b.st_size && a.st_nlink == b.st_nlink && a.st_blocks == b.st_blocks);
    CHECK(a.st_uid == b.st_uid && a.st_gid == b.st_gid && a.st_blksize == b.st_blksize);
    CHECK(ns_of(a.st_mtim) == ns_of(b.st_mtim) && ns_of(a.st_ctim) == ns_of(b.st_ctim));
    CHECK(ns_of(a.st_atim) == ns_of(b.st_atim));
    return a;
}

static int open_known(const char *name, int flags)
{
    struct stat st;
    int fd = open(name, flags, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    return fd;
}

static void to_the_end(void)
{
    char buf[64];
    struct termios tio;
    compat_file("f", "hello");
    for (int i = 0; i < TIMES; i++) {
        int fd = open_known("f", i % 2 ? O_RDONLY : O_RDWR);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
        CHECK_ERRNO(ioctl(fd, TCGETS, &tio), ENOTTY);
        CHECK_EQ(read(fd, buf, 2), 2);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 3);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
        CHECK_EQ(same_as_named(fd, "f").st_size, 5);
        CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 2);
        CHECK_EQ(lseek(fd, -1, SEEK_END), 4);
        CHECK_EQ(lseek(fd, 100, SEEK_CUR), 104);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
        CHECK_ERRNO(lseek(fd, -200, SEEK_CUR), EINVAL);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 104);
        CHECK_EQ(close(fd), 0);
        CHECK_ERRNO(fstat(fd, &(struct stat){0}), EBADF);
        CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), EBADF);
        CHECK_ERRNO(ioctl(fd, TCGETS, &tio), EBADF);
    }
    int fd = open_known("f", O_WRONLY);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 5);
    CHECK_ERRNO(read(fd, buf, sizeof(buf)), EBADF);
    CHECK_EQ(close(fd), 0);
}

static void changed_by_oneself(void)
{
    char buf[64];
    for (int i = 0; i < TIMES; i++) {
        compat_file("f", "hello");
        int fd = open_known("f", O_RDWR), other = open_known("f", O_RDWR);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 5);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
        CHECK_EQ(pwrite(other, "!!", 2, 5), 2);
        CHECK_EQ(same_as_named(fd, "f").st_size, 7);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 2);
        CHECK_EQ(ftruncate(other, 3), 0);
        CHECK_EQ(same_as_named(fd, "f").st_size, 3);
        CHECK_EQ(chmod("f", 0600 | (mode_t)i), 0);
        CHECK_EQ(same_as_named(fd, "f").st_mode & 0777, 0600 | i);
        CHECK_EQ(link("f", "g"), 0);
        CHECK_EQ(same_as_named(fd, "f").st_nlink, 2);
        CHECK_EQ(unlink("g"), 0);
        CHECK_EQ(same_as_named(fd, "f").st_nlink, 1);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
        CHECK_EQ(write(fd, "xy", 2), 2);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
        int copy = dup(fd);
        CHECK_EQ(lseek(copy, 1, SEEK_SET), 1);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 4);
        char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
        CHECK(p != MAP_FAILED);
        p[0] = 'M';
        CHECK_EQ(pread(fd, buf, 1, 0), 1);
        CHECK_EQ(buf[0], 'M');
        munmap(p, 4096);
        CHECK(close(fd) == 0 && close(other) == 0 && close(copy) == 0);
        CHECK_EQ(unlink("f"), 0);
    }
}

/* Calls that move the position, and are not read or write. */
static void moved_otherwise(void)
{
    char buf[64];
    struct iovec v = {buf, 2};
    compat_file("f", "0123456789");
    int null = open("/dev/null", O_WRONLY), pipes[2];
    CHECK_EQ(pipe(pipes), 0);
    for (int i = 0; i < TIMES; i++) {
        int fd = open_known("f", O_RDONLY);
        CHECK_EQ(sendfile(pipes[1], fd, NULL, 3), 3);
        CHECK_EQ(read(pipes[0], buf, sizeof(buf)), 3);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
        CHECK_EQ(readv(fd, &v, 1), 2);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
        CHECK_EQ(preadv2(fd, &v, 1, -1, 0), 2);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
        CHECK_EQ(pread(fd, buf, 5, 0), 5);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
        CHECK_EQ(splice(fd, NULL, pipes[1], NULL, 2, 0), 2);
        CHECK_EQ(read(pipes[0], buf, sizeof(buf)), 2);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 1);
        CHECK_EQ(buf[0], '9');
        CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
        CHECK_EQ(close(fd), 0);
    }
    close(null);
    close(pipes[0]);
    close(pipes[1]);
}

/* A file that is being made: what is known of it follows what is written. */
static void made(void)
{
    char buf[64];
    for (int i = 0; i < TIMES; i++) {
        unlink("n");
        int fd = open_known("n", O_RDWR | O_CREAT | O_EXCL);
        CHECK_EQ(write(fd, "abc", 3), 3);
        CHECK_EQ(same_as_named(fd, "n").st_size, 3);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 3);
        CHECK_EQ(write(fd, "def", 3), 3);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
        CHECK_EQ(ftruncate(fd, 10), 0);
        CHECK_EQ(same_as_named(fd, "n").st_size, 10);
        CHECK_EQ(read(fd, buf, sizeof(buf)), 4);
        CHECK_EQ(fchmod(fd, 0640), 0);
        CHECK_EQ(same_as_named(fd, "n").st_mode & 0777, 0640);
        CHECK_EQ(close(fd), 0);
    }
}

static void changed_by_another(void)
{
    char buf[64];
    struct stat st;
    for (int i = 0; i < TIMES; i++) {
        compat_file("f", "hello");
        *g_turn = 0;
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            int fd = open_known("f", O_RDONLY);
            CHECK_EQ(read(fd, buf, sizeof(buf)), 5);
            CHECK_EQ(fstat(fd, &st), 0);
            CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
            *g_turn = 1;
            wait_turn(2);
            CHECK_EQ(i % 3 == 0 ? fstat(fd, &st) : 0, 0);
            CHECK_EQ(i % 3 == 0 ? st.st_size : 8, 8);
            CHECK_EQ(i % 3 == 1 ? lseek(fd, 0, SEEK_CUR) : 5, 5);
            CHECK_EQ(read(fd, buf, sizeof(buf)), 3);
            *g_turn = 3;
            wait_turn(4);
            CHECK_EQ(fstat(fd, &st), 0);
            CHECK_EQ(st.st_nlink, 0);
            CHECK_EQ(close(fd), 0);
            _exit(0);
        }
        wait_turn(1);
        int fd = open("f", O_WRONLY | O_APPEND), status;
        CHECK_EQ(write(fd, "+++", 3), 3);
        *g_turn = 2;
        wait_turn(3);
        CHECK_EQ(unlink("f"), 0);
        *g_turn = 4;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        CHECK_EQ(close(fd), 0);
    }
}

/* Somebody writes by a mapping: nobody is told. */
static void changed_by_a_mapping(void)
{
    compat_file("f", "hello");
    int status, fd = open("f", O_RDWR);
    CHECK_EQ(ftruncate(fd, 8 * 4096), 0);
    char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    *g_turn = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 1; i < 8; i++) {
            int own = open_known("f", O_RDONLY);
            p[i * 4096] = 'x';
            same_as_named(own, "f");
            CHECK_EQ(close(own), 0);
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    munmap(p, 8 * 4096);
    CHECK_EQ(close(fd), 0);
}

int main(void)
{
    compat_tmpdir();
    g_turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_turn != MAP_FAILED);
    to_the_end();
    changed_by_oneself();
    moved_otherwise();
    made();
    changed_by_another();
    changed_by_a_mapping();
    return 0;
}
