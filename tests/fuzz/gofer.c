/* LINK: tests/unit/gofer_peer.o gofer/gofer.o gofer/proto.o gofer/resolve.o gofer/attr.o gofer/host_files.o gofer/serve_list.o gofer/serve_read.o gofer/serve_write.o lib/host.o lib/log.o lib/bug.o */
/*
 * Random messages to a gofer: two thirds of them well-formed requests with hostile strings, the rest
 * with bytes changed, cut off or added.
 *
 *     gofer [SECONDS [SEED [ITERATIONS]]]     the first limit that is reached ends it; 0: none
 *
 * After each: the gofer lives and answers the right tag; no reply and no donated fd shows the canary
 * that lies beside the roots; at the end the canary is as it was, and nothing new lies beside it.
 * The same seed gives the same messages. Exit status 0, or an abort that names seed and iteration.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/macros.h"
#include "tests/unit/gofer_peer.h"

static uint64_t g_state;
static unsigned long long g_seed;
static unsigned long g_iteration;

static uint64_t rnd(uint64_t below)
{
    g_state += 0x9e3779b97f4a7c15ULL; /* splitmix64 */
    uint64_t z = g_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % below;
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "seed %llu, iteration %lu: %s\n", g_seed, g_iteration, what);
        abort();
    }
}

/* Names that exist, names that lead out, names that are no names. */
static const char *const parts[] = {
    "file", "sub", "inner", "deep", "leaf", "out", "abs",  "upsub",  "fifo",   "private", "closed",
    "open", "..",  ".",     "",     "new",  "n2",  "link", "canary", "escape", "etc",     "passwd",
};

static const char *const whole[] = {
    ".",       "file",        "sub",    "sub/inner", "sub/deep",    "sub/deep/leaf", "out",
    "abs",     "upsub/inner", "fifo",   "private",   "closed",      "closed/open",   "new",
    "sub/new", "n2",          "n2/new", "link",      "link/canary",
};

static size_t make_path(char *out, size_t room)
{
    size_t size = 0;
    if (rnd(5) > 1) {
        const char *p = whole[rnd(ARRAY_COUNT(whole))];
        memcpy(out, p, strlen(p));
        return strlen(p);
    }
    uint64_t n = 1 + rnd(rnd(8) ? 3 : 12);
    for (uint64_t i = 0; i < n; i++) {
        const char *p = parts[rnd(rnd(3) ? 12 : ARRAY_COUNT(parts))];
        size_t k = strlen(p);
        if (size + k + 1 >= room) {
            break;
        }
        if (i > 0 || rnd(20) == 0) {
            out[size++] = '/';
        }
        memcpy(out + size, p, k);
        size += k;
    }
    if (rnd(10) == 0) {
        out[0] = '.';
        size = 1;
    }
    return size;
}

