/*
 * The host's side of the tests: listens on the abstract socket named by argv[1] and on a TCP port of the
 * loopback (printed); whoever connects leaves the file argv[2].
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    struct pollfd p[2] = {{socket(AF_UNIX, SOCK_STREAM, 0), POLLIN, 0},
                          {socket(AF_INET, SOCK_STREAM, 0), POLLIN, 0}};
    if (argc < 3) {
        return 2;
    }
    strncpy(un.sun_path + 1, argv[1], sizeof(un.sun_path) - 2);
    if (bind(p[0].fd, (void *)&un,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[1]))) < 0 ||
        bind(p[1].fd, (void *)&in, sizeof(in)) < 0 || listen(p[0].fd, 5) < 0 ||
        listen(p[1].fd, 5) < 0) {
        perror("listener");
        return 1;
    }
    getsockname(p[1].fd, (void *)&in, &size);
    printf("%d\n", ntohs(in.sin_port));
    fflush(stdout);
    for (;;) {
        if (poll(p, 2, -1) > 0) {
            close(open(argv[2], O_CREAT | O_WRONLY, 0600));
            for (int i = 0; i < 2; i++) {
                if (p[i].revents) {
                    close(accept(p[i].fd, NULL, NULL));
                }
            }
        }
    }
}
