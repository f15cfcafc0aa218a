/*
 * Names that the sentry looked up before (platform/names_page.h): stat and its like of a path, and readlink of what is no link,
 * answered from what was kept; and open, of what the sentry has opened already (sentry/task/lease_open.c).
 *
 * Nothing is locked. An entry is read between two looks at its sequence number; then the stamps that it depends on
 * say whether it still holds. A change that was finished before this call began has its stamp by then, and of one
 * that runs at the same time either side may be seen, as natively. Whatever is unusual is the sentry's.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define ENOENT_              2
#define EINVAL_              22
#define FORMAT_MASK          0170000U
#define FORMAT_LINK          0120000U
#define AT_FDCWD_            0xffffff9cU
#define AT_SYMLINK_NOFOLLOW_ 0x100U
#define AT_NO_AUTOMOUNT_     0x800U
#define O_NOFOLLOW_          0400000U
#define STATX_SYNC_TYPE_     0x6000U
#define STATX_BASIC_STATS_   0x7ffU
#define STATX_BTIME_         0x800U
#define STATX_MNT_ID_        0x1000U
#define STATX_RESERVED_      0x80000000U
#define STATX_MOUNT_ROOT_    0x2000U

struct query {
    uint64_t words[NAME_WORDS];
    unsigned count; /* of them */
    uint32_t dirfd, hash;
    uint8_t class;
};

/* Linux's. */
struct stat_out {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev, size, blksize, blocks;
    uint64_t times[3][2];
    uint64_t unused[3];
};
_Static_assert(sizeof(struct stat_out) == 144, "struct stat");
struct statx_out {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad1;
    uint64_t ino, size, blocks, attributes_mask;
    struct {
        int64_t seconds;
        uint32_t nanoseconds, pad;
    } times[4]; /* atime, btime, ctime, mtime */
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mount_id, pad2[13];
};
_Static_assert(sizeof(struct statx_out) == 256, "struct statx");

/*
 * A string, padded with zeroes. It is read in whole words, so one that ends less than a word before memory that can't be read
 * is left to the sentry. Return: words, 0 when it is too long or can't be read.
 */
unsigned stub_take_string(uint64_t addr, uint64_t *words, unsigned max)
{
    for (unsigned i = 0; i < max; i++) {
        uint64_t word;
        if (guarded_copy8(&word, (const void *)(addr + 8UL * i)) != 0) {
            return 0;
        }
        uint64_t end = zero_bytes(word);
        if (end) { /* the lowest bit is exact: keep what is below that byte */
            words[i] = word & (((end & -end) >> 7) - 1);
            return i + 1;
        }
        words[i] = word;
    }
    return 0;
}

static int take_query(struct query *q, uint64_t dirfd, uint64_t path, uint8_t class)
{
    q->count = stub_take_string(path, q->words, NAME_WORDS);
    q->class = class;
    uint8_t first = (uint8_t)q->words[0];
    q->dirfd = first == '/' ? AT_FDCWD_ : stub_directory_key((uint32_t)dirfd);
    if (q->count == 0 || first == 0) {
        return 0;
    }
    q->hash = platform_name_hash(q->words, q->count, q->dirfd);
    return 1;
}

static int is_asked_for(const volatile struct platform_name *n, const struct query *q)
{
    if (n->hash != q->hash || n->dirfd != q->dirfd || !(n->classes & q->class)) {
        return 0;
    }
    for (unsigned i = 0; i < q->count; i++) {
        if (n->path[i] != q->words[i]) {
            return 0;
        }
    }
    return 1;
}

/*
 * n's file, or one that shares its mark, was read here, which the sentry has not been told. If it was read as what this name opens, that
 * one's attributes have the time. Return: n is right.
 */
