/*
 * A program's own code, written to a file, to a pipe and read by process_vm_readv, is what its file says, whatever the
 * kernel does to system calls that are made often.
 */
#include "tests/compat/compat.h"

#include <link.h>
#include <sys/uio.h>
#include <time.h>

static char g_path[PATH_MAX];
static char *g_text;
static size_t g_size;
static off_t g_offset;

static int find_libc(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (!strstr(info->dlpi_name, "libc.so")) {
        return 0;
    }
    snprintf(g_path, sizeof(g_path), "%s", info->dlpi_name);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && p->p_flags & PF_X) {
            g_text = (char *)(info->dlpi_addr + p->p_vaddr);
            g_size = p->p_filesz;
            g_offset = (off_t)p->p_offset;
        }
    }
    return 1;
}

static void make_calls(void)
{
    struct stat st;
    char c;
    int p[2];
    CHECK(pipe(p) == 0);
    for (int i = 0; i < 40; i++) {
        struct timespec none = {0, 1};
        getppid();
        getuid();
        umask(022);
        stat("/", &st);
        fstat(p[0], &st);
        write(p[1], "x", 1);
        read(p[0], &c, 1);
        nanosleep(&none, NULL);
        access("/", F_OK);
        close(dup(p[0]));
    }
}

static void compare(const char *what, const char *got, const char *want)
{
    for (size_t i = 0; i < g_size; i++) {
        if (got[i] != want[i]) {
            fprintf(stderr, "%s: byte %zu of the text is %02x, not %02x\n", what, i, got[i] & 0xff,
                    want[i] & 0xff);
            exit(1);
        }
    }
}

int main(void)
{
    compat_tmpdir();
    dl_iterate_phdr(find_libc, NULL);
    if (!g_text) {
        SKIP("no libc.so in this process");
    }
    make_calls();
    char *want = malloc(g_size), *got = malloc(g_size);
    int fd = open(g_path, O_RDONLY);
    CHECK(fd >= 0 && pread(fd, want, g_size, g_offset) == (ssize_t)g_size);

    int out = open("out", O_RDWR | O_CREAT, 0600);
    CHECK(write(out, g_text, g_size) == (ssize_t)g_size);
    CHECK(pread(out, got, g_size, 0) == (ssize_t)g_size);
    compare("write, all at once", got, want);
    CHECK(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0);
    for (size_t at = 0; at < g_size; at += 4000) {
        size_t n = g_size - at < 4000 ? g_size - at : 4000;
        CHECK(write(out, g_text + at, n) == (ssize_t)n);
    }
    CHECK(pread(out, got, g_size, 0) == (ssize_t)g_size);
    compare("write, piece by piece", got, want);

    int p[2];
    CHECK(pipe(p) == 0);
    for (size_t at = 0; at < g_size; at += 4096) {
        size_t n = g_size - at < 4096 ? g_size - at : 4096;
        CHECK(write(p[1], g_text + at, n) == (ssize_t)n && read(p[0], got + at, n) == (ssize_t)n);
    }
    compare("pipe", got, want);

    struct iovec local = {got, g_size}, remote = {g_text, g_size};
    CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), g_size);
    compare("process_vm_readv", got, want);

    /* A child has the same code. */
    int status, go_on[2];
    CHECK_EQ(pipe(go_on), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char c;
        CHECK(pwrite(out, g_text, g_size, 0) == (ssize_t)g_size);
        CHECK_EQ(write(p[1], "x", 1), 1);
        CHECK_EQ(read(go_on[0], &c, 1), 1);
        _exit(0);
    }
    CHECK_EQ(read(p[0], got, 1), 1);
    CHECK_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), g_size);
    compare("process_vm_readv of a child", got, want);
    CHECK_EQ(write(go_on[1], "x", 1), 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(pread(out, got, g_size, 0) == (ssize_t)g_size);
    compare("a child's write", got, want);
    return 0;
}
