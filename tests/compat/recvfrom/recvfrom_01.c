/* Where recvfrom puts what it got: short and bad buffers, addresses, MSG_PEEK and MSG_TRUNC. */
#include "tests/compat/compat.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PAGE 4096
#define BIG  50000

static char *g_edge; /* nothing is mapped from here on */

static void stream(void)
{
    int sv[2];
    char buf[16] = "";
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
    CHECK(send(sv[0], "0123456789", 10, 0) == 10);
    CHECK_ERRNO(recv(sv[1], g_edge, 4, 0), EFAULT);
    CHECK_ERRNO(recv(sv[1], (void *)8, 4, 0), EFAULT);
    CHECK(recv(sv[1], buf, 4, MSG_PEEK) == 4 && memcmp(buf, "0123", 4) == 0);
    CHECK(recv(sv[1], g_edge - 3, 3, 0) == 3 && memcmp(g_edge - 3, "012", 3) == 0);
    struct sockaddr_un from;
    socklen_t size = sizeof(from);
    CHECK(recvfrom(sv[1], buf, 2, 0, (struct sockaddr *)&from, &size) == 2 &&
          memcmp(buf, "34", 2) == 0);
    CHECK(recv(sv[1], NULL, 0, 0) == 0);
    memset(buf, '#', sizeof(buf));
    CHECK(recv(sv[1], buf, sizeof(buf), 0) == 5 && memcmp(buf, "56789##", 7) == 0);
    CHECK_ERRNO(recv(sv[1], buf, 1, MSG_DONTWAIT), EAGAIN);
    static char out[BIG], in[BIG];
    for (int i = 0; i < BIG; i++) {
        out[i] = (char)(i % 251);
    }
    CHECK(send(sv[0], out, BIG, 0) == BIG);
    CHECK(recv(sv[1], in, BIG, MSG_WAITALL) == BIG && memcmp(in, out, BIG) == 0);
    CHECK(close(sv[0]) == 0);
    CHECK(recv(sv[1], buf, sizeof(buf), 0) == 0);
}

static void datagrams(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "a"}, from;
    struct sockaddr_un b = {.sun_family = AF_UNIX, .sun_path = "b"};
    int from_a = socket(AF_UNIX, SOCK_DGRAM, 0), to_b = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 2;
    char buf[16];
    CHECK(bind(from_a, (struct sockaddr *)&a, size) == 0);
    CHECK(bind(to_b, (struct sockaddr *)&b, size) == 0);
    CHECK(connect(from_a, (struct sockaddr *)&b, size) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(send(from_a, "datagram", 8, 0) == 8);
    }
    memset(buf, '#', sizeof(buf));
    CHECK(recv(to_b, buf, 3, MSG_TRUNC) == 8 && memcmp(buf, "dat#", 4) == 0);
    size = 4; /* of the address there is as much as fits, and its size is told */
    memset(&from, 0xff, sizeof(from));
    CHECK(recvfrom(to_b, buf, 3, 0, (struct sockaddr *)&from, &size) == 3);
    CHECK(size == offsetof(struct sockaddr_un, sun_path) + 2 && from.sun_family == AF_UNIX);
    CHECK(from.sun_path[0] == 'a' && (unsigned char)from.sun_path[2] == 0xff);
    size = sizeof(from);
    CHECK(recvfrom(to_b, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size) == 8);
    CHECK(size == offsetof(struct sockaddr_un, sun_path) + 2 && strcmp(from.sun_path, "a") == 0);
    CHECK_ERRNO(recvfrom(to_b, buf, 8, 0, (struct sockaddr *)&from, (socklen_t *)g_edge), EFAULT);
    size = sizeof(from);
    CHECK_ERRNO(recvfrom(to_b, buf, 8, 0, (struct sockaddr *)g_edge, &size), EFAULT);
    CHECK_ERRNO(recv(to_b, buf, 1, MSG_DONTWAIT), EAGAIN); /* they were taken all the same */
    CHECK(send(from_a, "", 0, 0) == 0 && recv(to_b, buf, sizeof(buf), 0) == 0);
}

int main(void)
{
    compat_tmpdir();
    char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(two != MAP_FAILED && munmap(two + PAGE, PAGE) == 0);
    g_edge = two + PAGE;
    stream();
    datagrams();
    return 0;
}