static int add_touch(struct platform_name *n, uint32_t hash)
{
    const struct platform_lease *l = &lease_page()->leases[(n->open - 1U) % LEASE_MAX];
    const struct stat_out *s = (const void *)l->stat;
    if (n->open - 1U >= LEASE_MAX || l->name_hash != hash || !l->stat_valid || s->ino != n->ino ||
        s->dev != n->dev) {
        return 0;
    }
    if (l->accessed) {
        n->seconds[0] = (int64_t)s->times[0][0];
        n->nanoseconds[0] = (uint32_t)s->times[0][1];
    }
    return 1;
}

/* Return: out has what was kept about the name, all but the path. */
static int find_name(const struct query *q, struct platform_name *out)
{
    struct platform_names *names = &lease_page()->names;
    uint32_t sets = *(volatile uint32_t *)&names->sets;
    if (sets == 0 || sets > NAME_SETS_MAX || stub_fd_was_closed(q->dirfd)) {
        return 0;
    }
    for (unsigned way = 0; way < NAME_WAYS; way++) {
        struct platform_name *n = &names->kept[platform_name_set(q->hash, sets)][way];
        uint32_t seq = __atomic_load_n(&n->seq, __ATOMIC_ACQUIRE);
        if (seq & 1 || !is_asked_for(n, q)) {
            continue;
        }
        for (unsigned i = 0; i < offsetof(struct platform_name, path) / 8; i++) {
            ((uint64_t *)out)[i] = ((const volatile uint64_t *)n)[i];
        }
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (*(const volatile uint32_t *)&n->seq != seq) {
            continue;
        }
        uint32_t bit = platform_touched_bit(out->ino);
        if (word_load(&names->touched[bit / 64]) >> bit % 64 & 1 && !(out->flags & NAME_ABSENT) &&
            !add_touch(out, q->hash)) {
            return 0;
        }
        if (stub_stamps_hold(out->since, out->deps, NAME_DEPS)) { /* read after the entry's words */
            if (out->flags & NAME_AHEAD) {
                names->ahead_uses++; /* threads may lose one: it is a hint */
            }
            if (out->flags & NAME_FIRST) {
                uint64_t slot = (uint64_t)(n - names->kept[0]);
                names->used[slot / 64] |= 1UL << slot % 64;
            }
            return 1;
        }
    }
    return 0;
}

/* Nobody else takes or frees an fd meanwhile (page->open_limit says so). */
static long claim(const struct platform_name *n, uint32_t hash, uint32_t flags, uint64_t fd)
{
    struct platform_lease_page *page = lease_page();
    struct platform_lease *l = &page->leases[n->open - 1];
    const struct stat_out *s = (const void *)l->stat;
    uint64_t word = word_load(&l->position);
    if ((word & (LEASE_VALID | LEASE_CLOSED | LEASE_READY)) != LEASE_READY ||
        l->name_hash != hash || !l->stat_valid || s->ino != n->ino || s->dev != n->dev) {
        return NOT_OURS; /* it was for another name, that was pushed out */
    }
    l->opened = (uint32_t)fd | flags;
    process_facts()->fds[fd] = 0;
    __atomic_store_n(&page->lease_of[fd], n->open, __ATOMIC_SEQ_CST);
    if (!word_replace(&l->position, word, LEASE_VALID | LEASE_OPENED | lease_next(word))) {
        __atomic_store_n(&page->lease_of[fd], 0, __ATOMIC_SEQ_CST);
        return NOT_OURS;
    }
    __atomic_fetch_and(&page->free_fds, ~(1UL << fd), __ATOMIC_SEQ_CST);
    page->names.ahead_opens += !(n->flags & NAME_FIRST);
    __atomic_fetch_or(&page->closes, 1UL << (n->open - 1), __ATOMIC_SEQ_CST);
    return (long)fd;
}

