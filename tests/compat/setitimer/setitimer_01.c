/*
 * setitimer(2), getitimer(2):
 * 1. ITIMER_REAL sends SIGALRM, again and again with an interval; setting 0 stops it.
 * 2. The old value is returned; the remaining time counts down, and is never 0 while it is armed.
 * 3. EINVAL for a bad timer and microseconds of 1000000; EFAULT.
 * 4. ITIMER_VIRTUAL and ITIMER_PROF count CPU time, and send SIGVTALRM and SIGPROF.
 */
#include "../compat.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t alarms, virtuals, profs;

static void handler(int sig)
{
    alarms += sig == SIGALRM;
    virtuals += sig == SIGVTALRM;
    profs += sig == SIGPROF;
}

int main(void)
{
    struct itimerval it = {{0, 10000}, {0, 10000}}, old;
    signal(SIGALRM, handler);
    signal(SIGVTALRM, handler);
    signal(SIGPROF, handler);
    CHECK_ERRNO(setitimer((enum __itimer_which)9, &it, NULL), EINVAL);
    CHECK_ERRNO(getitimer((enum __itimer_which)9, &it), EINVAL);
    it.it_value.tv_usec = 1000000;
    CHECK_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
    CHECK_ERRNO(setitimer(ITIMER_REAL, (void *)8, NULL), EFAULT);
    it.it_value.tv_usec = 10000;
    CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
    CHECK_EQ(old.it_value.tv_sec + old.it_value.tv_usec, 0);
    while (alarms < 3) {
        pause();
    }
    it = (struct itimerval){{0, 0}, {5, 0}};
    CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
    CHECK_EQ(old.it_interval.tv_usec, 10000);
    CHECK(old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 10000);
    CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
    CHECK_EQ(old.it_value.tv_sec, 4);
    CHECK_EQ(old.it_interval.tv_usec, 0);
    it = (struct itimerval){{0, 0}, {0, 0}};
    CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
    CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
    CHECK_EQ(old.it_value.tv_sec, 0);

    it = (struct itimerval){{0, 0}, {0, 20000}};
    CHECK_EQ(setitimer(ITIMER_VIRTUAL, &it, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_PROF, &it, NULL), 0);
    usleep(60000);
    CHECK_EQ(virtuals, 0);
    for (long i = 0; i < 20000000000L && (!virtuals || !profs); i++) {
        __asm__ volatile("");
    }
    CHECK_EQ(virtuals, 1);
    CHECK_EQ(profs, 1);
    return 0;
}
