/*
 * process_vm_readv(2): a child's memory, in and out of several ranges of different lengths; what is not there ends the transfer, and
 * what was moved before counts. Its own memory can be read by any process. Neither end is forced: protection holds.
 */
#include "process_vm.h"

#define MANY 700UL /* pages */

static char *g_page, *g_many;

static void prepare(void)
{
    for (size_t i = 0; i < 4 * PAGE; i++) {
        g_page[i] = (char)(i * 7 + i / PAGE);
    }
    for (size_t i = 0; i < MANY * PAGE; i++) {
        g_many[i] = (char)(i * 5 + i / PAGE);
    }
    munmap(g_page + 4 * PAGE, PAGE);
    mprotect(g_page + 5 * PAGE, PAGE, PROT_NONE);
    mprotect(g_page + 6 * PAGE, PAGE, PROT_READ);
}

static long take(pid_t pid, void *to, size_t to_size, void *from, size_t from_size)
{
    struct iovec local = {to, to_size}, remote = {from, from_size};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

static void check_pattern(const char *buf, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CHECK(buf[i] == (char)((from + i) * 7 + (from + i) / PAGE));
    }
}

int main(void)
{
    static char buf[6 * PAGE];
    g_page = pages(8);
    g_many = pages(MANY);
    pid_t pid = waiting_child(prepare);

    CHECK_EQ(take(pid, buf, 100, g_page + 50, 100), 100);
    check_pattern(buf, 50, 100);
    CHECK(g_page[50] == 0);                            /* ours is another */
    CHECK_EQ(take(pid, buf, 10, g_page + 1, 100), 10); /* the shorter end decides */
    CHECK_EQ(take(pid, buf, 100, g_page + 1, 10), 10);
    CHECK_EQ(take(pid, buf, 4 * PAGE, g_page, 4 * PAGE), 4 * PAGE);
    check_pattern(buf, 0, 4 * PAGE);

    struct iovec local[4] = {{buf, 3}, {buf + 3, 0}, {buf + 3, PAGE}, {buf + 3 + PAGE, 50}};
    struct iovec remote[3] = {{g_page + 5, PAGE}, {NULL, 0}, {g_page + 5 + PAGE, 2 * PAGE}};
    memset(buf, 0, sizeof(buf));
    CHECK_EQ(process_vm_readv(pid, local, 4, remote, 3, 0), PAGE + 53);
    check_pattern(buf, 5, PAGE + 53);
    CHECK(buf[PAGE + 53] == 0);

    /* Up to what is not there: in the middle of a range, and between ranges. */
    memset(buf, 0, sizeof(buf));
    CHECK_EQ(take(pid, buf, 5 * PAGE, g_page + 3 * PAGE - 9, 5 * PAGE), PAGE + 9);
    check_pattern(buf, 3 * PAGE - 9, PAGE + 9);
    CHECK(buf[PAGE + 9] == 0);
    remote[0] = (struct iovec){g_page + 2, 20};
    remote[1] = (struct iovec){g_page + 4 * PAGE, 20};
    remote[2] = (struct iovec){g_page + 30, 20};
    local[0] = (struct iovec){buf, PAGE};
    CHECK_EQ(process_vm_readv(pid, local, 1, remote, 3, 0), 20);
    CHECK_ERRNO(process_vm_readv(pid, local, 1, remote + 1, 2, 0), EFAULT);
    CHECK_ERRNO(take(pid, buf, 8, g_page + 5 * PAGE, 8), EFAULT); /* PROT_NONE */
    CHECK_EQ(take(pid, buf, 8, g_page + 6 * PAGE, 8), 8);

    /* The same at our end. */
    CHECK_EQ(munmap(g_page + PAGE, PAGE), 0);
    CHECK_EQ(take(pid, g_page + PAGE - 6, 20, g_page + 3, 20), 6);
    check_pattern(g_page + PAGE - 6, 3, 6);
    CHECK_ERRNO(take(pid, g_page + PAGE, 20, g_page + 3, 20), EFAULT);
    CHECK_EQ(mprotect(g_page, PAGE, PROT_READ), 0);
    CHECK_ERRNO(take(pid, g_page, 20, g_page + 3, 20), EFAULT);

    /* Much at once. */
    char *much = pages(MANY);
    CHECK_EQ(take(pid, much, MANY * PAGE, g_many, MANY * PAGE), MANY * PAGE);
    for (size_t i = 0; i < MANY * PAGE; i++) {
        CHECK(much[i] == (char)(i * 5 + i / PAGE));
    }

    /* Oneself, also when nobody else may look. */
    CHECK_EQ(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), 0);
    CHECK_EQ(take(getpid(), buf, 100, much, 100), 100);
    CHECK(memcmp(buf, much, 100) == 0);

    end_child(pid);
    CHECK_ERRNO(take(pid, buf, 8, g_page, 8), ESRCH);
    return 0;
}
