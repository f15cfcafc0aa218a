/*
 * Listing overlay directories: first the names in memory, then those of the lower directory that no
 * entry in memory (a name or a whiteout) hides. See overlay.c.
 *
 * The lower's names are read once into a listing, which all open descriptions of the directory share
 * and which goes with the last one. A name's position is LOWER_POS plus its index in the listing, so
 * that it holds still whatever happens to the names in memory meanwhile.
 */
#include "sentry/fs/overlay.h"

#include <errno.h>
#include <string.h>

#include "lib/strbuf.h"

#define LOWER_POS (1LL << 62)

struct lower_name {
    uint64_t ino;
    size_t at; /* in listing_text */
    uint16_t size;
    unsigned char type;
};

struct listing {
    struct dir_context c;
    struct lower_name *names;
    size_t count, capacity;
    struct strbuf text;
    bool oom;
};

static bool collect_name(struct dir_context *c, const char *name, size_t size, uint64_t ino,
                         unsigned char type, int64_t next_pos)
{
    struct listing *l = container_of(c, struct listing, c);
    (void)next_pos;
    if ((size == 1 && name[0] == '.') || (size == 2 && memcmp(name, "..", 2) == 0)) {
        return true;
    }
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 32;
        struct lower_name *names = realloc(l->names, capacity * sizeof(*names));
        if (!names) {
            l->oom = true;
            return false;
        }
        l->names = names;
        l->capacity = capacity;
    }
    l->names[l->count++] =
        (struct lower_name){.ino = ino, .at = l->text.size, .size = (uint16_t)size, .type = type};
    strbuf_add(&l->text, name, size);
    return true;
}

static void listing_free(struct listing *l)
{
    free(l->names);
    strbuf_free(&l->text);
}

static int read_lower(const struct overlay_node *n, const struct cred *cred, struct listing *l)
{
    AUTO_PUT(file) f = NULL;
    int r = file_open_inode(n->lower, O_RDONLY | O_DIRECTORY, cred, &f);
    if (r < 0) {
        return r;
    }
    if (!f->ops->readdir) {
        return -ENOTDIR;
    }
    int64_t before;
    do {
        before = l->c.pos;
        r = f->ops->readdir(f, &l->c);
    } while (r == 0 && !l->oom && l->c.pos != before);
    if (r == 0 && (l->oom || strbuf_error(&l->text) < 0)) {
        r = -ENOMEM;
    }
    return r;
}

/* Makes sure that n has its listing. dir_users > 0. Context: may block. */
static int need_listing(struct overlay_node *n, const struct cred *cred)
{
    if (n->listed) {
        return 0;
    }
    struct listing l = {.c = {.emit = collect_name}};
    int r = read_lower(n, cred, &l);
    if (r < 0 || n->listed) {
        listing_free(&l);
        return r;
    }
    n->listing = l.names;
    n->listing_count = l.count;
    n->listing_text = l.text.text;
    n->listed = true;
    return 0;
}

void overlay_forget_listing(struct overlay_node *n)
{
    free(n->listing);
    free(n->listing_text);
    n->listing = NULL;
    n->listing_text = NULL;
    n->listing_count = 0;
    n->listed = false;
}

static void drop_dir_user(struct overlay_node *n)
{
    BUG_ON(n->dir_users == 0);
    if (--n->dir_users == 0) {
        overlay_forget_listing(n);
    }
}

static bool is_hidden(const struct overlay_node *n, const struct lower_name *ln)
{
    const struct name name = {n->listing_text + ln->at, ln->size};
    return memdir_find(&n->mem.names, &name) != NULL;
}

int overlay_lower_empty(struct mem_node *dir)
{
    struct overlay_node *n = (struct overlay_node *)dir;
    if (!n->lower) {
        return 1;
    }
    AUTO_PUT(cred) own = NULL;
    int r = cred_new(&own, 0, 0, NULL, 0);
    if (r < 0) {
        return r;
    }
    n->dir_users++;
    r = need_listing(n, own);
    for (size_t i = 0; r == 0 && i < n->listing_count; i++) {
        if (!is_hidden(n, &n->listing[i])) {
            drop_dir_user(n);
            return 0;
        }
    }
    drop_dir_user(n);
    return r < 0 ? r : 1;
}

static int overlay_readdir(struct file *f, struct dir_context *c)
{
    struct overlay_node *n = overlay_node(f->inode);
    if (f->inode->i_flags & INODE_DEAD) {
        return -ENOENT;
    }
    if (!mem_emit_names(f, c) || !n->lower) {
        file_accessed(f);
        return 0;
    }
    int r = need_listing(n, f->cred);
    if (r < 0) {
        return r;
    }
    size_t i = c->pos >= LOWER_POS ? (size_t)(c->pos - LOWER_POS) : 0;
    for (; i < n->listing_count; i++) {
        const struct lower_name *ln = &n->listing[i];
        int64_t next = LOWER_POS + (int64_t)i + 1;
        if (!is_hidden(n, ln) &&
            !c->emit(c, n->listing_text + ln->at, ln->size, ln->ino, ln->type, next)) {
            break;
        }
        c->pos = next;
    }
    file_accessed(f);
    return 0;
}

static void overlay_dir_release(struct file *f)
{
    drop_dir_user(overlay_node(f->inode));
}

static const struct file_ops overlay_dir_file_ops = {
    .readdir = overlay_readdir,
    .fsync = mem_file_fsync,
    .release = overlay_dir_release,
};

int overlay_open_dir(struct inode *inode, struct file *f)
{
    f->ops = &overlay_dir_file_ops;
    overlay_node(inode)->dir_users++;
    return 0;
}