static long open_name(uint64_t dirfd, uint64_t path, uint32_t flags)
{
    uint64_t fd = stub_free_fd();
    struct query q;
    struct platform_name n;
    if (fd >= LEASE_OPEN_FDS || flags & ~LEASE_OPEN_FLAGS ||
        !take_query(&q, dirfd, path, flags & O_NOFOLLOW_ ? NAME_NOFOLLOW : NAME_FOLLOW) ||
        !find_name(&q, &n)) {
        return NOT_OURS;
    }
    if (n.flags & NAME_ABSENT) {
        return -ENOENT_; /* behind EMFILE, as natively: there is an fd free */
    }
    return n.open - 1U < LEASE_MAX ? claim(&n, q.hash, flags, fd) : NOT_OURS;
}

static long stat_name(const struct query *q, uint64_t to)
{
    struct platform_name n;
    if (!find_name(q, &n)) {
        return NOT_OURS;
    }
    if (n.flags & NAME_ABSENT) {
        return -ENOENT_;
    }
    struct stat_out s = {.dev = n.dev,
                         .ino = n.ino,
                         .nlink = n.nlink,
                         .mode = n.mode,
                         .uid = n.uid,
                         .gid = n.gid,
                         .size = n.size,
                         .blksize = n.blksize,
                         .blocks = n.blocks};
    for (int i = 0; i < 3; i++) {
        s.times[i][0] = (uint64_t)n.seconds[i];
        s.times[i][1] = n.nanoseconds[i];
    }
    return guarded_copy((void *)to, &s, sizeof(s)) == 0 ? 0 : NOT_OURS;
}

static uint32_t dev_major(uint64_t dev)
{
    return (uint32_t)(dev >> 8 & 0xfff) | (uint32_t)(dev >> 32 & ~0xfffUL);
}

static uint32_t dev_minor(uint64_t dev)
{
    return (uint32_t)(dev & 0xff) | (uint32_t)(dev >> 12 & ~0xffUL);
}

static long statx_name(const struct query *q, uint64_t to)
{
    static const uint8_t order[4] = {0, 3, 2, 1};
    struct platform_name n;
    if (!find_name(q, &n)) {
        return NOT_OURS;
    }
    if (n.flags & NAME_ABSENT) {
        return -ENOENT_;
    }
    int btime = n.flags & NAME_HAS_BTIME;
    struct statx_out s = {.mask = STATX_BASIC_STATS_ | STATX_MNT_ID_ | (btime ? STATX_BTIME_ : 0),
                          .blksize = n.blksize,
                          .attributes = n.flags & NAME_MOUNT_ROOT ? STATX_MOUNT_ROOT_ : 0,
                          .attributes_mask = STATX_MOUNT_ROOT_,
                          .nlink = n.nlink,
                          .uid = n.uid,
                          .gid = n.gid,
                          .mode = (uint16_t)n.mode,
                          .ino = n.ino,
                          .size = n.size,
                          .blocks = n.blocks,
                          .dev_major = dev_major(n.dev),
                          .dev_minor = dev_minor(n.dev),
                          .mount_id = n.mount_id};
    for (int i = 0; i < 4; i++) {
        if (i != 1 || btime) {
            s.times[i].seconds = n.seconds[order[i]];
            s.times[i].nanoseconds = n.nanoseconds[order[i]];
        }
    }
    return guarded_copy((void *)to, &s, sizeof(s)) == 0 ? 0 : NOT_OURS;
}

/* access(2): granted or absent; a refusal has reasons that the sentry knows. */
static long access_name(const struct query *q, uint64_t mode)
{
    struct platform_name n;
    if (mode > 7 || !find_name(q, &n) || !(n.flags & NAME_ACCESS)) {
        return NOT_OURS;
    }
    return n.flags & NAME_ABSENT ? -ENOENT_ : mode & ~(uint64_t)n.may ? NOT_OURS : 0;
}

