/*
 * set_robust_list(2): a list that never comes back to its head ends somewhere, and a lock in it is taken from the dead.
 */
#include "../compat.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>

#define THREADS 200

struct entry {
    struct robust_list link;
    uint32_t word;
};
static struct entry g_entries[3];

static void *die_in_circles(void *arg)
{
    struct robust_list_head head = {.list.next = &g_entries[0].link,
                                    .futex_offset = offsetof(struct entry, word)};
    for (int i = 0; i < 3; i++) {
        g_entries[i].word = (uint32_t)syscall(SYS_gettid);
        g_entries[i].link.next = &g_entries[i == 2 ? 1 : i + 1].link; /* 0, 1, 2, 1, 2, ... */
    }
    CHECK_EQ(syscall(SYS_set_robust_list, &head, sizeof(head)), 0);
    syscall(SYS_exit, 0); /* with head still there */
    return arg;
}

int main(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, die_in_circles, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        for (int j = 0; j < 3; j++) {
            CHECK_EQ(g_entries[j].word, FUTEX_OWNER_DIED);
        }
    }
    return 0;
}
