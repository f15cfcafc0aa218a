/*
 * process_vm_writev(2): a child's memory is changed, by ranges, up to what is not there or not writable; who shares it sees that.
 */
#include "../process_vm_readv/process_vm.h"

#define MANY 300UL /* pages */

static char *g_page, *g_many;
static volatile int *g_shared;

static void prepare(void)
{
    munmap(g_page + 2 * PAGE, PAGE);
    mprotect(g_page + 4 * PAGE, PAGE, PROT_READ);
}

static long put(pid_t pid, const void *from, size_t from_size, void *to, size_t to_size)
{
    struct iovec local = {(void *)from, from_size}, remote = {to, to_size};
    return process_vm_writev(pid, &local, 1, &remote, 1, 0);
}

static void child_has(pid_t pid, const char *at, const char *want, size_t size)
{
    static char buf[MANY * PAGE];
    struct iovec local = {buf, size}, remote = {(void *)at, size};
    CHECK_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), size);
    CHECK(memcmp(buf, want, size) == 0);
}

int main(void)
{
    static char zeros[PAGE];
    g_page = pages(6);
    g_many = pages(MANY);
    g_shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK((void *)g_shared != MAP_FAILED);
    pid_t pid = waiting_child(prepare);

    CHECK_EQ(put(pid, "hello, child", 12, g_page + 10, 100), 12);
    child_has(pid, g_page + 10, "hello, child", 13);
    CHECK(g_page[10] == 0);
    struct iovec local[3] = {{"abc", 3}, {NULL, 0}, {"defgh", 5}};
    struct iovec remote[3] = {{g_page + 100, 1}, {g_page + 200, 4}, {g_page + 300, 100}};
    CHECK_EQ(process_vm_writev(pid, local, 3, remote, 3, 0), 8);
    child_has(pid, g_page + 100, "a", 2);
    child_has(pid, g_page + 200, "bcde", 5);
    child_has(pid, g_page + 300, "fgh", 4);

    memset(g_many, 'm', MANY * PAGE);
    CHECK_EQ(put(pid, g_many, 2 * PAGE, g_page + 2 * PAGE - 7, 2 * PAGE), 7);
    child_has(pid, g_page + 2 * PAGE - 7, g_many, 7);
    CHECK_ERRNO(put(pid, "x", 1, g_page + 2 * PAGE, 1), EFAULT);
    CHECK_ERRNO(put(pid, "x", 1, g_page + 4 * PAGE, 1), EFAULT); /* PROT_READ */
    CHECK_EQ(put(pid, g_many, 2 * PAGE, g_page + 4 * PAGE - 3, 2 * PAGE), 3);
    child_has(pid, g_page + 4 * PAGE, zeros, PAGE);

    /* What we don't have. */
    CHECK_EQ(munmap(g_page + PAGE, PAGE), 0);
    CHECK_EQ(put(pid, g_page + PAGE - 4, 100, g_page + 3 * PAGE, 100), 4);
    CHECK_ERRNO(put(pid, g_page + PAGE, 100, g_page + 3 * PAGE, 100), EFAULT);

    CHECK_EQ(put(pid, g_many, MANY * PAGE, g_many, MANY * PAGE), MANY * PAGE);
    child_has(pid, g_many, g_many, MANY * PAGE);

    int n = 4711;
    CHECK_EQ(put(pid, &n, sizeof(n), (void *)g_shared, sizeof(n)), sizeof(n));
    CHECK_EQ(*g_shared, 4711);
    end_child(pid);
    return 0;
}
