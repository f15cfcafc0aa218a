/*
 * Who this machine is: uname, sethostname, setdomainname, personality. Analogous to Linux's
 * kernel/sys.c and kernel/exec_domain.c.
 */
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/utsname.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/facts.h"
#include "syscalls/syscalls.h"

#define UTS_NAME_MAX 64 /* Linux's __NEW_UTS_LEN */

static void set_field(char field[65], const char *text)
{
    snprintf(field, 65, "%.64s", text);
}

/* Old programs that can't read a version number of two parts ask for 2.6.40 + x (setarch --uname-2.6). */
static void old_release(char field[65], const char *release)
{
    const char *minor = strchr(release, '.');
    const char *rest = release;
    while (*rest == '.' || (*rest >= '0' && *rest <= '9')) {
        rest++;
    }
    snprintf(field, 65, "2.6.%ld%.32s", (minor ? strtol(minor + 1, NULL, 10) : 0) + 60, rest);
}

/**
 * sys_uname - see uname(2). Source: PER_LINUX32 and UNAME26 in personality(2).
 */
long sys_uname(struct task *t, uaddr_t buf)
{
    struct utsname u;
    memset(&u, 0, sizeof(u));
    set_field(u.sysname, "Linux");
    set_field(u.nodename, g_kernel->hostname);
    set_field(u.release, g_kernel->machine_release);
    set_field(u.version, KERNEL_VERSION_TEXT);
    set_field(u.machine, (t->tg->personality & PER_MASK) == PER_LINUX32 ? "i686" : "x86_64");
    set_field(u.domainname, g_kernel->domainname);
    if (t->tg->personality & UNAME26) {
        old_release(u.release, g_kernel->machine_release);
    }
    int r = put_user(t->mm, buf, &u);
    if (r == 0) {
        facts_keep(t, FACT_UNAME, &u, sizeof(u));
    }
    return r;
}

static long set_name(struct task *t, uaddr_t name, int len, char field[65])
{
    char text[UTS_NAME_MAX + 1] = {0};
    if (!cred_capable(t->cred, CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    if (len < 0 || len > UTS_NAME_MAX) {
        return -EINVAL;
    }
    if (copy_in(t->mm, text, name, (size_t)len) < 0) {
        return -EFAULT;
    }
    memcpy(field, text, sizeof(text));
    facts_forget_all(FACT_UNAME);
    return 0;
}

long sys_sethostname(struct task *t, uaddr_t name, int len)
{
    return set_name(t, name, len, g_kernel->hostname);
}

long sys_setdomainname(struct task *t, uaddr_t name, int len)
{
    return set_name(t, name, len, g_kernel->domainname);
}

/**
 * sys_personality - see personality(2): remembered for the process and its children, over exec.
 *
 * ADDR_NO_RANDOMIZE is the loader's, PER_LINUX32 and UNAME26 are uname's.
 * DEVIATION: the other bits (READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, ...) are remembered without effect.
 */
long sys_personality(struct task *t, unsigned persona)
{
    long old = (long)t->tg->personality;
    if (persona != 0xffffffff) {
        t->tg->personality = persona;
        facts_forget_of(t->tg, FACT_UNAME);
    }
    return old;
}
