/*
 * Random file system calls, the same for the same seed, with every result printed: run it natively in a
 * tmpfs and in the sandbox, and compare the two outputs. What may differ between two kernels (inode
 * numbers, times, fd numbers) is not printed, or only in order of appearance.
 *
 *   fuzz_files SEED COUNT     in an empty directory that it may fill
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FDS 8
static uint64_t g_state;
static int g_fds[FDS];
static ino_t g_inodes[4096];
static bool g_reserved[4096]; /* by inode_number: fallocate has been here */
static int g_inode_count;

static unsigned rnd(unsigned n)
{
    g_state = g_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(g_state >> 33) % n;
}

static const char *any_name(void)
{
    static const char *names[] = {"a",      "b", "c",   "d",   "d/a",      "d/b", "d/e",    "d/e/a",
                                  "d/e/f",  "l", "d/l", "l/a", "a/",       "d/",  "./a",    "d/..",
                                  "d/../a", ".", "..",  "",    "d//e/./a", "a/b", "d/e/..", "l/",
                                  "d/.",    "g", "g/a", "g/h", "fifo"};
    return names[rnd(sizeof(names) / sizeof(names[0]))];
}

static int any_fd(void)
{
    return rnd(12) == 0 ? -1 : g_fds[rnd(FDS)];
}

static int any_dirfd(void)
{
    return rnd(3) ? AT_FDCWD : any_fd();
}

static off_t any_offset(void)
{
    static const off_t offsets[] = {0, 1, 10, 100, 4095, 4096, 4097, 10000, 65536, -1, 200000};
    return offsets[rnd(sizeof(offsets) / sizeof(offsets[0]))];
}

static size_t any_size(void)
{
    static const size_t sizes[] = {0, 1, 5, 100, 4096, 5000, 20000};
    return sizes[rnd(sizeof(sizes) / sizeof(sizes[0]))];
}

static int inode_number(ino_t ino)
{
    for (int i = 0; i < g_inode_count; i++) {
        if (g_inodes[i] == ino) {
            return i;
        }
    }
    if (g_inode_count < 4096) {
        g_inodes[g_inode_count] = ino;
        return g_inode_count++;
    }
    return -1;
}

/* Whether this file has ever had room reserved; NULL for what is none. */
static bool *reserved_of(int fd)
{
    struct stat st;
    int number = fstat(fd, &st) == 0 ? inode_number(st.st_ino) : -1;
    return number >= 0 ? &g_reserved[number] : NULL;
}

static void result(const char *what, long r)
{
    if (r < 0) {
        printf("%s = %s\n", what, strerrorname_np(errno));
    } else {
        printf("%s = %ld\n", what, r);
    }
}

