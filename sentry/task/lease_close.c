/*
 * Light leases: of a file that was just opened for reading in a tree that nobody changes. Nothing is mapped. The process has
 * the position, the size and the attributes, so that fstat, lseek and the read that finds the end need no trip;
 * a read of bytes takes the lease back and returns it with its reply. A library that the process keeps (platform_kept_file) is also mapped without
 * a trip. A file that is read often gets
 * a real lease in its place (lease_file.c).
 *
 * Closing. Where the last close of a file is seen by nobody, the process closes it by itself:
 *
 *      the process                               here
 *      position word: VALID -> CLOSED
 *      the lease's bit into page->closes
 *      close returned 0
 *                                                anybody looks at the fd table, the process's next call that names an
 *                                                fd included: settle, which closes those fds first
 *
 * Whoever takes the lease over in between (another process uses the inode) finds CLOSED, and leaves the lease on
 * table->closed. A forged word or bit is as good as a call of close. What could see a close elsewhere makes
 * the lease one that can't be closed so: locks on the file, watches; or it settles first: fork, umount.
 */
#include "lib/log.h"
#include "sentry/base/kernel.h"
#include "sentry/task/notes_internal.h"
#include "sentry/vfs/notify.h"

static struct list g_tables = LIST_INIT(g_tables); /* lease_table.all_link */

static void put_closed(struct regular_lease *l)
{
    list_del(&l->closed_link);
    file_lease_put(&l->base);
}

/* The fd table's call-back. */
static void settle(struct fd_closes *c)
{
    struct lease_table *table = container_of(c, struct lease_table, closes);
    struct platform_lease_page *page = table->page;
    uint64_t all = __atomic_load_n(&page->closes, __ATOMIC_SEQ_CST)
                       ? __atomic_exchange_n(&page->closes, 0, __ATOMIC_SEQ_CST)
                       : 0;
    for (uint64_t bits = all; bits; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctzll(bits);
        struct regular_lease *l = table->regular[i];
        if (l && (__atomic_load_n(&page->leases[i].position, __ATOMIC_SEQ_CST) & LEASE_CLOSED)) {
            file_lease_end(&l->base); /* which takes it over, and finds that it was closed */
        }
    }
    c->waiting = false;
    struct regular_lease *l;
    while ((l = list_first_entry(&table->closed, struct regular_lease, closed_link))) {
        struct file *f = l->file;
        int fd = l->closed_fd;
        put_closed(l);
        fd_table_drop(c->table, fd, f);
    }
    if (table->notes) {
        notes_settle(table);
        c->waiting |= notes_are_out(table);
    }
    lease_directory_settle(table);
    lease_open_settle(table, all); /* behind the closes: the numbers are used again */
    if (table->notes) {
        creates_adopt(table->notes);
    }
}

void lease_closes_init(struct lease_table *table, struct fd_table *files)
{
    list_add_tail(&table->all_link, &g_tables);
    list_init(&table->closed);
    list_init(&table->claimed);
    table->closes = (struct fd_closes){
        .word = &table->page->closes,
        .logged = (const uint32_t *)(const void *)&table->page->logged, /* LOG_COUNT of it */
        .settle = settle,
        .free_fds = &table->page->free_fds};
    if (!fd_table_bind(files, &table->closes)) {
        log_debug("descriptors that another process serves, too: none is closed without asking");
    }
}

void lease_closes_end(struct lease_table *table)
{
    table->page->open_limit = 0;
    lease_settle(table);
    list_del(&table->all_link);
    fd_table_unbind(&table->closes);
    struct regular_lease *l;
    while ((l = list_first_entry(&table->closed, struct regular_lease, closed_link)) ||
           (l = list_first_entry(&table->claimed, struct regular_lease, closed_link))) {
        put_closed(l);
    }
}

void lease_settle(struct lease_table *table)
{
    if (table->closes.table) {
        fd_table_settle(table->closes.table);
    }
}

bool lease_is_closable(const struct regular_lease *l)
{
    return l->frozen && l->table->closes.table && list_empty(&l->file->inode->locks) &&
           !g_vfs_notify;
}

void lease_note_closed(struct regular_lease *l)
{
    l->closed_fd = l->file->lease_fd;
    if (l->table->closes.table) {
        fd_table_hide_fd(l->table->closes.table, l->closed_fd);
    }
    refcount_get(&l->base.ref);
    list_add_tail(&l->closed_link, &l->table->closed);
    l->table->closes.waiting = true;
}

void lease_drop_closed(void)
{
    struct lease_table *table;
    list_for_each_entry (table, &g_tables, all_link) {
        notes_drop_closed(table);
    }
}

void lease_yield_room(void)
{
    struct lease_table *table;
    if (!notes_are_applied()) {
        list_for_each_entry (table, &g_tables, all_link) {
            notes_end_all(table);
        }
    }
}

void lease_settle_everywhere(void)
{
    struct lease_table *table;
    list_for_each_entry (table, &g_tables, all_link) {
        lease_open_withdraw(table); /* they are open files, too */
    }
}

void lease_end_everywhere(void)
{
    struct lease_table *table;
    list_for_each_entry (table, &g_tables, all_link) {
        lease_end_regular(table);
        notes_end_all(table);
    }
    lease_settle_everywhere();
}

uint32_t lease_kept_number(struct task *t, const struct file *f, const struct lease_terms *terms)
{
    AUTO_STRBUF name = {0};
    int number = f->inode->i_flags & INODE_MAPPED ? platform_kept_file(t->pt, terms->host_fd) : -1;
    if (number <= 0 || path_name(&f->path, &t->fs->root, &name) < 0 ||
        mm_note_file(t->mm, terms->host_fd, f->inode->dev, f->inode->ino,
                     name.text ? name.text : "") < 0) {
        return 0;
    }
    return (uint32_t)number;
}

void lease_consider_opened(struct task *t, struct file *f, int fd)
{
    struct lease_terms terms;
    if (!(f->inode->i_flags & INODE_FROZEN)) {
        notes_consider(t, f, fd);
        return;
    }
    if (f->lease || file_writable(f) || !lease_may_have(t, f) || f->inode->lease_pending ||
        lease_has_rival(f) || f->ops->lease(f, &terms) < 0 ||
        terms.size > (int64_t)LEASE_FILE_MAX || terms.size == 0) {
        return; /* files that are made as they are read say that they are empty */
    }
    struct lease_table *table = lease_table_of(t);
    int index = table ? lease_free_index(table, 0) : -1;
    struct regular_lease *l = index >= 0 ? calloc(1, sizeof(*l)) : NULL;
    if (l) {
        l->index = (unsigned)index;
        l->kept = lease_kept_number(t, f, &terms);
        l->bytes = !l->kept && table->reads_opened ? lease_copy_bytes(t, l->index, f, &terms) : 0;
        lease_install(t, f, fd, l, &terms);
        lease_publish_stat(l);
    }
}
