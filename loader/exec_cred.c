#include "loader/exec_cred.h"

#include <linux/securebits.h>
#include <sys/stat.h>

static bool in_group(const struct cred *c, uint32_t gid)
{
    return c->fsgid == gid || cred_in_group(c, gid);
}

static void apply_set_id(const struct exec_cred_request *r, struct cred *c)
{
    if (r->nosuid || r->no_new_privs) {
        return;
    }
    if (r->mode & S_ISUID) {
        c->euid = r->uid;
    }
    /* Set-group-ID without group execute means mandatory locking, not this. */
    if ((r->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
        c->egid = r->gid;
    }
}

static bool gained(const struct cred *c, const struct cred *old)
{
    return c->cap_permitted & ~old->cap_permitted;
}

int exec_cred_compute(const struct exec_cred_request *r, struct exec_cred *out)
{
    const struct cred *old = r->old;
    struct cred *c;
    int err = cred_copy(old, &c);
    if (err < 0) {
        return err;
    }
    bool effective = false;
    apply_set_id(r, c);
    c->cap_permitted = 0;
    if (!(c->securebits & SECBIT_NOROOT)) {
        if (c->euid == 0 || c->uid == 0) {
            c->cap_permitted = old->cap_bset | old->cap_inheritable;
        }
        effective = c->euid == 0;
    }
    bool id_changed = c->euid != old->euid || !in_group(old, c->egid);
    if ((id_changed || gained(c, old)) && r->no_new_privs) {
        c->euid = c->uid;
        c->egid = c->gid;
        c->cap_permitted &= old->cap_permitted;
    }
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    if (id_changed) {
        c->cap_ambient = 0;
    }
    c->cap_permitted |= c->cap_ambient;
    c->cap_effective = effective ? c->cap_permitted : c->cap_ambient;
    c->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;

    bool grew = c->cap_permitted & ~c->cap_ambient;
    *out = (struct exec_cred){
        .cred = c,
        .secure = id_changed || c->euid != old->uid || c->egid != old->gid ||
                  (c->uid != 0 && (effective || grew)),
        .dumpable = c->euid == c->uid && c->egid == c->gid,
    };
    return 0;
}
