/*
 * select(2).
 * Claims: it counts bits, clears what is not ready, and leaves the sets alone on an error; EBADF for an fd that is not
 * open; EINVAL for a negative count or time; a writer-less pipe is readable; what is left of the time is written
 * back; without fds it sleeps.
 */
#include "../compat.h"

#include <sys/select.h>
#include <sys/time.h>

int main(void)
{
    int p[2], q[2];
    fd_set in, out, ex;
    struct timeval tv = {5, 0};

    CHECK(pipe(p) == 0 && pipe(q) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&ex);
    FD_SET(p[0], &in);
    FD_SET(q[0], &in);
    FD_SET(p[1], &out);
    FD_SET(p[0], &ex);
    CHECK_EQ(select(q[1] + 1, &in, &out, &ex, &tv), 2);
    CHECK(FD_ISSET(p[0], &in) && !FD_ISSET(q[0], &in));
    CHECK(FD_ISSET(p[1], &out));
    CHECK(!FD_ISSET(p[0], &ex));
    CHECK(tv.tv_sec == 4 && tv.tv_usec > 0);

    close(q[1]);
    FD_ZERO(&in);
    FD_SET(q[0], &in);
    CHECK_EQ(select(q[0] + 1, &in, NULL, NULL, NULL), 1);

    FD_ZERO(&in);
    FD_SET(p[0], &in);
    FD_SET(50, &in);
    CHECK_ERRNO(select(51, &in, NULL, NULL, NULL), EBADF);
    CHECK(FD_ISSET(50, &in) && FD_ISSET(p[0], &in));
    CHECK_ERRNO(select(-1, NULL, NULL, NULL, NULL), EINVAL);
    tv = (struct timeval){-1, 0};
    CHECK_ERRNO(select(0, NULL, NULL, NULL, &tv), EINVAL);
    tv = (struct timeval){0, 20000};
    CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
    CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
    FD_ZERO(&in);
    FD_SET(p[0], &in);
    CHECK(read(p[0], &q, 1) == 1);
    tv = (struct timeval){0, 0};
    CHECK_EQ(select(p[0] + 1, &in, NULL, NULL, &tv), 0);
    CHECK(!FD_ISSET(p[0], &in));
    return 0;
}