static void show_stat(const char *what, long r, const struct stat *st)
{
    result(what, r);
    if (r == 0) {
        printf("  mode %o nlink %lu uid %u gid %u size %ld ino #%d\n", st->st_mode,
               (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
               S_ISDIR(st->st_mode) ? 0 : (long)st->st_size, inode_number(st->st_ino));
    }
}

static uint32_t sum(const char *buf, size_t size)
{
    uint32_t s = 0;
    for (size_t i = 0; i < size; i++) {
        s = s * 31 + (unsigned char)buf[i];
    }
    return s;
}

static char g_buf[32768], g_what[512];
#define WHAT(...) snprintf(g_what, sizeof(g_what), __VA_ARGS__)

static void op_open(void)
{
    static const int flags[] = {O_RDONLY,
                                O_RDWR,
                                O_WRONLY,
                                O_RDWR | O_CREAT,
                                O_RDWR | O_CREAT | O_EXCL,
                                O_WRONLY | O_TRUNC,
                                O_RDWR | O_APPEND | O_CREAT,
                                O_RDONLY | O_DIRECTORY,
                                O_RDONLY | O_NOFOLLOW,
                                O_PATH,
                                O_PATH | O_NOFOLLOW,
                                O_RDWR | O_CREAT | O_TRUNC,
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                                O_RDONLY | O_TRUNC,
                                O_CREAT | O_DIRECTORY};
    int i = (int)rnd(FDS), f = flags[rnd(sizeof(flags) / sizeof(flags[0]))] | O_NONBLOCK;
    const char *name = any_name();
    int dirfd = any_dirfd();
    unsigned mode = rnd(2) ? 0644 : 0600;
    WHAT("%d: openat(%s, \"%s\", %#o)", i, dirfd == AT_FDCWD ? "cwd" : "fd", name, f);
    int fd = openat(dirfd, name, f, mode);
    result(g_what, fd < 0 ? -1 : 0);
    if (fd >= 0) {
        if (g_fds[i] >= 0) {
            close(g_fds[i]);
        }
        g_fds[i] = fd;
    }
}

static void op_close(void)
{
    int i = (int)rnd(FDS);
    result("close", close(g_fds[i]));
    g_fds[i] = -1;
}

static void op_read(void)
{
    size_t size = any_size();
    int fd = any_fd();
    ssize_t n;
    if (rnd(2)) {
        off_t off = any_offset();
        n = pread(fd, g_buf, size, off);
        WHAT("pread(%zu, %ld)", size, (long)off);
    } else {
        n = read(fd, g_buf, size);
        WHAT("read(%zu)", size);
    }
    result(g_what, n);
    if (n > 0) {
        printf("  sum %08x\n", sum(g_buf, (size_t)n));
    }
}

static void op_write(void)
{
    size_t size = any_size();
    int fd = any_fd();
    memset(g_buf, 'a' + (int)rnd(26), size);
    ssize_t n;
    if (rnd(2)) {
        off_t off = any_offset();
        n = pwrite(fd, g_buf, size, off);
        WHAT("pwrite(%zu, %ld)", size, (long)off);
    } else {
        n = write(fd, g_buf, size);
        WHAT("write(%zu)", size);
    }
    result(g_what, n);
}

static void op_seek(void)
{
    int whence = (int)rnd(5);
    off_t off = any_offset();
    int fd = any_fd();
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        return; /* positions in directories are the file system's */
    }
    if (whence >= SEEK_DATA && reserved_of(fd) && *reserved_of(fd)) {
        return; /* what is reserved, but not written, is a hole for some file systems only */
    }
    WHAT("lseek(%ld, %d)", (long)off, whence);
    result(g_what, lseek(fd, off, whence));
}

static void op_stat(void)
{
    struct stat st;
    const char *name = any_name();
    int flags = rnd(2) ? AT_SYMLINK_NOFOLLOW : 0, dirfd = any_dirfd();
    flags |= rnd(4) ? 0 : AT_EMPTY_PATH;
    WHAT("fstatat(\"%s\", %#x)", name, flags);
    if (strstr(name, "..") || (!*name && dirfd == AT_FDCWD)) {
        return; /* may lead out of the test's directory */
    }
    show_stat(g_what, fstatat(dirfd, name, &st, flags), &st);
}

static void op_fstat(void)
{
    struct stat st;
    show_stat("fstat", fstat(any_fd(), &st), &st);
}

static void op_truncate(void)
{
    off_t off = any_offset();
    const char *name = any_name();
    if (rnd(2)) {
        WHAT("ftruncate(%ld)", (long)off);
        result(g_what, ftruncate(any_fd(), off));
    } else {
        WHAT("truncate(\"%s\", %ld)", name, (long)off);
        result(g_what, truncate(name, off));
    }
}

static void op_dir(void)
{
    const char *name = any_name();
    int dirfd = any_dirfd();
    if (rnd(3)) {
        WHAT("mkdirat(\"%s\")", name);
        result(g_what, mkdirat(dirfd, name, 0755));
    } else {
        WHAT("rmdir(\"%s\")", name);
        result(g_what, unlinkat(dirfd, name, AT_REMOVEDIR));
    }
}

static void op_unlink(void)
{
    const char *name = any_name();
    WHAT("unlink(\"%s\")", name);
    result(g_what, unlinkat(any_dirfd(), name, 0));
}

static void op_rename(void)
{
    const char *from = any_name(), *to = any_name();
    unsigned flags = rnd(3) ? 0 : rnd(4);
    int d1 = any_dirfd(), d2 = any_dirfd();
    WHAT("renameat2(%s \"%s\", %s \"%s\", %u)", d1 == AT_FDCWD ? "cwd" : "fd", from,
         d2 == AT_FDCWD ? "cwd" : "fd", to, flags);
    result(g_what, renameat2(d1, from, d2, to, flags));
}

