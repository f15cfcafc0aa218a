/*
 * Open files under way in messages, and sockets that only such messages still refer to. Analogous to
 * Linux's net/unix/garbage.c.
 *
 * A socket may be sent through itself, or two each through the other; closed then, nothing would ever
 * end them, since each lies in a queue of the other. So the references from queues are counted for
 * each socket ("inflight"), and when a socket ends, those are looked for that have no other:
 *
 *   1. Candidates are sockets whose file has no reference but those from queues.
 *   2. Take away what the queues of candidates explain. A candidate with more than that lies in the
 *      queue of a socket that somebody can still read from: it lives, and so does all that can be
 *      received through it.
 *   3. The messages with files in the other candidates' queues are dropped.
 *
 * Connections that wait for accept have no file; their queues count as their listener's.
 */
#include "sentry/base/errno.h"
#include "sentry/net/unix.h"

#define COLLECT_MIN 1024

static struct list g_inflight = LIST_INIT(g_inflight); /* unix_socket.inflight_link */
static size_t g_inflight_files;                        /* of all kinds */
static size_t g_collect_at = COLLECT_MIN; /* look for garbage when so many are under way */
static bool g_collecting;

static struct unix_socket *file_unix(const struct file *f)
{
    struct socket *s = file_socket(f);

    return s && s->ops == &g_unix_ops ? unix_socket(s) : NULL;
}

/* DEVIATION: Linux counts for each user; here all users of the sandbox share one count. */
int unix_inflight_check(const struct socket_caller *c)
{
    return g_inflight_files > c->max_files && !cred_capable(c->cred, CAP_SYS_RESOURCE) &&
                   !cred_capable(c->cred, CAP_SYS_ADMIN)
               ? -ETOOMANYREFS
               : 0;
}

void unix_inflight_add(const struct scm_files *files)
{
    g_inflight_files += files->count;
    for (size_t i = 0; i < files->count; i++) {
        struct unix_socket *u = file_unix(files->file[i]);
        if (u && u->inflight++ == 0) {
            list_add_tail(&u->inflight_link, &g_inflight);
        }
    }
}

void unix_inflight_remove(const struct scm_files *files)
{
    g_inflight_files -= files->count;
    for (size_t i = 0; i < files->count; i++) {
        struct unix_socket *u = file_unix(files->file[i]);
        if (u && --u->inflight == 0) {
            list_del(&u->inflight_link);
        }
    }
}

/* Calls visit for each socket that u's own queue holds. */
static void visit_queue(const struct unix_socket *u,
                        void (*visit)(struct unix_socket *child, struct list *todo),
                        struct list *todo)
{
    const struct unix_message *msg;

    list_for_each_entry (msg, &u->messages, link) {
        for (size_t i = 0; msg->files && i < msg->files->count; i++) {
            struct unix_socket *child = file_unix(msg->files->file[i]);
            if (child) {
                visit(child, todo);
            }
        }
    }
}

static void visit_children(const struct unix_socket *u,
                           void (*visit)(struct unix_socket *child, struct list *todo),
                           struct list *todo)
{
    const struct unix_socket *waiting;

    visit_queue(u, visit, todo);
    list_for_each_entry (waiting, &u->pending, pending_link) {
        visit_queue(waiting, visit, todo);
    }
}

static void explain(struct unix_socket *child, struct list *todo)
{
    (void)todo;
    if (child->gc_state == GC_CANDIDATE) {
        child->unexplained--;
    }
}

static void revive(struct unix_socket *child, struct list *todo)
{
    if (child->gc_state == GC_CANDIDATE) {
        child->gc_state = GC_LIVE;
        list_move_tail(&child->inflight_link, todo);
    }
}

/* Steps 1 and 2. What stays GC_CANDIDATE is garbage. */
static void find_garbage(void)
{
    struct unix_socket *u, *next;
    struct list todo = LIST_INIT(todo), live = LIST_INIT(live);

    list_for_each_entry (u, &g_inflight, inflight_link) {
        u->unexplained = u->inflight;
        u->gc_state = u->base.file->ref.n == u->inflight ? GC_CANDIDATE : GC_NONE;
    }
    list_for_each_entry (u, &g_inflight, inflight_link) {
        if (u->gc_state == GC_CANDIDATE) {
            visit_children(u, explain, NULL);
        }
    }
    list_for_each_entry_safe (u, next, &g_inflight, inflight_link) {
        if (u->gc_state == GC_CANDIDATE && u->unexplained > 0) {
            revive(u, &todo);
        }
    }
    while ((u = list_first_entry(&todo, struct unix_socket, inflight_link))) {
        list_move_tail(&u->inflight_link, &live);
        visit_children(u, revive, &todo);
    }
    list_splice_tail(&live, &g_inflight);
}

static void take_messages(struct unix_socket *u, struct list *out)
{
    struct unix_message *msg, *next;

    list_for_each_entry_safe (msg, next, &u->messages, link) {
        if (msg->files) {
            unix_message_unlink(u, msg);
            list_add_tail(&msg->link, out);
        }
    }
}

void unix_collect(void)
{
    struct unix_socket *u, *waiting;
    struct unix_message *msg;
    struct list dropped = LIST_INIT(dropped);

    if (list_empty(&g_inflight) || g_collecting) {
        return;
    }
    g_collecting = true; /* dropping messages ends sockets, which comes here */
    find_garbage();
    list_for_each_entry (u, &g_inflight, inflight_link) {
        if (u->gc_state == GC_CANDIDATE) {
            take_messages(u, &dropped);
            list_for_each_entry (waiting, &u->pending, pending_link) {
                take_messages(waiting, &dropped);
            }
        }
    }
    while ((msg = list_first_entry(&dropped, struct unix_message, link))) {
        list_del(&msg->link);
        unix_message_free(msg);
    }
    g_collecting = false;
    g_collect_at = MAX(2 * g_inflight_files, (size_t)COLLECT_MIN);
}

void unix_collect_if_many(void)
{
    if (g_inflight_files >= g_collect_at) {
        unix_collect();
    }
}
