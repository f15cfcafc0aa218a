/*
 * Names and buffers that share memory: a struct that begins where the name does, one in the other, a name that is another's end,
 * and names that end right before memory that can't be read. Each is what stands there, whatever earlier calls had there.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <time.h>

static void earlier_call(void) /* whose name has no zero byte early */
{
    char name[201];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    CHECK_ERRNO(unlink(name), ENOENT);
}

static void times_in_name(void)
{
    struct stat st;
    union {
        char name[sizeof(struct timespec[2])];
        struct timespec ts[2];
    } u = {.ts = {{'f', 123456789}, {2000000000, 987654321}}};
    compat_file("f", "");
    earlier_call();
    CHECK_EQ(utimensat(AT_FDCWD, u.name, u.ts, 0), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_atim.tv_sec == 'f' && st.st_atim.tv_nsec == 123456789);
    CHECK(st.st_mtim.tv_sec == 2000000000 && st.st_mtim.tv_nsec == 987654321);

    struct {
        char name[8];
        struct timespec ts[2];
    } s = {"f", {{5, 6}, {7, 8}}};
    earlier_call();
    CHECK_EQ(utimensat(AT_FDCWD, s.name, s.ts, 0), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK(st.st_atim.tv_sec == 5 && st.st_mtim.tv_nsec == 8);
}

static void name_in_name(void)
{
    char names[] = "f\0second\0third/../third", target[64] = "";
    mkdir("third", 0700);
    earlier_call();
    CHECK_EQ(symlink(names, names + 2), 0);
    CHECK_EQ(readlink("second", target, sizeof(target)), 1);
    earlier_call();
    CHECK_EQ(rename(names + 2, names + 4), 0); /* "second" to "cond" */
    CHECK_EQ(readlink("cond", target, sizeof(target)), 1);
    earlier_call();
    CHECK_ERRNO(symlink(names + 9, names + 9 + sizeof("third/../") - 1), EEXIST);
    /* the answer goes where the name is */
    char *volatile answer = strcpy(target, "cond");
    CHECK_EQ(readlink(target, answer, sizeof(target)), 1);
    CHECK(target[0] == 'f' && target[1] == 'o');
}

static void names_at_the_end(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
    for (size_t room = 2; room < 40; room++) {
        char *name = page + 4096 - room;
        memset(name, 'n', room);
        CHECK_ERRNO(unlink(name), EFAULT); /* no end */
        name[room - 1] = 0;
        compat_file(name, "");
        CHECK_EQ(unlink(name), 0);
        name[room / 2] = 0;
        CHECK_EQ(mkdir(name, 0700), 0);
        CHECK_EQ(rmdir(name), 0);
    }
    CHECK_ERRNO(unlink(page + 4096), EFAULT);
    for (size_t length = 240; length < 256; length++) { /* NAME_MAX, and what is sent ahead */
        char *name = page + 1000 + length;
        memset(name, 'a', length);
        name[length] = 0;
        CHECK_EQ(mkdir(name, 0700), 0);
        CHECK_EQ(rmdir(name), 0);
    }
    memset(page, '/', 4000);
    strcpy(page + 1000, "etc/..");
    struct stat st, root;
    CHECK(stat(page, &st) == 0 && stat("/", &root) == 0 && st.st_ino == root.st_ino);
}

int main(void)
{
    compat_tmpdir();
    times_in_name();
    name_in_name();
    names_at_the_end();
    return 0;
}