static const size_t field_sizes[] = {
    0,
#define GOFER_MESSAGE(number, NAME, name, access, text, request, reply)                            \
    [number] = sizeof(struct gofer_##name##_req),
#include "gofer/proto.def"
#undef GOFER_MESSAGE
};
enum text_kind { TEXT_NONE, TEXT_PATH, TEXT_TARGET, TEXT_XATTR, TEXT_NAMES, TEXT_FILES };
static const enum text_kind texts[] = {
#define GOFER_MESSAGE(number, NAME, name, access, text, request, reply) [number] = TEXT_##text,
#include "gofer/proto.def"
#undef GOFER_MESSAGE
};

static void fill_fields(uint8_t *fields, size_t size, uint32_t type)
{
    for (size_t i = 0; i < size; i += 4) {
        uint32_t v = rnd(2) ? (uint32_t)rnd(8) : (uint32_t)rnd(1ULL << (1 + rnd(32)));
        memcpy(fields + i, &v, 4);
    }
    if (type == GOFER_OPEN && rnd(2)) {
        struct gofer_open_req req = {(uint32_t)(rnd(3) | (rnd(3) ? 0 : O_CREAT)), 0644};
        memcpy(fields, &req, sizeof(req));
    } else if ((type == GOFER_MKDIR || type == GOFER_MKNOD) && rnd(2)) {
        uint32_t mode = type == GOFER_MKDIR ? 0755 : (uint32_t)(rnd(16) << 12) | 0644;
        memcpy(fields, &mode, 4);
    } else if (type == GOFER_SETATTR && rnd(2)) {
        struct gofer_setattr_req req = {
            .valid = (uint32_t)rnd(64), .mode = 0755, .uid = 0, .gid = 0};
        memcpy(fields, &req, sizeof(req));
    }
}

/* A request as a sentry might send it. Return: its size. */
static size_t make_message(uint8_t *m)
{
    uint32_t type = (uint32_t)(1 + rnd(ARRAY_COUNT(field_sizes) - 1));
    uint8_t fields[64] = {0};
    char path[400], text[400];
    size_t path_size = make_path(path, sizeof(path)), text_size = 0;
    if (texts[type] == TEXT_PATH || (texts[type] >= TEXT_NAMES && rnd(2))) {
        text_size = make_path(text, sizeof(text));
    } else if (texts[type] == TEXT_FILES && rnd(2)) {
        char a[100], b[100], c[100];
        size_t sizes[] = {make_path(a, sizeof(a)), make_path(b, sizeof(b)),
                          make_path(c, sizeof(c))};
        text_size =
            (size_t)snprintf(text, sizeof(text), "%.*s//%.*s%s%.*s", (int)(sizes[0] * rnd(2)), a,
                             (int)sizes[1], b, rnd(8) ? "//" : "/", (int)sizes[2], c);
    } else if (texts[type] != TEXT_NONE) {
        static const char *const t[] = {"..",
                                        "../canary",
                                        "/",
                                        "/etc",
                                        "user.x",
                                        "sub",
                                        "../..",
                                        "closed/file/out/none",
                                        "inner/deep/upsub"};
        const char *p = t[rnd(ARRAY_COUNT(t))];
        text_size = strlen(p);
        memcpy(text, p, text_size);
    }
    fill_fields(fields, field_sizes[type], type);
    struct gofer_request h = {type, (uint32_t)rnd(UINT32_MAX),
                              (uint32_t)(rnd(2) ? 1 : rnd(rnd(9) ? 4 : 6)), (uint16_t)path_size,
                              (uint16_t)text_size};
    size_t at = 0;
    memcpy(m + at, &h, sizeof(h));
    at += sizeof(h);
    memcpy(m + at, fields, field_sizes[type]);
    at += field_sizes[type];
    memcpy(m + at, path, path_size);
    at += path_size;
    memcpy(m + at, text, text_size);
    return at + text_size;
}

static size_t mutate(uint8_t *m, size_t size)
{
    for (uint64_t n = 1 + rnd(4); n > 0; n--) {
        switch (rnd(4)) {
        case 0:
            m[rnd(size)] = (uint8_t)rnd(256);
            break;
        case 1:
            m[rnd(sizeof(struct gofer_request))] ^= (uint8_t)(1u << rnd(8));
            break;
        case 2: /* cut off; the header stays: without one the connection ends, as it should */
            size = sizeof(struct gofer_request) + rnd(size - sizeof(struct gofer_request) + 1);
            break;
        default:
            for (uint64_t k = rnd(40); k > 0; k--) {
                m[size++] = (uint8_t)rnd(256);
            }
        }
    }
    return size;
}

static bool contains_canary(const void *data, size_t size)
{
    return memmem(data, size, PEER_CANARY, strlen(PEER_CANARY)) != NULL;
}

static void inspect(struct peer_reply *r)
{
    check(r->error != -EPIPE, "the gofer is gone");
    check(r->error <= 0 && r->error > -4096, "error out of range");
    check(!contains_canary(r->body, r->size), "a reply shows the canary");
    for (size_t i = 0; i < r->fd_count; i++) {
        char data[256];
        ssize_t n = pread(r->fds[i], data, sizeof(data), 0);
        check(n < 0 || !contains_canary(data, (size_t)n), "a donated fd shows the canary");
    }
    peer_close_fds(r);
}

static void check_outside(const struct peer *p)
{
    char path[100], data[64] = {0};
    snprintf(path, sizeof(path), "%s/canary", p->base);
    int fd = open(path, O_RDONLY);
    check(fd >= 0 && read(fd, data, sizeof(data) - 1) >= 0, "the canary is gone");
    close(fd);
    check(!strcmp(data, PEER_CANARY), "the canary was changed");
    int names = 0;
    DIR *d = opendir(p->base);
    check(d != NULL, "the base is gone");
    while (readdir(d)) {
        names++;
    }
    closedir(d);
    check(names == 4, "something lies beside the root"); /* . .. canary tree */
}

static void end(struct peer *p)
{
    check_outside(p);
    check(peer_wait_end(p) == 0, "the gofer did not end well");
    peer_stop(p);
}

static unsigned long long argument(int argc, char **argv, int i, unsigned long long otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
    unsigned long long seconds = argument(argc, argv, 1, 5);
    g_seed = argument(argc, argv, 2, 1);
    unsigned long iterations = argument(argc, argv, 3, seconds ? 0 : 20000);
    time_t stop = seconds ? time(NULL) + (time_t)seconds : 0;
    unsigned long ok = 0;
    static uint8_t m[4096] __attribute__((aligned(8)));
    static struct peer_reply r;
    struct peer p;
    g_state = g_seed;
    peer_start(&p);
    for (; !iterations || g_iteration < iterations; g_iteration++) {
        size_t size = make_message(m);
        if (rnd(3) == 0) {
            size = mutate(m, size);
        }
        peer_raw(&p, m, size, &r);
        inspect(&r);
        ok += r.error == 0;
        if (g_iteration % 400 == 399) { /* by then not much of the tree is left */
            peer_call(&p, GOFER_STAT, 0, ".", NULL, NULL, 0, &r);
            check(r.error == 0, "the root can't be looked at");
            end(&p);
            if (stop && time(NULL) >= stop) {
                printf("seed %llu: %lu messages, %lu succeeded\n", g_seed, g_iteration + 1, ok);
                return 0;
            }
            peer_start(&p);
        }
    }
    end(&p);
    printf("seed %llu: %lu messages, %lu succeeded\n", g_seed, iterations, ok);
    return 0;
}