static void op_link(void)
{
    const char *from = any_name(), *to = any_name();
    int flags = rnd(2) ? AT_SYMLINK_FOLLOW : 0;
    WHAT("linkat(\"%s\", \"%s\", %#x)", from, to, flags);
    result(g_what, linkat(any_dirfd(), from, any_dirfd(), to, flags));
}

static void op_symlink(void)
{
    static const char *targets[] = {"a", "d",       "d/e", "../a",           ".",
                                    "l", "nowhere", "d/l", "/nonexistent/x", "g/"};
    const char *target = targets[rnd(sizeof(targets) / sizeof(targets[0]))], *name = any_name();
    WHAT("symlinkat(\"%s\", \"%s\")", target, name);
    result(g_what, symlinkat(target, any_dirfd(), name));
}

static void op_readlink(void)
{
    char buf[64];
    const char *name = any_name();
    ssize_t n = readlinkat(any_dirfd(), name, buf, rnd(2) ? sizeof(buf) : 3);
    WHAT("readlink(\"%s\")", name);
    result(g_what, n);
    if (n > 0) {
        printf("  %.*s\n", (int)n, buf);
    }
}

static void op_attr(void)
{
    const char *name = any_name();
    static const unsigned modes[] = {0644, 0600, 04755, 02755, 01777, 02644, 0, 0444};
    unsigned mode = modes[rnd(8)];
    if (strstr(name, "..")) {
        return;
    }
    switch (rnd(5)) {
    case 0:
        WHAT("chmod(\"%s\", %o)", name, mode);
        result(g_what, strcmp(name, ".") == 0 ? 0 : chmod(name, mode));
        break;
    case 1:
        WHAT("fchmod(%o)", mode);
        result(g_what, fchmod(any_fd(), mode));
        break;
    case 2:
        WHAT("lchown(\"%s\")", name);
        result(g_what, fchownat(AT_FDCWD, name, rnd(2) ? 7 : (uid_t)-1, rnd(2) ? 8 : (gid_t)-1,
                                AT_SYMLINK_NOFOLLOW));
        break;
    case 3:
        WHAT("access(\"%s\")", name);
        result(g_what, access(name, (int)rnd(8)));
        break;
    default: {
        struct timespec ts[2] = {{100, 5}, {200, 7}};
        ts[rnd(2)].tv_nsec = rnd(2) ? UTIME_OMIT : 9;
        struct stat st;
        WHAT("utimensat(\"%s\")", name);
        result(g_what, utimensat(AT_FDCWD, name, ts, AT_SYMLINK_NOFOLLOW));
        if (*name && lstat(name, &st) == 0 && st.st_mtime == 200) {
            printf("  mtime nsec %ld\n", st.st_mtim.tv_nsec);
        }
    }
    }
}

static void op_fallocate(void)
{
    static const int modes[] = {0, 1, 3, 2, 0x10, 0x11, 8};
    int mode = modes[rnd(7)];
    off_t off = any_offset(), len = any_offset();
    int fd = any_fd();
    if (mode & 0x18) {
        return; /* file systems differ in what they can */
    }
    WHAT("fallocate(%d, %ld, %ld)", mode, (long)off, (long)len);
    int r = fallocate(fd, mode, off, len);
    result(g_what, r);
    if (r == 0 && reserved_of(fd)) {
        *reserved_of(fd) = true;
    }
}

static void op_copy(void)
{
    int in = any_fd(), out = any_fd();
    off_t off = any_offset(), off2 = any_offset();
    size_t size = any_size();
    struct stat st, st2;
    if (rnd(2)) {
        int own = (int)rnd(2);
        if (fstat(in, &st) == 0 && fstat(out, &st2) == 0 && st.st_ino == st2.st_ino) {
            return; /* what overlaps is copied in an order that nobody promises */
        }
        WHAT("sendfile(%s, %zu)", own ? "own" : "off", size);
        result(g_what, sendfile(out, in, own ? NULL : &off, size));
        printf("  off %ld\n", (long)off);
    } else {
        WHAT("copy_file_range(%ld, %ld, %zu)", (long)off, (long)off2, size);
        result(g_what, copy_file_range(in, &off, out, &off2, size, 0));
        printf("  off %ld %ld\n", (long)off, (long)off2);
    }
}

static void op_dup(void)
{
    int i = (int)rnd(FDS), fd = dup(any_fd());
    result("dup", fd < 0 ? -1 : 0);
    if (fd >= 0) {
        close(g_fds[i]);
        g_fds[i] = fd;
    }
}

