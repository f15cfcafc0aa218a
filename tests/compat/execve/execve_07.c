/*
 * execve(2) of damaged programs: header and program header fields of a real one are overwritten, or it is cut
 * short. Each is refused with an errno, runs, or dies by a signal; the caller and the next program are well.
 */
#include "../compat.h"

#include <elf.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ROUNDS 400
static char image[1 << 20];
static size_t image_size;
static uint64_t seed = 88172645463325252ULL;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t value(void)
{
    static const uint64_t values[] = {
        0,
        1,
        0xfff,
        0x1000,
        0x1001,
        0x400000,
        0x7fffff,
        1UL << 32,
        0x555555554000,
        0x6fffffffe000,
        0x700000000000,
        0x7000ffffe000,
        0x7ffffffde000,
        0x7fffffffefff,
        1UL << 47,
        INT64_MAX,
        1UL << 63,
        UINT64_MAX - 0xfff,
        UINT64_MAX,
    };
    return values[next() % (sizeof(values) / sizeof(values[0]))];
}

static void damage(char *copy, size_t *size)
{
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)image;
    memcpy(copy, image, image_size);
    *size = image_size;
    size_t headers = sizeof(*h) + h->e_phnum * sizeof(Elf64_Phdr);
    for (uint64_t n = 1 + next() % 3; n > 0; n--) {
        size_t at = 16 + next() % (headers - 24);
        uint64_t v = value();
        switch (next() % 4) {
        case 0:
            memcpy(copy + (at & ~7UL), &v, 8);
            break;
        case 1:
            copy[at] ^= (char)(1 << next() % 8);
            break;
        case 2:
            v = next();
            memcpy(copy + at, &v, 1 + next() % 8);
            break;
        default:
            *size = next() % 4 ? *size : next() % *size;
            break;
        }
    }
}

static int run(const char *path)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(5); /* kept over exec: a damaged program may loop */
        prctl(PR_SET_DUMPABLE, 0);
        close(1);
        close(2);
        execl(path, "x", "-c", "exit 3", NULL);
        _exit(100);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

int main(void)
{
    static char copy[sizeof(image)];
    int refused = 0, killed = 0, ran = 0;
    int fd = open("/bin/sh", O_RDONLY);
    CHECK(fd >= 0);
    image_size = (size_t)read(fd, image, sizeof(image));
    CHECK(image_size > 4096 && image_size < sizeof(image));
    compat_tmpdir();
    for (int i = 0; i < ROUNDS; i++) {
        size_t size;
        damage(copy, &size);
        unlink("damaged");
        fd = open("damaged", O_WRONLY | O_CREAT | O_EXCL, 0755);
        CHECK(fd >= 0);
        CHECK(write(fd, copy, size) == (ssize_t)size);
        CHECK_EQ(close(fd), 0);
        int status = run("./damaged");
        refused += WIFEXITED(status) && WEXITSTATUS(status) == 100;
        killed += WIFSIGNALED(status);
        ran += WIFEXITED(status) && WEXITSTATUS(status) != 100;
    }
    fprintf(stderr, "%d refused, %d killed, %d ran\n", refused, killed, ran);
    CHECK(refused > 0 && ran > 0);
    CHECK_EQ(WEXITSTATUS(run("/bin/sh")), 3);
    return 0;
}
