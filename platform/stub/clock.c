/*
 * Time, processors and random numbers, for programs that make the system calls instead of using the vDSO (or must: it has no
 * CPU clocks). Guests live by the host's clocks, and a guest's process and threads are the host's, so the host's answers are
 * the right ones, and give away nothing that the vDSO's code and the time stamp counter don't. The filter admits just these.
 *
 * What the vDSO knows is asked there, a third of the gate's price. Where it does not know it makes a system call, and the guest may have unmapped
 * or moved it: all of that ends at vdso_abort (handlers.c), and the process uses the gate from then on.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define CLOCK_REALTIME_          0
#define CLOCK_MONOTONIC_         1
#define CLOCK_THREAD_CPUTIME_ID_ 3
#define CLOCK_REALTIME_COARSE_   5
#define NSEC_PER_SEC_            1000000000UL
#define CLOCK_TICKS_             100UL /* USER_HZ */
#define RUSAGE_SELF_             0
#define RUSAGE_THREAD_           1
#define RANDOM_MAX               256 /* up to here, no signal ends it early */

#define CPU_CLOCKS  0xcU  /* of the process, and of the thread */
#define VDSO_CLOCKS 0xf3U /* what every vDSO has */

static int is_known_clock(uint32_t id, int with_cpu)
{
    return id < 32 && ((with_cpu ? GATE_CLOCKS : GATE_CLOCKS & ~CPU_CLOCKS) >> id & 1);
}

static long host_time(uint32_t clock, uint64_t *time)
{
    uint64_t function = RO->vdso_clock;
    if (function && HOT->vdso && !HOT->vdso_left && clock < 32 && VDSO_CLOCKS >> clock & 1 &&
        vdso_call(own_area(), HOT->vdso + function, clock, time) == 0) {
        return 0;
    }
    return gate(__NR_clock_gettime, clock, ptr(time), 0, 0, 0, 0) == 0 ? 0 : NOT_OURS;
}

void stub_vdso_unmapped(uint64_t addr, uint64_t size)
{
    if (addr < HOT->vdso + VDSO_TEXT_MAX && addr + size > HOT->vdso) {
        HOT->vdso_left = 1;
    }
}

long stub_wall_time(uint64_t time[2])
{
    return host_time(CLOCK_REALTIME_, time);
}

static long time_of_day(uint64_t tv, uint64_t tz)
{
    uint64_t time[2];
    static const uint64_t no_zone = 0;
    long r = tv ? stub_wall_time(time) : 0;
    if (r == 0 && tv) {
        time[1] /= 1000;
        r = guarded_copy((void *)tv, time, sizeof(time));
    }
    if (r == 0 && tz) {
        r = guarded_copy8((void *)tz, &no_zone);
    }
    return r == 0 ? 0 : NOT_OURS;
}

static long seconds(uint64_t to)
{
    uint64_t time[2];
    if (host_time(CLOCK_REALTIME_COARSE_, time) != 0 ||
        (to && guarded_copy8((void *)to, &time[0]) != 0)) {
        return NOT_OURS;
    }
    return (long)time[0];
}

static long cpu_and_node(uint64_t cpu, uint64_t node)
{
    uint32_t count = RO->cpu_count, here = this_cpu();
    if (here >= count) { /* a division costs as much as all the rest */
        here = count ? here % count : 0;
    }
    static const uint32_t one_node = 0;
    if ((cpu && guarded_copy((void *)cpu, &here, sizeof(here)) != 0) ||
        (node && guarded_copy((void *)node, &one_node, sizeof(one_node)) != 0)) {
        return NOT_OURS;
    }
    return 0;
}

long stub_thread_time(uint64_t *out_ns)
{
    uint64_t time[2];
    long r = host_time(CLOCK_THREAD_CPUTIME_ID_, time);
    if (r == 0) {
        *out_ns = time[0] * NSEC_PER_SEC_ + time[1];
    }
    return r;
}

/* In a host thread that had another life before. */
static long own_time(const struct chan *c, uint64_t to)
{
    uint64_t ns;
    if (stub_thread_time(&ns) != 0) {
        return NOT_OURS;
    }
    ns -= c->cpu_start_ns;
    const uint64_t time[2] = {ns / NSEC_PER_SEC_, ns % NSEC_PER_SEC_};
    return guarded_copy((void *)to, time, sizeof(time)) == 0 ? 0 : NOT_OURS;
}

static long clock_get(const struct chan *c, uint32_t id, uint64_t to)
{
    uint64_t time[2];
    if (VDSO_CLOCKS >> id & 1) {
        long r = host_time(id, time);
        return r == 0 && guarded_copy((void *)to, time, sizeof(time)) != 0 ? -EFAULT_ : r;
    }
    return id == CLOCK_THREAD_CPUTIME_ID_ && c->cpu_start_ns
               ? own_time(c, to)
               : gate(__NR_clock_gettime, id, to, 0, 0, 0, 0);
}

static uint64_t ticks(const uint64_t tv[2])
{
    return tv[0] * CLOCK_TICKS_ + tv[1] / (1000000 / CLOCK_TICKS_);
}

long stub_times(uint64_t to)
{
    uint64_t now[2], usage[18], tms[4]; /* struct rusage begins with user and system time */
    if (host_time(CLOCK_MONOTONIC_, now) != 0) {
        return NOT_OURS;
    }
    if (to) {
        if (stub_children_time(tms + 2) != 0 ||
            gate(__NR_getrusage, RUSAGE_SELF_, ptr(usage), 0, 0, 0, 0) != 0) {
            return NOT_OURS;
        }
        tms[0] = ticks(usage);
        tms[1] = ticks(usage + 2);
        if (guarded_copy((void *)to, tms, sizeof(tms)) != 0) {
            return NOT_OURS;
        }
    }
    return (long)(now[0] * CLOCK_TICKS_ + now[1] / (NSEC_PER_SEC_ / CLOCK_TICKS_));
}

long stub_clock(const struct area *area, uint64_t nr)
{
    const uint64_t *a = area->args;
    int with_cpu = !(area->chan->ask & CHAN_ASK_USAGE);
    switch (nr) {
    case __NR_clock_gettime:
        return is_known_clock((uint32_t)a[0], with_cpu)
                   ? clock_get(area->chan, (uint32_t)a[0], a[1])
                   : NOT_OURS;
    case __NR_gettimeofday:
        return time_of_day(a[0], a[1]);
    case __NR_time:
        return seconds(a[0]);
    case __NR_getcpu:
        return cpu_and_node(a[0], a[1]);
    case __NR_getrusage:
        return with_cpu && ((uint32_t)a[0] == RUSAGE_SELF_ ||
                            ((uint32_t)a[0] == RUSAGE_THREAD_ && !area->chan->cpu_start_ns))
                   ? gate(nr, a[0], a[1], 0, 0, 0, 0)
                   : NOT_OURS;
    case __NR_getrandom:
        return a[1] <= RANDOM_MAX ? gate(nr, a[0], a[1], a[2], 0, 0, 0) : NOT_OURS;
    default:
        return NOT_OURS;
    }
}
