/*
 * sysinfo(2): a running machine with memory, of which some is free and all is what /proc/meminfo says;
 * its uptime is CLOCK_BOOTTIME's; a bad pointer is EFAULT.
 */
#include "../compat.h"

#include <sys/sysinfo.h>
#include <time.h>

static unsigned long meminfo(const char *row)
{
    char line[256];
    unsigned long kb = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, row, strlen(row)) == 0) {
            kb = strtoul(line + strlen(row), NULL, 10);
        }
    }
    fclose(f);
    return kb * 1024;
}

int main(void)
{
    struct sysinfo s;
    struct timespec up;
    CHECK_EQ(sysinfo(&s), 0);
    CHECK_EQ(clock_gettime(CLOCK_BOOTTIME, &up), 0);
    CHECK(s.uptime > 0 && s.uptime >= up.tv_sec - 2 && s.uptime <= up.tv_sec + 2);
    CHECK(s.mem_unit >= 1);
    CHECK(s.totalram * s.mem_unit / 1024 * 1024 == meminfo("MemTotal:"));
    CHECK(s.freeram > 0 && s.freeram <= s.totalram);
    CHECK(s.procs >= 1);
    CHECK_ERRNO(sysinfo((struct sysinfo *)8), EFAULT);
    return 0;
}
