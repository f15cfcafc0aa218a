/*
 * The one file that a guest process may write by itself, with pwrite64 at the gate: the leased file that it is filling. For pages
 * that a file does not have yet, the host's write is twice as fast as faults on a mapping.
 *
 * A process has at most one such descriptor, STUB_FD_WRITE, which exec closes. The filter lets it be used for nothing
 * but pwrite64, and for no other number. What makes it safe to give is the host's RLIMIT_FSIZE of that
 * process: nothing is written behind it, whatever the guest asks for, and setting it to 0 takes the right back at once,
 * without the guest's help. SIGXFSZ, which the host sends then, is ignored from the first stub on.
 *
 * A new process inherits the descriptor and the limit: so the limit is 0 whenever one is made (the caller sees to that).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/host.h"
#include "lib/strbuf.h"
#include "platform/seccomp/seccomp.h"

/*
 * The one thread that the kernel knows of is in a request when the right is taken back, so it does not write then. Others must not be there:
 * one that waits for its next life, and a hostile one that went on when it was told to end.
 */
static bool has_one_thread(int pid)
{
    AUTO_STRBUF text = {0};
    char path[32];
    int threads = 0;
    snprintf(path, sizeof(path), "%d/stat", pid);
    const char *p =
        engine_proc_read(path, &text) == 0 && text.text ? strrchr(text.text, ')') : NULL;
    return p &&
           sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d",
                  &threads) == 1 &&
           threads == 1;
}

int seccomp_writer_limit(struct platform_space *s, uint64_t limit)
{
    struct host_process *p;
    int r = limit && s->procs.next != s->procs.prev ? -EBUSY
                                                    : 0; /* for one, not for its vfork's child */
    list_for_each_entry (p, &s->procs, space_link) {
        if (r == 0 && !p->reaped) {
            r = host_set_file_limit(p->pid, limit);
        }
    }
    return r;
}

int seccomp_writer_give(struct platform_thread *th, int host_fd, uint64_t limit)
{
    /* What the descriptor led to so far must not become writable again. */
    int r = seccomp_writer_limit(th->space, 0);
    if (r == 0 && !has_one_thread(th->proc->pid)) {
        return -EBUSY;
    }
    if (r == 0 && !th->notify_id) {
        channel_flush(th); /* the window's outputs would not survive the detour */
        r = channel_need_notify(th);
    }
    if (r == 0) {
        r = channel_install(th, host_fd, STUB_FD_WRITE, true);
    }
    return r < 0 ? r : seccomp_writer_limit(th->space, limit);
}
