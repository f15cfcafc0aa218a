/* See gofer_peer.h. Test code: a host error ends the program. */
#include "tests/unit/gofer_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static void put(int dir, const char *name, const char *text, mode_t mode)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, mode);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0,
         name);
    close(fd);
}

static void make_tree(int base)
{
    put(base, "canary", PEER_CANARY, 0644);
    must(mkdirat(base, "tree", 0755) == 0, "tree");
    int tree = openat(base, "tree", O_RDONLY | O_DIRECTORY);
    must(tree >= 0, "tree");
    must(mkdirat(tree, "sub", 0755) == 0 && mkdirat(tree, "sub/deep", 0755) == 0 &&
             mkdirat(tree, "closed", 0700) == 0,
         "directories");
    put(tree, "file", "contents", 0644);
    put(tree, "sub/inner", "inner", 0644);
    put(tree, "sub/deep/leaf", "leaf", 0644);
    put(tree, "private", "secret", 0600);
    put(tree, "closed/file", "secret", 0600);
    put(tree, "closed/open", "secret", 0644);
    must(symlinkat("../canary", tree, "out") == 0 && symlinkat("/etc/passwd", tree, "abs") == 0 &&
             symlinkat("sub", tree, "upsub") == 0 && mkfifoat(tree, "fifo", 0644) == 0,
         "links");
    close(tree);
}

void peer_start(struct peer *p)
{
    umask(022);
    strcpy(p->base, "/tmp/gofer-test-XXXXXX");
    must(mkdtemp(p->base) != NULL, "mkdtemp");
    int base = open(p->base, O_RDONLY | O_DIRECTORY);
    make_tree(base);
    must(chmod(p->base, 0755) == 0, "chmod");
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
    p->pid = fork();
    must(p->pid >= 0, "fork");
    if (p->pid == 0) {
        close(pair[0]);
        int tree = openat(base, "tree", O_PATH | O_DIRECTORY);
        static struct gofer_root roots[4];
        roots[0] = (struct gofer_root){.fd = tree};
        roots[1] = (struct gofer_root){.fd = tree, .writable = true};
        roots[2] = (struct gofer_root){.fd = tree, .world_readable_only = true};
        roots[3] = (struct gofer_root){.fd = tree, .name = "file"};
        struct gofer_config c = {.sock = pair[1], .roots = roots, .root_count = 4};
        _exit(gofer_run(&c) == 0 ? 2 : 3);
    }
    close(base);
    close(pair[1]);
    p->sock = pair[0];
}

int peer_wait_end(struct peer *p)
{
    int status = -1;
    if (p->sock >= 0) {
        close(p->sock);
        p->sock = -1;
    }
    must(waitpid(p->pid, &status, 0) == p->pid, "waitpid");
    p->pid = -1;
    return status;
}

void peer_stop(struct peer *p)
{
    if (p->pid > 0) {
        peer_wait_end(p);
    }
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", p->base);
    must(system(command) == 0, command);
}

void peer_raw(struct peer *p, const void *message, size_t size, struct peer_reply *out)
{
    static uint8_t packet[GOFER_MAX_MESSAGE] __attribute__((aligned(8)));
    memset(out, 0, offsetof(struct peer_reply, body));
    out->fd = -1;
    ssize_t n = host_send_fd(p->sock, message, size, -1);
    if (n >= 0) {
        n = host_recv_fds(p->sock, packet, sizeof(packet), out->fds, &out->fd_count, 0);
    }
    if (n <= 0) {
        out->error = -EPIPE;
        return;
    }
    out->fd = out->fd_count > 0 ? out->fds[0] : -1;
    const struct gofer_reply *r = (const void *)packet;
    const struct gofer_request *h = message;
    must((size_t)n >= sizeof(*r) && r->size == (size_t)n, "reply size");
    must(r->tag == h->tag && r->type == h->type, "reply tag");
    out->error = r->error;
    out->size = (size_t)n - sizeof(*r);
    memcpy(out->body, packet + sizeof(*r), out->size);
}

void peer_close_fds(struct peer_reply *r)
{
    while (r->fd_count > 0) {
        close(r->fds[--r->fd_count]);
    }
}

void peer_call_bytes(struct peer *p, uint32_t type, uint32_t root, const char *path,
                     size_t path_size, const char *text, size_t text_size, const void *fields,
                     size_t fields_size, struct peer_reply *out)
{
    static uint8_t m[GOFER_MAX_MESSAGE] __attribute__((aligned(8)));
    static uint32_t tag;
    struct gofer_request h = {type, ++tag, root, (uint16_t)path_size, (uint16_t)text_size};
    size_t at = 0;
    memcpy(m + at, &h, sizeof(h));
    at += sizeof(h);
    memcpy(m + at, fields ? fields : "", fields_size);
    at += fields_size;
    memcpy(m + at, path, path_size);
    at += path_size;
    memcpy(m + at, text ? text : "", text_size);
    at += text_size;
    peer_raw(p, m, at, out);
}

void peer_call(struct peer *p, uint32_t type, uint32_t root, const char *path, const char *text,
               const void *fields, size_t fields_size, struct peer_reply *out)
{
    peer_call_bytes(p, type, root, path, strlen(path), text, text ? strlen(text) : 0, fields,
                    fields_size, out);
}
