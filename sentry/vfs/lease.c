/* Leases of open files, as the file layer sees them: see lease.h. */
#include "sentry/vfs/lease.h"

void (*g_file_lease_hold)(struct file_lease *l);
void (*g_file_lease_yield_room)(void);

void file_lease_init(struct file_lease *l, const struct file_lease_ops *ops, struct inode *inode)
{
    l->ops = ops;
    refcount_init(&l->ref);
    list_add_tail(&l->inode_link, &inode->leases);
}

void file_lease_put(struct file_lease *l)
{
    if (refcount_put(&l->ref)) {
        l->ops->free(l);
    }
}

void file_lease_end(struct file_lease *l)
{
    if (l->ended) {
        return;
    }
    l->ended = true;
    if (l->holders == 0 && l->ops->take_over) {
        l->ops->take_over(l);
    }
    l->ops->end(l);
    list_del(&l->inode_link);
    file_lease_put(l);
}

void file_lease_acquire(struct file_lease *l)
{
    refcount_get(&l->ref);
    if (l->holders++ == 0) {
        l->ops->take_over(l);
    }
}

void file_lease_release(struct file_lease *l)
{
    if (--l->holders == 0 && !l->ended && !l->ops->give_back(l)) {
        l->holders++; /* nothing is out there to be taken over */
        file_lease_end(l);
        l->holders--;
    }
    file_lease_put(l);
}

void inode_hold_leases_(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        if (l->ops->looked_at) {
            l->ops->looked_at(l);
        } else if (l->ops->take_over && g_file_lease_hold) {
            g_file_lease_hold(l);
        }
    }
}

void inode_take_notes_(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        if (l->ops->looked_at) {
            l->ops->looked_at(l);
        }
    }
}

void inode_end_leases_(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        file_lease_end(l);
    }
}
