/*
 * ioctl of sockets, as far as it is the same for all families: owners, and questions about network devices, of which there are none.
 * Analogous to sock_ioctl in Linux's net/socket.c and net/core/dev_ioctl.c. socket(7), netdevice(7).
 */
#include <linux/sockios.h>
#include <net/if.h>

#include "sentry/base/errno.h"
#include "sentry/task/sigio.h"
#include "syscalls/fd_owner.h"
#include "syscalls/socket.h"

static long set_owner(struct task *t, struct file *f, uaddr_t arg)
{
    int id;
    int r = get_user(t->mm, &id, arg);
    return r < 0 ? r : fcntl_set_owner(t, f, id);
}

/* A list of addresses with nothing on it. */
static long list_addresses(struct task *t, uaddr_t arg)
{
    struct ifconf c;
    int r = get_user(t->mm, &c, arg);
    c.ifc_len = 0;
    return r < 0 ? r : put_user(t->mm, arg, &c);
}

enum device_question { NO_QUESTION, ASKS, SETS };

/* Does cmd name a device, for whatever family? Addresses are the network families' own. */
static enum device_question device_question(unsigned cmd)
{
    switch (cmd) {
    case SIOCGIFNAME:
    case SIOCGIFFLAGS:
    case SIOCGIFMETRIC:
    case SIOCGIFMTU:
    case SIOCGIFHWADDR:
    case SIOCGIFSLAVE:
    case SIOCGIFMAP:
    case SIOCGIFINDEX:
    case SIOCGIFTXQLEN:
    case SIOCETHTOOL:
    case SIOCGMIIPHY:
    case SIOCGMIIREG:
        return ASKS;
    case SIOCSIFNAME:
    case SIOCSIFFLAGS:
    case SIOCSIFMETRIC:
    case SIOCSIFMTU:
    case SIOCSIFHWADDR:
    case SIOCSIFMAP:
    case SIOCSIFTXQLEN:
    case SIOCADDMULTI:
    case SIOCDELMULTI:
    case SIOCSIFHWBROADCAST:
    case SIOCSMIIREG:
        return SETS;
    default:
        return NO_QUESTION;
    }
}

static long ask_device(struct task *t, unsigned cmd, uaddr_t arg)
{
    const enum device_question question = device_question(cmd);
    struct ifreq req;
    int r = get_user(t->mm, &req, arg);
    if (r < 0) {
        return r;
    }
    if (question == SETS && !cred_capable(t->cred, CAP_NET_ADMIN)) {
        return -EPERM;
    }
    return question == NO_QUESTION ? -ENOTTY : -ENODEV;
}

long socket_ioctl(struct task *t, struct file *f, unsigned cmd, uaddr_t arg)
{
    const int owner = f->owner_type == F_OWNER_PGRP ? -sigio_owner(f) : sigio_owner(f);
    switch (cmd) {
    case FIOSETOWN:
    case SIOCSPGRP:
        return set_owner(t, f, arg);
    case FIOGETOWN:
    case SIOCGPGRP:
        return put_user(t->mm, arg, &owner);
    case SIOCGIFCONF:
        return list_addresses(t, arg);
    default:
        break;
    }
    const long r = f->ops->ioctl(f, t->mm, cmd, arg);
    return r == -ENOTTY && cmd >> 8 == 0x89 ? ask_device(t, cmd, arg) : r;
}
