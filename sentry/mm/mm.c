/*
 * The lifetime of struct mm, and the names of what it maps. Analogous to the small part of Linux's
 * kernel/fork.c that copies an mm_struct; pages and VMAs are the host's.
 */
#include "sentry/mm/mm.h"

#include <errno.h>
#include <string.h>

#include "lib/host.h"
#include "platform/platform.h"

int mm_new(struct mm **out)
{
    struct mm *mm = calloc(1, sizeof(*mm));
    if (!mm) {
        return -ENOMEM;
    }
    refcount_init(&mm->ref);
    list_init(&mm->mapped_files);
    *out = mm;
    return 0;
}

static uint64_t file_hash(uint64_t host_dev, uint64_t host_ino)
{
    return hash_u64(host_ino ^ hash_u64(host_dev));
}

struct mapped_file *mm_find_file(const struct mm *mm, uint64_t host_dev, uint64_t host_ino)
{
    uint64_t hash = file_hash(host_dev, host_ino);
    for (struct hash_node *n = hash_chain(&mm->files_by_host, hash); n; n = n->next) {
        struct mapped_file *f = container_of(n, struct mapped_file, hash);
        if (f->host_dev == host_dev && f->host_ino == host_ino) {
            return f;
        }
    }
    return NULL;
}

static int add_mapped_file(struct mm *mm, const struct mapped_file *like, const char *name)
{
    struct mapped_file *f = malloc(sizeof(*f));
    char *copy = strdup(name);
    if (!f || !copy) {
        free(f);
        free(copy);
        return -ENOMEM;
    }
    *f = *like;
    f->name = copy;
    if (hash_insert(&mm->files_by_host, &f->hash, file_hash(f->host_dev, f->host_ino)) < 0) {
        free(f);
        free(copy);
        return -ENOMEM;
    }
    list_add_tail(&f->link, &mm->mapped_files);
    return 0;
}

uaddr_t mm_brk(const struct mm *mm)
{
    uaddr_t brk = mm->space ? platform_brk(mm->space, mm->brk) : mm->brk;
    return brk >= mm->start_brk && brk <= PLATFORM_TASK_SIZE - PAGE_SIZE ? brk : mm->brk;
}

int mm_copy(const struct mm *mm, struct mm **out)
{
    struct mm *copy;
    int r = mm_new(&copy);
    if (r < 0) {
        return r;
    }
    *copy = *mm;
    copy->brk = mm_brk(mm);
    copy->space = NULL;
    refcount_init(&copy->ref);
    copy->leases = NULL;
    copy->facts = NULL;
    copy->names = NULL;
    copy->program = NULL;
    copy->name_heat = 0;
    copy->forking = 0;
    list_init(&copy->mapped_files);
    copy->files_by_host = (struct hash_table){0};
    const struct mapped_file *f;
    list_for_each_entry (f, &mm->mapped_files, link) {
        r = add_mapped_file(copy, f, f->name);
        if (r < 0) {
            mm_put(copy);
            return r;
        }
    }
    *out = copy;
    return 0;
}

struct mm *mm_get(struct mm *mm)
{
    refcount_get(&mm->ref);
    return mm;
}

void mm_put(struct mm *mm)
{
    if (!refcount_put(&mm->ref)) {
        return;
    }
    struct mapped_file *f, *tmp;
    list_for_each_entry_safe (f, tmp, &mm->mapped_files, link) {
        list_del(&f->link);
        free(f->name);
        free(f);
    }
    free(mm->names);
    hash_free(&mm->files_by_host);
    free(mm);
}

/**
 * mm_note_file - remember what the guest calls the file behind host_fd, before it is mapped.
 *
 * Names stay until the mm goes, also when the mapping does: the host's map says what is mapped,
 * this only translates. A file that is mapped again gets its newest name.
 *
 * Errors: -ENOMEM.
 */
int mm_note_file(struct mm *mm, int host_fd, uint64_t dev, uint64_t ino, const char *name)
{
    struct stat st;
    int r = host_fstat(host_fd, &st);
    if (r < 0) {
        return r;
    }
    struct mapped_file *f = mm_find_file(mm, st.st_dev, st.st_ino);
    if (f) {
        if (strcmp(f->name, name) != 0) {
            char *copy = strdup(name);
            if (!copy) {
                return -ENOMEM;
            }
            free(f->name);
            f->name = copy;
        }
        f->dev = dev;
        f->ino = ino;
        return 0;
    }
    const struct mapped_file like = {
        .host_dev = st.st_dev, .host_ino = st.st_ino, .dev = dev, .ino = ino};
    return add_mapped_file(mm, &like, name);
}