/* Attributes that "ls -l" asks for and hardly a file has. */
static long xattr_name(const struct query *q, uint64_t attribute)
{
    static const char label[] = "security.selinux", acl[] = "system.posix_acl_access",
                      default_acl[] = "system.posix_acl_default";
    struct platform_name n;
    union {
        uint64_t words[4];
        char text[32];
    } a = {.words = {0}};
    if (!stub_take_string(attribute, a.words, 4) || !find_name(q, &n) || n.flags & NAME_ABSENT) {
        return NOT_OURS;
    }
    int is_label = 1, is_acl = 1, is_default = 1;
    for (unsigned i = 0; i < sizeof(default_acl); i++) {
        is_label &= i >= sizeof(label) || a.text[i] == label[i];
        is_acl &= i >= sizeof(acl) || a.text[i] == acl[i];
        is_default &= a.text[i] == default_acl[i];
    }
    long error = is_label ? n.no_label : is_acl || is_default ? n.no_acl : 0;
    return error ? -error : NOT_OURS;
}

/*
 * readlink: absent, or no link. A compiler asks so for each directory above each header. What a link says is the sentry's
 * to tell, and what is wrong with a buffer of no size.
 */
static long readlink_name(const struct query *q, uint64_t size)
{
    struct platform_name n;
    if ((int32_t)size <= 0 || !find_name(q, &n)) {
        return NOT_OURS;
    }
    return n.flags & NAME_ABSENT                   ? -ENOENT_
           : (n.mode & FORMAT_MASK) == FORMAT_LINK ? NOT_OURS
                                                   : -EINVAL_;
}

long stub_name(struct area *area, uint64_t nr)
{
    const uint64_t *a = area->args;
    struct query q;
    uint32_t flags;
    switch (nr) {
    case __NR_open:
        return open_name(AT_FDCWD_, a[0], (uint32_t)a[1]);
    case __NR_openat:
        return open_name(a[0], a[1], (uint32_t)a[2]);
    case __NR_stat:
    case __NR_lstat:
        return take_query(&q, AT_FDCWD_, a[0], nr == __NR_stat ? NAME_FOLLOW : NAME_NOFOLLOW)
                   ? stat_name(&q, a[1])
                   : NOT_OURS;
    case __NR_newfstatat:
        flags = (uint32_t)a[3] & ~AT_NO_AUTOMOUNT_;
        return (flags == 0 || flags == AT_SYMLINK_NOFOLLOW_) &&
                       take_query(&q, a[0], a[1], flags ? NAME_NOFOLLOW : NAME_FOLLOW)
                   ? stat_name(&q, a[2])
                   : NOT_OURS;
    case __NR_statx:
        flags = (uint32_t)a[2] & ~(AT_NO_AUTOMOUNT_ | STATX_SYNC_TYPE_);
        return (flags == 0 || flags == AT_SYMLINK_NOFOLLOW_) && !(a[3] & STATX_RESERVED_) &&
                       ((uint32_t)a[2] & STATX_SYNC_TYPE_) != STATX_SYNC_TYPE_ &&
                       take_query(&q, a[0], a[1], flags ? NAME_NOFOLLOW : NAME_FOLLOW)
                   ? statx_name(&q, a[4])
                   : NOT_OURS;
    case __NR_access:
        return take_query(&q, AT_FDCWD_, a[0], NAME_FOLLOW) ? access_name(&q, (uint32_t)a[1])
                                                            : NOT_OURS;
    case __NR_faccessat:
        return take_query(&q, a[0], a[1], NAME_FOLLOW) ? access_name(&q, (uint32_t)a[2]) : NOT_OURS;
    case __NR_readlink:
        return take_query(&q, AT_FDCWD_, a[0], NAME_NOFOLLOW) ? readlink_name(&q, a[2]) : NOT_OURS;
    case __NR_readlinkat:
        return take_query(&q, a[0], a[1], NAME_NOFOLLOW) ? readlink_name(&q, a[3]) : NOT_OURS;
    case __NR_getxattr:
    case __NR_lgetxattr:
        return take_query(&q, AT_FDCWD_, a[0], nr == __NR_getxattr ? NAME_FOLLOW : NAME_NOFOLLOW)
                   ? xattr_name(&q, a[1])
                   : NOT_OURS;
    default:
        return NOT_OURS;
    }
}
