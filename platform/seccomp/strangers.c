/*
 * Children that keep silent. A guest that was told to clone can deny the child, or be killed before it says hello; and
 * the child can choose never to make a call that we would see. All stubs are our children, so the host's list
 * tells who is there that we don't know.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/seccomp/seccomp.h"

static uint64_t g_reaped; /* strangers, so far */

/* How many of our children nobody knows, but for those that found says are not meant. */
static unsigned count_strangers(bool (*found)(int pid, const struct platform_thread *th),
                                const struct platform_thread *th)
{
    AUTO_STRBUF text = {0};
    char path[64];
    unsigned count = 0;
    int self = (int)getpid(); /* the main thread made the first stub */
    snprintf(path, sizeof(path), "%d/task/%d/children", self, self);
    int r = engine_proc_read(path, &text);
    if (r < 0) {
        log_info("can't look for unknown processes: error %d", -r);
        return 0;
    }
    char *next = text.text;
    for (int pid; (pid = (int)strtol(next, &next, 10)) > 0;) {
        count += !process_find(pid) && found(pid, th);
    }
    return count;
}

static bool kill_stranger(int pid, const struct platform_thread *th)
{
    (void)th;
    log_info("host process %d is nobody we know: killed", pid);
    int r = host_kill(pid, SIGKILL);
    (void)r; /* gone already */
    return true;
}

/* A process is on its way: threads are none of our children, and need never say who they are. */
static bool child_is_awaited(void)
{
    const struct platform_thread *th;
    list_for_each_entry (th, &g_seccomp.pending, pending_link) {
        if (!th->lazy) {
            return true;
        }
    }
    return false;
}

/*
 * While a child is on its way it can't be told from such a one: then the end of its birth comes here again. So does the end of a
 * suspicious process, since only then it can't clone any more.
 */
void sweep_strangers(void)
{
    if (!g_seccomp.sweep_wanted || child_is_awaited()) {
        return;
    }
    g_seccomp.sweep_wanted = false;
    count_strangers(kill_stranger, NULL);
}

/* May pid be a child of th's process? Until it says hello it has that one's channels, unless it has thrown them away. */
static bool may_be_child(int pid, const struct platform_thread *th)
{
    AUTO_STRBUF text = {0};
    char path[64];
    struct stat st;
    unsigned long ino;
    snprintf(path, sizeof(path), "%d/fdinfo/%d", pid, STUB_FD_CHAN);
    int r = engine_proc_read(path, &text);
    const char *at = r == 0 && text.text ? strstr(text.text, "ino:") : NULL;
    return !at || sscanf(at, "ino: %lu", &ino) != 1 || host_fstat(th->space->region->fd, &st) < 0 ||
           st.st_ino == ino;
}

/* Processes that threads of s were told to make, and which have not said hello. */
static unsigned count_awaited(const struct platform_space *s)
{
    unsigned count = 0, slots = atomic_load(&g_poll_slot_count);
    for (unsigned i = 0; i < slots; i++) {
        const struct platform_thread *th = g_poll_slots[i].th;
        count += th && th->space == s && th->expect_met && th->child && !th->child->lazy &&
                 !th->child->tid;
    }
    return count;
}

/* Of children that several threads wait for, who has which is not known: of one only if all are there. */
bool clone_has_child(struct platform_thread *th)
{
    if (th->child->tid || thread_identify(th->child)) {
        return true;
    }
    return !th->child->lazy &&
           g_reaped - th->strangers_reaped + count_strangers(may_be_child, th) >=
               count_awaited(th->space);
}

uint64_t strangers_reaped(void)
{
    return g_reaped;
}

void suspect(struct platform_thread *th)
{
    g_seccomp.sweep_wanted = true;
    if (th->proc) {
        th->proc->suspicious = true;
    }
}

bool clone_died_nameless(const struct platform_thread *th)
{
    int pid = (int)*(volatile uint32_t *)&th->chan->clone.child_pid;
    return pid > 0 && host_tgkill(pid, pid, 0) == -ESRCH;
}

void stranger_reaped(void)
{
    struct platform_thread *child;
    g_reaped++;
    list_for_each_entry (child, &g_seccomp.pending, pending_link) {
        if (child->owner) {
            kthread_wake(child->owner);
        }
    }
}
