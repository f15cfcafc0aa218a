/*
 * The gofer's loop. A few threads do the same: receive a request, check it, serve it, send the reply.
 * They share nothing but the configuration and the socket, so a slow disk holds up one of them only,
 * and there is nothing to lock.
 *
 * The check is complete before any handler runs: sizes add up exactly, the root exists, strings are
 * canonical and in private memory, the root is writable if the message changes something. A request
 * whose header is whole always gets a reply with its tag; one without a header ends the connection,
 * and with it the process.
 */
#include "gofer/gofer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gofer/serve.h"
#include "lib/host.h"
#include "lib/log.h"

#define DEFAULT_WORKERS   2u
#define MAX_WORKERS       8u
#define WORKER_STACK_SIZE (128UL * 1024)

/* One thread's memory; a page of it is touched only when a message needs it. */
struct worker {
    const struct gofer_config *config;
    struct gofer_identity who;
    struct serve serve;
    uint8_t request[GOFER_MAX_MESSAGE] __attribute__((aligned(8)));
    uint8_t reply[GOFER_MAX_MESSAGE] __attribute__((aligned(8)));
    uint8_t scratch[GOFER_SCRATCH_SIZE] __attribute__((aligned(8)));
};

enum text_kind { TEXT_NONE, TEXT_PATH, TEXT_TARGET, TEXT_XATTR, TEXT_NAMES, TEXT_FILES };
enum access_kind { ACCESS_READ, ACCESS_WRITE };

