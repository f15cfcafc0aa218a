/*
 * Files that a guest process keeps open, so that it can map them again without a notification: programs and libraries. Giving one
 * costs two context switches, and a dynamic program maps its loader and libraries a dozen times. A new process has its
 * parent's, and exec keeps them: what a shell runs finds the C library given already.
 *
 * Only regular files that anybody may read, by descriptions that can't write; and a process that changes its
 * credentials loses them all. What the guest closes at the gate it does not have any more: its own loss.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/host.h"
#include "platform/seccomp/seccomp.h"

uint64_t given_class_new(void)
{
    static uint64_t last;
    return ++last;
}

static int given_find(const struct host_process *p, const struct stat *st)
{
    for (uint32_t i = 0; i < p->given.count; i++) {
        if (p->given.files[i].ino == st->st_ino && p->given.files[i].dev == st->st_dev) {
            return (int)(STUB_FD_KEPT + i);
        }
    }
    return -ENOENT;
}

static bool may_be_given(const struct platform_thread *th, int host_fd, struct stat *out_st)
{
    return th->proc && (host_fcntl(host_fd, F_GETFL, 0) & O_ACCMODE) == O_RDONLY &&
           host_fstat(host_fd, out_st) == 0 && S_ISREG(out_st->st_mode) &&
           (out_st->st_mode & S_IROTH) &&
           out_st->st_nlink > 0; /* no link: a file of the guest's own, in memory */
}

int seccomp_kept_file(const struct platform_thread *th, int host_fd)
{
    struct stat st;
    int number = th->proc && th->proc->given.count && may_be_given(th, host_fd, &st)
                     ? given_find(th->proc, &st)
                     : -ENOENT;
    if (number > 0 && g_seccomp.patch && th->proc->space && !(th->ask & PLATFORM_ASK_SITES)) {
        sites_offer(th->proc, (uint32_t)number);
    }
    return number;
}

int given_number(struct platform_thread *th, int host_fd)
{
    struct stat st;
    if (!may_be_given(th, host_fd, &st)) {
        return -EPERM;
    }
    int number = given_find(th->proc, &st);
    if (number >= 0) {
        return number;
    }
    if (th->proc->given.count == GIVEN_MAX) {
        return -EPERM;
    }
    if (!th->notify_id) {
        channel_flush(th); /* the window's outputs would not survive the detour */
    }
    int r = channel_need_notify(th);
    if (r < 0) {
        return r;
    }
    number = given_find(th->proc, &st); /* another thread may have been faster */
    if (number >= 0) {
        return number;
    }
    if (th->proc->given.count == GIVEN_MAX) {
        return -EPERM;
    }
    number = (int)(STUB_FD_KEPT + th->proc->given.count);
    r = channel_install(th, host_fd, number, false);
    if (r < 0) {
        return r;
    }
    struct given_file *f = &th->proc->given.files[th->proc->given.count++];
    *f = (struct given_file){.dev = st.st_dev, .ino = st.st_ino};
    spare_missed_file(th, host_fd, f);
    return number;
}

void seccomp_forget_files(struct platform_thread *th)
{
    struct stub_mem_call calls[GIVEN_MAX];
    int fds[GIVEN_MAX];
    uint32_t count = th->proc ? th->proc->given.count : 0;
    if (th->proc) {
        th->proc->given.class = given_class_new();
    }
    if (!count || th->dead || !th->in_request || th->event || th->has_context) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        calls[i] = (struct stub_mem_call){.nr = SYS_close, .args = {STUB_FD_KEPT + i}};
        fds[i] = -1;
    }
    th->proc->given.count = 0;
    long r = mem_list(th, calls, fds, count);
    (void)r; /* closed already, or dead */
}
