/*
 * pipe2(2): O_DIRECT, packets. Each write is a packet; a read takes one, and drops what it has no room for; a
 * write above PIPE_BUF is cut into packets.
 */
#include "../compat.h"

int main(void)
{
    static char buf[8192];
    int p[2];

    CHECK(pipe2(p, O_DIRECT) == 0);
    CHECK_EQ(write(p[1], "one", 3), 3);
    CHECK_EQ(write(p[1], "three", 5), 5);
    CHECK_EQ(write(p[1], "end", 3), 3);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 3);
    CHECK(memcmp(buf, "one", 3) == 0);
    CHECK_EQ(read(p[0], buf, 2), 2);
    CHECK(memcmp(buf, "th", 2) == 0);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 3);
    CHECK(memcmp(buf, "end", 3) == 0);
    CHECK_EQ(write(p[1], buf, 5000), 5000);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 4096);
    CHECK_EQ(read(p[0], buf, sizeof(buf)), 904);
    return 0;
}
