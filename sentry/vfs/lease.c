/* Leases of open files, as the file layer sees them: see lease.h. */
#include "sentry/vfs/lease.h"

void inode_hold_leases_(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        l->hold(l);
    }
}

void inode_end_leases_(struct inode *inode)
{
    struct file_lease *l, *next;
    list_for_each_entry_safe (l, next, &inode->leases, inode_link) {
        l->end(l);
    }
}
