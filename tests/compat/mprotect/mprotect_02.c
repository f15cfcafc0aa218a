/*
 * mprotect(2) of code to what it is already, or to writable and back, while threads begin to call what is in it: each call is made, and
 * gives what it should. So where calls are rewritten, nobody takes the right to write away from who does that, and memory that is mapped
 * there afterwards has nothing of it.
 */
#include "../compat.h"
#include "tests/call_sites.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define ROUNDS  120
#define CALLERS 3
#define SITES   32
#define PAGE    4096

static char *volatile g_page;
static volatile int g_over, g_wrong, g_inside[CALLERS + 1];

static void *caller(void *arg)
{
    const long self = (long)(intptr_t)arg, pid = getpid();
    for (unsigned n = 0; !g_over; n++) {
        g_inside[self] = 1;
        char *page = g_page;
        if (page && call_with(page + n % SITES * 64, SYS_getpid, 0, 0, 0) != pid) {
            g_wrong = 1;
        }
        g_inside[self] = 0;
        if (!page) {
            sched_yield();
        }
    }
    return NULL;
}

static void *changer(void *arg)
{
    (void)arg;
    for (unsigned n = 0; !g_over; n++) {
        g_inside[CALLERS] = 1;
        char *page = g_page;
        if (page) {
            mprotect(page, PAGE, PROT_READ | PROT_EXEC | (n % 16 == 0 ? PROT_WRITE : 0));
        }
        g_inside[CALLERS] = 0;
        if (!page) {
            sched_yield();
        }
    }
    return NULL;
}

static void show(char *page)
{
    g_page = page;
    usleep(1500);
    g_page = NULL;
    for (int i = 0; i <= CALLERS; i++) {
        while (g_inside[i]) {
            sched_yield();
        }
    }
}

int main(void)
{
    pthread_t t[CALLERS + 1];
    for (intptr_t i = 0; i <= CALLERS; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, i < CALLERS ? caller : changer, (void *)i), 0);
    }
    for (int round = 0; round < ROUNDS && !g_wrong; round++) {
        char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
        for (int i = 0; i < SITES; i++) {
            memcpy(page + i * 64, i % 2 ? mov_form : cmp_form,
                   i % 2 ? sizeof(mov_form) : sizeof(cmp_form));
        }
        CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_EXEC), 0);
        show(page);
        CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0) == page);
        CHECK_EQ(page[64], 0);
        CHECK_EQ(munmap(page, PAGE), 0);
    }
    g_over = 1;
    for (int i = 0; i <= CALLERS; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
    CHECK_EQ(g_wrong, 0);
    return 0;
}
