/*
 * What stubs ask at the gate that the filter does not let through by itself. Each is compared, scalar by
 * scalar, with what the sentry ordered that very thread to do; anything else gets -EPERM. CONTINUE
 * is given only where no checked argument is a pointer into guest memory.
 *
 * Each can come twice: a host signal, a stop or a freezer takes a task out of its notification, also one that has just been
 * answered, and Linux then makes its call again. What was being served goes on under the new notification's id.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/host.h"
#include "lib/log.h"
#include "platform/seccomp/seccomp.h"

/* So often a clone may be broken off by stops of the sandbox. */
#define CLONE_AGAIN_MAX 8

/* Return: 0 or more, or -errno; -ENOENT: the guest does not wait in that notification, or no longer. */
static int notify_ioctl(unsigned long request, void *arg)
{
    int r;
    do {
        r = host_ioctl(g_seccomp.listener, request, arg);
    } while (r == -EINTR);
    /* An ADDFD that answers, too, was broken off in between, and made again. */
    return r == -EINPROGRESS ? -ENOENT : r;
}

static void notify_send(struct seccomp_notif_resp *r)
{
    int err = notify_ioctl(SECCOMP_IOCTL_NOTIF_SEND, r);
    BUG_ON(err < 0 && err != -ENOENT);
}

void notify_answer(uint64_t id, long result)
{
    struct seccomp_notif_resp r = {.id = id};
    if (result < 0) {
        r.error = (int)result;
    } else {
        r.val = result;
    }
    notify_send(&r);
}

static void answer_zero(uint64_t id)
{
    notify_answer(id, 0);
}

void notify_answer_later(uint64_t id)
{
    baton_defer(answer_zero, id);
}

void notify_continue(uint64_t id)
{
    struct seccomp_notif_resp r = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    notify_send(&r);
}

/* Installs fd, and answers with its number. */
void notify_answer_fd(uint64_t id, int fd, int number)
{
    struct seccomp_notif_addfd a = {.id = id,
                                    .flags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND,
                                    .srcfd = (uint32_t)fd,
                                    .newfd = (uint32_t)number};
    int r = notify_ioctl(SECCOMP_IOCTL_NOTIF_ADDFD, &a);
    if (r < 0 && r != -ENOENT) {
        notify_answer(id, -EPERM); /* the guest may have no room for it: it ends itself */
    }
}

int notify_install(uint64_t id, int fd, int number, bool cloexec)
{
    struct seccomp_notif_addfd a = {.id = id,
                                    .flags = SECCOMP_ADDFD_FLAG_SETFD,
                                    .srcfd = (uint32_t)fd,
                                    .newfd = (uint32_t)number,
                                    .newfd_flags = cloexec ? O_CLOEXEC : 0};
    int r = notify_ioctl(SECCOMP_IOCTL_NOTIF_ADDFD, &a);
    return r < 0 ? r : 0;
}

void notify_give_channels(struct platform_thread *th)
{
    notify_answer_fd(th->notify_id, th->notify_fd, STUB_FD_CHAN);
    th->notify_id = 0;
    th->notify_fd = -1;
    th->has_channels = true;
}

/* The notification in which th waits was broken off, and this is it again. Return: that is so. */
static bool waits_again(const struct seccomp_notif *n, struct platform_thread *th)
{
    if (!th->in_request || !th->notify_id) {
        return false;
    }
    th->notify_id = n->id;
    th->at_clone = false;
    if (th->owner) {
        kthread_wake(th->owner); /* it may be here, in channel_install */
    }
    return true;
}

/* A child's first sign of life. It stays in this notification until its task resumes it. */
static void hello(const struct seccomp_notif *n, struct platform_thread *child)
{
    bool forked = child->notify_fd >= 0;
    /* A new process: its leader, and none that we know. A thread: of the process that made it. */
    int pid = forked || !child->proc ? (int)n->pid : child->proc->pid;
    bool known = process_find(pid) != NULL;
    if (known != (child->proc != NULL) || host_tgkill(pid, (int)n->pid, 0) < 0 ||
        thread_bind(child, (int)n->pid, pid) < 0) {
        notify_answer(n->id, -EPERM);
        return;
    }
    list_del(&child->pending_link);
    child->notify_id = n->id;
    if (child->settles) {
        notify_give_channels(child);
        return;
    }
    child->in_request = true;
    if (child->owner) {
        kthread_wake(child->owner);
    }
}