static void op_fcntl(void)
{
    int fd = any_fd();
    result("F_GETFL", fcntl(fd, F_GETFL));
    if (rnd(3) == 0) {
        result("F_SETFL", fcntl(fd, F_SETFL, rnd(2) ? O_APPEND | O_NONBLOCK : O_NONBLOCK));
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void op_list(void)
{
    const char *name = any_name();
    if (strstr(name, "..")) {
        return;
    }
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    WHAT("list \"%s\"", name);
    result(g_what, fd < 0 ? -1 : 0);
    if (fd < 0) {
        return;
    }
    char *names[256];
    int count = 0;
    long n;
    while ((n = syscall(SYS_getdents64, fd, g_buf, 256)) > 0) {
        for (long at = 0; at < n; at += *(uint16_t *)(g_buf + at + 16)) {
            if (count < 256) {
                char *s = NULL;
                if (asprintf(&s, "%s:%d", g_buf + at + 19, g_buf[at + 18]) > 0) {
                    names[count++] = s;
                }
            }
        }
    }
    qsort(names, (size_t)count, sizeof(names[0]), compare_names);
    for (int i = 0; i < count; i++) {
        printf("  %s\n", names[i]);
        free(names[i]);
    }
    close(fd);
}

static void op_map(void)
{
    static const int prots[] = {PROT_READ, PROT_READ | PROT_WRITE, PROT_WRITE};
    int fd = any_fd(), prot = prots[rnd(3)], flags = rnd(2) ? MAP_SHARED : MAP_PRIVATE;
    struct stat st;
    char *p = mmap(NULL, 4096, prot, flags, fd, 0);
    WHAT("mmap(%d, %d)", prot, flags);
    result(g_what, p == MAP_FAILED ? -1 : 0);
    if (p == MAP_FAILED) {
        return;
    }
    if (fstat(fd, &st) == 0 && st.st_size >= 4096) {
        if (prot & PROT_WRITE) {
            p[rnd(4096)] = 'M';
        }
        if (prot & PROT_READ) {
            printf("  sum %08x\n", sum(p, 4096));
        }
    }
    munmap(p, 4096);
}

static void op_xattr(void)
{
    const char *name = any_name();
    static const char *attrs[] = {"user.x", "user.y", "trusted.z", "bad", "user."};
    const char *attr = attrs[rnd(5)];
    if (strstr(name, "..")) {
        return;
    }
    switch (rnd(3)) {
    case 0:
        WHAT("lsetxattr(\"%s\", %s)", name, attr);
        result(g_what, lsetxattr(name, attr, "value", rnd(6), (int)rnd(3)));
        break;
    case 1:
        WHAT("lgetxattr(\"%s\", %s)", name, attr);
        result(g_what, lgetxattr(name, attr, g_buf, rnd(8)));
        break;
    default:
        WHAT("lremovexattr(\"%s\", %s)", name, attr);
        result(g_what, lremovexattr(name, attr));
    }
}

static void op_mknod(void)
{
    const char *name = any_name();
    static const mode_t types[] = {S_IFREG, S_IFIFO, 0, S_IFSOCK, S_IFDIR, S_IFLNK};
    mode_t type = types[rnd(6)];
    WHAT("mknod(\"%s\", %o)", name, type);
    result(g_what, mknodat(any_dirfd(), name, type | 0644, 0));
}

int main(int argc, char **argv)
{
    static void (*const ops[])(void) = {
        op_open,   op_open,   op_open, op_open,    op_close,    op_read, op_write,     op_write,
        op_seek,   op_stat,   op_stat, op_fstat,   op_truncate, op_dir,  op_dir,       op_unlink,
        op_rename, op_rename, op_link, op_symlink, op_readlink, op_attr, op_fallocate, op_copy,
        op_dup,    op_fcntl,  op_list, op_map,     op_xattr,    op_mknod};
    if (argc != 3) {
        fprintf(stderr, "usage: fuzz_files SEED COUNT\n");
        return 2;
    }
    g_state = strtoull(argv[1], NULL, 0) * 2654435761u + 1;
    umask(022);
    for (int i = 0; i < FDS; i++) {
        g_fds[i] = -1;
    }
    for (long n = strtol(argv[2], NULL, 0); n > 0; n--) {
        ops[rnd(sizeof(ops) / sizeof(ops[0]))]();
    }
    return 0;
}