struct row {
    uint16_t request_size, reply_size; /* of the fields, without headers */
    enum text_kind text;
    enum access_kind access;
};
static const struct row rows[] = {
#define GOFER_MESSAGE(number, NAME, name, access_, text_, request, reply)                          \
    [number] = {sizeof(struct gofer_##name##_req), sizeof(struct gofer_##name##_rep),              \
                TEXT_##text_, ACCESS_##access_},
#include "gofer/proto.def"
#undef GOFER_MESSAGE
};

static bool text_valid(enum text_kind kind, const char *text, size_t size)
{
    switch (kind) {
    case TEXT_NONE:
        return size == 0;
    case TEXT_PATH:
        return gofer_path_valid(text, size);
    case TEXT_TARGET:
        return size > 0 && size < GOFER_MAX_PATH && !memchr(text, '\0', size);
    case TEXT_XATTR:
        return size > 0 && size <= GOFER_MAX_NAME && !memchr(text, '\0', size);
    case TEXT_NAMES:
        return size == 0 || gofer_path_valid(text, size);
    case TEXT_FILES:
        return gofer_files_valid(text, size);
    }
    return false;
}

static void copy_text(char *dst, const uint8_t *src, size_t size)
{
    memcpy(dst, src, size);
    dst[size] = '\0';
}

/* Checks the whole message and unpacks its strings. size: at least the header's. */
static int unpack(struct worker *w, size_t size, const struct row **out_row)
{
    const struct gofer_request *h = (const void *)w->request;
    if (h->type == 0 || h->type >= ARRAY_COUNT(rows)) {
        return -ENOSYS;
    }
    const struct row *row = &rows[h->type];
    size_t fixed = sizeof(*h) + row->request_size;
    if (size != fixed + h->path_size + h->text_size) {
        return -EBADMSG;
    }
    if (h->root >= w->config->root_count) {
        return -ENOENT;
    }
    const uint8_t *path = w->request + fixed;
    const uint8_t *text = path + h->path_size;
    if (!gofer_path_valid((const char *)path, h->path_size) ||
        !text_valid(row->text, (const char *)text, h->text_size)) {
        return -EINVAL;
    }
    const struct gofer_root *root = &w->config->roots[h->root];
    if (row->access == ACCESS_WRITE && !root->writable) {
        return -EROFS;
    }
    struct serve *s = &w->serve;
    s->config = w->config;
    s->who = &w->who;
    s->root = root;
    copy_text(s->path, path, h->path_size);
    copy_text(s->text, text, h->text_size);
    size_t reply_fixed = sizeof(struct gofer_reply) + row->reply_size;
    memset(w->reply + sizeof(struct gofer_reply), 0, row->reply_size);
    s->tail = w->reply + reply_fixed;
    s->tail_size = 0;
    s->tail_room = sizeof(w->reply) - reply_fixed;
    s->scratch = w->scratch;
    *out_row = row;
    return 0;
}

static int dispatch(struct worker *w, uint32_t type)
{
    void *request = w->request + sizeof(struct gofer_request);
    void *reply = w->reply + sizeof(struct gofer_reply);
    switch ((enum gofer_type)type) {
#define GOFER_MESSAGE(number, NAME, name, access, text, request_, reply_)                          \
    case GOFER_##NAME:                                                                             \
        return serve_##name(&w->serve, request, reply);
#include "gofer/proto.def"
#undef GOFER_MESSAGE
    }
    return -ENOSYS;
}

/* Serves the message in w->request, and sends the reply. Return: 0, or -errno when the socket is gone. */
static int answer(struct worker *w, size_t size, bool truncated)
{
    struct serve *s = &w->serve;
    const struct row *row = NULL;
    struct gofer_request h;
    memcpy(&h, w->request, sizeof(h));
    s->donate_count = 0;
    int err = truncated ? -EMSGSIZE : unpack(w, size, &row);
    if (err == 0) {
        err = dispatch(w, h.type);
    }
    log_debug("%s root %u %s: %d", gofer_type_name(h.type), h.root, row ? s->path : "?", err);
    struct gofer_reply *r = (void *)w->reply;
    ssize_t n;
    do {
        size_t reply_size = sizeof(*r) + (err == 0 ? row->reply_size + s->tail_size : 0);
        *r = (struct gofer_reply){h.type, h.tag, err, (uint32_t)reply_size};
        n = host_send_fds(w->config->sock, r, reply_size, s->donate,
                          err == 0 ? s->donate_count : 0);
        if (n == -ETOOMANYREFS) {
            err = -EMFILE; /* the sentry leaves donated fds unreceived: then it gets no more */
        }
    } while (n == -EINTR || n == -ETOOMANYREFS);
    for (size_t i = 0; i < s->donate_count; i++) {
        host_close(s->donate[i]);
    }
    return n < 0 ? (int)n : 0;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        struct iovec iov = {w->request, sizeof(w->request)};
        /* No room for control messages: the kernel drops any fd that the sentry sends. */
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = host_recvmsg(w->config->sock, &msg, 0);
        if (n == -EINTR) {
            continue;
        }
        if (n <= 0) {
            _exit(0);
        }
        if ((size_t)n < sizeof(struct gofer_request)) {
            log_error("a message of %zd bytes has no header; ending", n);
            _exit(1);
        }
        if (answer(w, (size_t)n, msg.msg_flags & MSG_TRUNC) < 0) {
            _exit(0);
        }
    }
    return NULL;
}

static int start_thread(struct worker *w)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (pthread_attr_init(&attr) != 0) {
        return -ENOMEM;
    }
    int err = pthread_attr_setstacksize(&attr, WORKER_STACK_SIZE);
    if (err == 0) {
        err = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    }
    if (err == 0) {
        err = pthread_create(&thread, &attr, worker_main, w);
    }
    pthread_attr_destroy(&attr);
    return -err;
}

int gofer_run(const struct gofer_config *c)
{
    unsigned count = c->worker_count ? c->worker_count : DEFAULT_WORKERS;
    count = MIN(count, MAX_WORKERS);
    umask(0); /* modes are the guest's, its umask already applied */
    AUTO_FREE struct worker *workers = calloc(count, sizeof(*workers));
    if (!workers) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        workers[i].config = c;
        gofer_identity_init(&workers[i].who);
    }
    for (unsigned i = 1; i < count; i++) {
        int err = start_thread(&workers[i]);
        if (err < 0 && i == 1) {
            return err;
        }
    }
    worker_main(&workers[0]);
    return 0;
}