static bool in_known_process(int tid)
{
    struct host_process *p;
    list_for_each_entry (p, &g_seccomp.all_processes, all_link) {
        if (!p->reaped && host_tgkill(p->pid, tid, 0) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * A host task without a platform_thread. One that was just told to exit may still ring a doorbell that the poller
 * made superfluous. But one of a process that no order accounts for is a child of a guest that made its
 * stub clone twice: it has no channel, but memory and CPU time, so it goes as soon as it shows itself.
 */
static void stranger(const struct seccomp_notif *n)
{
    if (in_known_process((int)n->pid)) {
        notify_answer(n->id, -EPERM);
        return;
    }
    log_info("host tid %u is nobody we know: killed", n->pid);
    int r = host_kill((int)n->pid, SIGKILL);
    (void)r; /* gone already */
    notify_answer(n->id, -EPERM);
}

/* A thread that no notification had named yet. Return: it is known now. */
static bool first_doorbell(const struct seccomp_notif *n, struct platform_thread *child)
{
    if (!child->lazy || !child->chan || host_tgkill(child->proc->pid, (int)n->pid, 0) < 0 ||
        thread_bind(child, (int)n->pid, child->proc->pid) < 0) {
        return false;
    }
    list_del(&child->pending_link);
    return true;
}

static void doorbell(const struct seccomp_notif *n, struct platform_thread *th)
{
    uint32_t nonce = (uint32_t)n->data.args[1];
    bool again = th && th->in_request && th->notify_id;
    if (th && (again || (nonce && th->nonce != nonce)) && thread_stale(th)) {
        th = NULL;
    }
    if (!th) {
        struct platform_thread *child = pending_find(nonce);
        if (child && child->slot == n->data.args[0] && first_doorbell(n, child)) {
            th = child;
        } else if (child && child->slot == n->data.args[0] && child->notify_fd < 0 &&
                   !child->lazy) {
            hello(n, child);
            return;
        } else {
            stranger(n);
            return;
        }
    }
    if (waits_again(n, th)) {
        return;
    }
    handoff_rang(th);
    if (!channel_accept(th, n->id)) {
        /* The poller was faster, or there is nothing: the stub looks again. */
        notify_answer_later(n->id);
    }
}

/*
 * A fresh stub after exec. It must be one: if exec failed, the old program could play the new one, with its
 * privileges. The read-only page tells: the old program can neither unmap nor protect it, and a fresh one maps it later.
 */
static void boot(const struct seccomp_notif *n, struct platform_thread *th)
{
    char byte;
    if (engine_vm_read((int)n->pid, &byte, STUB_RO, 1) != 0) {
        log_info("host tid %u: boots in an old address space", n->pid);
        seccomp_kill(th);
        notify_answer(n->id, -EPERM);
        return;
    }
    th->booting = false;
    th->nr = STUB_REQ_BOOT;
    for (int i = 0; i < 5; i++) {
        th->args[i] = n->data.args[i + 1];
    }
    th->expect = EXPECT_NONE;
    channel_no_copies(th);
    th->notify_id = n->id;
    th->notify_fd = th->space->region->fd;
    th->in_request = th->event = true;
    if (th->owner) {
        kthread_wake(th->owner);
    }
}

static void process_hello(const struct seccomp_notif *n, struct platform_thread *th)
{
    th = th ? th : thread_executed((int)n->pid);
    if (th && !th->booting && thread_stale(th)) {
        th = NULL;
    }
    struct platform_thread *child = th ? NULL : pending_find((uint32_t)n->data.args[0]);
    if (th && th->booting) {
        boot(n, th);
    } else if (child && child->notify_fd >= 0) {
        hello(n, child);
    } else if (!th) {
        stranger(n);
    } else if (th->has_channels) {
        notify_answer_fd(n->id, th->space->region->fd, STUB_FD_CHAN); /* it missed the answer */
    } else if (th->notify_fd < 0 || !waits_again(n, th)) {
        notify_answer(n->id, -EPERM);
    }
}

/* A memory call that was ordered: install its fd if it has one, and let it happen. */
static bool expected_mem(const struct seccomp_notif *n, struct platform_thread *th)
{
    if (!th || th->expect != EXPECT_MEM) {
        return false;
    }
    for (size_t i = 0; i < th->expect_count; i++) {
        const struct stub_mem_call *m = &th->expect_mem[i];
        if (m->nr != (uint64_t)n->data.nr || memcmp(m->args, n->data.args, sizeof(m->args)) != 0) {
            continue;
        }
        int fd = th->expect_fds[i];
        if (fd >= 0 && m->close_fd < STUB_FD_GIVEN) {
            int r = notify_install(n->id, fd, (int)m->args[4], true);
            if (r < 0) {
                notify_answer(n->id, r == -ENOENT ? -EPERM : r);
                return true;
            }
        }
        notify_continue(n->id);
        return true;
    }
    return false;
}

bool thread_slot_in_use(const struct platform_thread *th, uint32_t slot)
{
    uint32_t count = atomic_load(&g_poll_slot_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct platform_thread *other = g_poll_slots[i].th;
        if (other && other != th->child && other->space == th->space && other->chan &&
            other->slot == slot && !other->dead && !(other->proc && other->proc->killed)) {
            return true;
        }
    }
    return false;
}

static bool expected_clone(const struct seccomp_notif *n, struct platform_thread *th)
{
    const uint64_t *a = (const uint64_t *)n->data.args;
    if (!th || th->expect != EXPECT_CLONE) {
        return false;
    }
    /*
     * Linux starts clone over when a signal or a stop is pending, so the stub's call may come here again, but not when there
     * is a child. Only one process can say hello; others are strangers to notify_handle, and looked for.
     */
    if (!th->child || (th->expect_met && clone_has_child(th)) ||
        (!th->kicked && th->expect_again >= CLONE_AGAIN_MAX)) {
        return false;
    }
    const struct stub_order_clone *o = &th->expect_clone;
    if (!clone_is_ordered(a, o)) {
        return false;
    }
    if (o->flags & CLONE_VM) {
        uint64_t offset = AREA_BASE + AREA_STRUCT - a[1];
        uint64_t slot = offset / AREA_STRIDE;
        if (offset % AREA_STRIDE || slot >= THREAD_SLOTS ||
            thread_slot_in_use(th, (uint32_t)slot) ||
            (slot < PARK_SLOTS && (th->proc->parked >> slot & 1))) {
            return false;
        }
        thread_set_slot(th->child, (uint32_t)slot);
    } else if (a[1] != 0) {
        return false;
    }
    th->expect_again += th->expect_met;
    clone_goes(th);
    notify_continue(n->id);
    return true;
}

/*
 * A fork without an order: the host call comes instead of a doorbell, with the request for it in the channel. If it is granted as it
 * is, it goes on; else it fails, and the stub looks at the reply. Return: th is known, and this is how it rings.
 */
static bool fork_request(const struct seccomp_notif *n, struct platform_thread *th)
{
    if (!th || th->expect == EXPECT_CLONE) {
        return false;
    }
    bool again = waits_again(n, th);
    if (!again) {
        handoff_rang(th);
        if (!channel_accept(th, n->id)) {
            notify_answer(n->id, -ECANCELED);
            return true;
        }
    }
    th->at_clone = true;
    memcpy(th->clone_args, n->data.args, sizeof(th->clone_args));
    return true;
}

static bool expected_exec(const struct seccomp_notif *n, struct platform_thread *th)
{
    const uint64_t *a = (const uint64_t *)n->data.args;
    const struct stub_info *info = g_seccomp.info;
    if (!th || th->expect != EXPECT_EXEC || (th->expect_met && !th->booting) ||
        a[0] != STUB_FD_IMAGE || a[1] != info->exec_path || a[2] != info->exec_argv ||
        a[3] != info->exec_envp || a[4] != 0x1000 /* AT_EMPTY_PATH */) {
        return false;
    }
    th->expect_met = true;
    th->booting = true;
    notify_continue(n->id);
    return true;
}

void notify_handle(const struct seccomp_notif *n)
{
    struct platform_thread *th = thread_find((int)n->pid);
    bool served = false;
    if (th && th->tid != th->proc->pid && thread_stale(th)) {
        th = NULL; /* another's task has that number now */
    }
    switch (n->data.nr) {
    case GATE_DOORBELL:
        doorbell(n, th);
        return;
    case GATE_HELLO:
        process_hello(n, th);
        return;
    case SYS_clone:
        served = expected_clone(n, th) || fork_request(n, th);
        break;
    case SYS_execveat:
        served = expected_exec(n, th);
        break;
    default:
        served = expected_mem(n, th);
        break;
    }
    if (!served && !th) {
        stranger(n);
    } else if (!served) {
        log_info("host tid %u: refused %d(%#llx, %#llx, %#llx, %#llx, %#llx)", n->pid, n->data.nr,
                 n->data.args[0], n->data.args[1], n->data.args[2], n->data.args[3],
                 n->data.args[4]);
        notify_answer(n->id, -EPERM);
    }
}
