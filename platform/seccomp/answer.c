/*
 * The sentry's half of what stubs answer by themselves (platform/stub/answer.c). All of it lies in the thread's own
 * channel. Nothing is believed of what stands there but the signal mask, which is the guest's to choose.
 */
#include <string.h>
#include <sys/syscall.h>

#include "platform/seccomp/seccomp.h"

_Static_assert(sizeof(struct rusage) == sizeof(((struct stub_exit_info *)0)->usage), "one layout");

void seccomp_keep_answer(struct platform_thread *th, uint64_t nr, long result)
{
    unsigned kept = nr == PLATFORM_ANSWER_SUID || nr == PLATFORM_ANSWER_SGID
                        ? PLATFORM_ANSWER_SLOT((unsigned)nr) + 1
                    : nr < PLATFORM_COPY_NR_COUNT ? g_seccomp.ro->kept[nr]
                                                  : 0;
    unsigned slot = kept & 0x7f;
    if (!kept || ((kept & PLATFORM_ANSWER_OF_SELF) && (uint32_t)th->args[0])) {
        return;
    }
    if (th->chan && result >= 0 && result <= INT32_MAX) {
        __atomic_store_n(&th->chan->answers[slot - 1], ANSWER_VALID | (uint64_t)result,
                         __ATOMIC_RELEASE);
    }
}

void seccomp_forget_answers(struct platform_thread *th)
{
    for (int i = 0; th->chan && i < ANSWER_COUNT; i++) {
        __atomic_store_n(&th->chan->answers[i], 0, __ATOMIC_SEQ_CST);
    }
    seccomp_forget_actions(th, UINT64_MAX); /* they say who the sender is */
}

/* th is in the kernel: nobody reads meanwhile. */
void seccomp_keep_action(struct platform_thread *th, int sig, const struct platform_action *a)
{
    if (th->dead || !th->chan || !th->in_request) {
        return;
    }
    struct chan *c = th->chan;
    c->actions[sig - 1] = (struct stub_action){
        .handler = a->handler, .flags = a->flags, .restorer = a->restorer, .mask = a->mask};
    c->self_pid = (uint32_t)a->pid;
    c->self_tid = (uint32_t)a->tid;
    c->self_uid = a->uid;
    __atomic_fetch_or(&c->handlers, 1UL << (sig - 1), __ATOMIC_SEQ_CST);
}

void seccomp_default_actions(struct platform_thread *th, uint64_t signals)
{
    if (th->chan) {
        __atomic_store_n(&th->chan->default_actions, signals, __ATOMIC_SEQ_CST);
    }
}

void seccomp_forget_actions(struct platform_thread *th, uint64_t signals)
{
    if (th->chan) {
        __atomic_fetch_and(&th->chan->default_actions, ~signals, __ATOMIC_SEQ_CST);
        __atomic_fetch_and(&th->chan->handlers, ~signals, __ATOMIC_SEQ_CST);
    }
}

void seccomp_set_mask(struct platform_thread *th, uint64_t mask)
{
    th->sigmask = mask;
    if (th->chan) {
        __atomic_store_n(&th->chan->sigmask, mask, __ATOMIC_SEQ_CST);
    }
}

bool seccomp_running_mask(const struct platform_thread *th, uint64_t *out)
{
    if (th->dead || !th->started || !th->chan || (th->in_request && !th->event)) {
        return false; /* its owner has taken the mask, and may have changed it */
    }
    *out = th->in_request ? th->sigmask : __atomic_load_n(&th->chan->sigmask, __ATOMIC_SEQ_CST);
    return true;
}

void seccomp_ask(struct platform_thread *th, unsigned what, unsigned of)
{
    uint32_t ask = (th->ask & ~of) | what;
    if (th->ask != ask) {
        th->ask = ask;
        if (th->chan) {
            __atomic_store_n(&th->chan->ask, ask, __ATOMIC_SEQ_CST);
        }
    }
}

void seccomp_answers_init(struct platform_thread *th)
{
    seccomp_forget_answers(th);
    th->chan->robust_list = 0;
    th->chan->notes = 0;
    th->chan->has_tid_address = 0;
    th->chan->cpu_start_ns = 0;
    th->chan->sigmask = th->sigmask;
    th->chan->ask = th->ask;
    seccomp_set_altstack(th, 0, -1, 0); /* no frame's: the first sigreturn asks */
}

uaddr_t seccomp_robust_list(const struct platform_thread *th)
{
    return th->chan ? *(volatile uint64_t *)&th->chan->robust_list : 0;
}

uaddr_t seccomp_tid_address(const struct platform_thread *th, uaddr_t known)
{
    const volatile struct chan *c = th->chan;
    return c && c->has_tid_address ? c->tid_address : known;
}

bool seccomp_exit_info(const struct platform_thread *th, struct platform_exit_info *out)
{
    if (th->dead || !th->in_request || th->event || th->notify_fd >= 0 ||
        (th->nr != SYS_exit && th->nr != SYS_exit_group) || th->args[5] != STUB_EXIT_INFO) {
        return false;
    }
    struct stub_exit_info info;
    memcpy(&info, (const char *)th->chan + STUB_EXIT_OFFSET, sizeof(info));
    memcpy(&out->usage, info.usage, sizeof(out->usage));
    out->robust_list = info.robust_list;
    memcpy(out->robust_head, info.robust_head, sizeof(out->robust_head));
    return true;
}

bool seccomp_notes(const struct platform_thread *th, struct platform_notes *out)
{
    if (!th->chan || !g_seccomp.ro->answer) {
        return false;
    }
    out->word = &th->chan->notes;
    out->stats = (void *)((char *)th->chan + STUB_STATS_OFFSET);
    out->log = (const uint8_t *)th->chan + WINDOW_OFFSET + NOTES_OFFSET;
    return true;
}

void seccomp_grant_notes(struct platform_thread *th, unsigned slot, unsigned rights, int fd)
{
    th->grant = NOTE_GRANTED | slot << NOTE_SLOT_SHIFT | rights << NOTE_RIGHTS_SHIFT |
                (uint32_t)fd << NOTE_FD_SHIFT;
}
