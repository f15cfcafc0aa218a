/*
 * Leased files: bytes of open files lie in the stub, where the guest can read and write them without asking, and their
 * sizes and positions in a page that is the guest's to write. What must happen: nobody keeps what Linux takes
 * away with an fd or a seal; a read-only file stays as it is; lies about sizes are cut to what a system call
 * could have done.
 */
#include "tests/escape/forge.h"

#include <setjmp.h>
#include <sys/file.h>

#define FILE_SIZE 8192
static struct platform_lease_page *page(void)
{
    return (struct platform_lease_page *)LEASE_PAGE;
}

/* Uses fd until it is leased. Return: the lease's index; -1: it is not. */
static int make_leased(int fd, bool write)
{
    char block[4096];
    memset(block, 'L',
           sizeof(block)); /* a forged page may make a read say anything, and do nothing */
    for (int i = 0; i < 40; i++) {
        if (pread(fd, block, sizeof(block), 0) < 0 ||
            (write && pwrite(fd, block, sizeof(block), 0) != sizeof(block))) {
            return -1;
        }
        if (page()->lease_of[fd]) {
            return page()->lease_of[fd] - 1;
        }
    }
    return -1;
}

/* --- memory that may not be there --- */
static sigjmp_buf g_fault;
static void on_fault(int sig)
{
    siglongjmp(g_fault, sig);
}
static void catch_faults(void)
{
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
}
static bool can_read(int index, const char *content, size_t size)
{
    const char *at = (const char *)lease_addr((unsigned)index);
    return sigsetjmp(g_fault, 1) == 0 && memcmp(at, content, size) == 0;
}
static bool can_write(int index, char byte)
{
    volatile char *at = (volatile char *)lease_addr((unsigned)index);
    if (sigsetjmp(g_fault, 1) == 0) {
        *at = byte;
        return true;
    }
    return false;
}

static int new_file(const char *path, mode_t mode, char fill)
{
    char block[FILE_SIZE];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, mode);
    memset(block, fill, sizeof(block));
    if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block)) {
        BREACH("%s can't be made, so this attack is none", path);
    }
    return fd;
}
/* Linux: a file that is sealed against writing has no writable mapping, and gets none. */
static void sealed(void)
{
    char byte = 0;
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    catch_faults();
    ftruncate(fd, FILE_SIZE);
    int index = make_leased(fd, true);
    if (index < 0) {
        NOTE("not leased\n");
        return;
    }
    int r = fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    bool written = can_write(index, 'W');
    pread(fd, &byte, 1, 0);
    NOTE("sealing gave %d; written: %d\n", r, written);
    if (r == 0 && byte == 'W') {
        BREACH("a sealed file was written");
    }
}

/* What the process shared with a child it has for itself then. */
static void own_files(void)
{
    int status;
    long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        pause();
    }
    if (pid < 0 || unshare(CLONE_FILES) < 0) {
        BREACH("descriptors can't be unshared, so this attack is none");
    }
    kill((pid_t)pid, SIGKILL);
    waitpid((pid_t)pid, &status, 0);
}

/* A process that gives up its rights, and has closed the file, has lost it. */
static void dropped(bool write, bool close_first, bool unshares)
{
    char content[64];
    catch_faults();
    int fd = new_file("/tmp/roots", 0600, 'R');
    memset(content, 'R', sizeof(content));
    if (!write) {
        close(fd);
        fd = open("/tmp/roots", O_RDONLY);
    }
    int index = make_leased(fd, write);
    if (index < 0) {
        NOTE("not leased\n");
        return;
    }
    if (!can_read(index, content, sizeof(content))) {
        BREACH("what is leased can't be read, so this attack is none");
    }
    if (unshares) {
        own_files();
    }
    if (close_first) {
        close(fd);
        become_ordinary();
    } else {
        become_ordinary();
        close(fd);
    }
    if (open("/tmp/roots", O_RDONLY) >= 0) {
        BREACH("it can still be opened");
    }
    bool seen = can_read(index, content, sizeof(content)), written = can_write(index, 'W');
    if (close_first && (seen || written)) {
        BREACH("root's file, closed before root became an ordinary user, can still be %s",
               written ? "written" : "read");
    }
}
static void in_child(void (*fn)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}
static void drop_1(void)
{
    dropped(true, true, false);
}
static void drop_2(void)
{
    dropped(false, true, false);
}
static void drop_3(void)
{
    dropped(true, false, false);
}
static void drop_4(void)
{
    dropped(true, true, true);
}
static void drop_5(void)
{
    dropped(false, true, true);
}
static void rights_given_up(void)
{
    if (getuid() == 0) {
        in_child(drop_1);
        in_child(drop_2);
        in_child(drop_3);
        in_child(drop_4);
        in_child(drop_5);
    }
}

/* After exec and fork nothing of it is there. */
static void not_inherited(void)
{
    char content[64];
    int status;
    catch_faults();
    memset(content, 'F', sizeof(content));
    int fd = new_file("/tmp/parents", 0600, 'F'), index = make_leased(fd, true);
    if (index < 0) {
        NOTE("not leased\n");
        return;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    pid_t pid = fork();
    if (pid == 0) {
        close(fd);
        if (getuid() == 0) {
            become_ordinary();
        }
        _exit(can_read(index, content, sizeof(content)) || can_write(index, 'W') ? BREACH_STATUS
                                                                                 : 0);
    }
    waitpid(pid, &status, 0);
    if (status) {
        BREACH("a child has its parent's lease");
    }
}

/* One thread gets leases, while another forks: what the host maps for the first is not the child's. */
static void *leaser(void *arg)
{
    char name[40];
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof(name), "/tmp/roots-%u", i % 100);
        int fd = new_file(name, 0600, 'R');
        if (make_leased(fd, true) >= 0) {
            __atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_SEQ_CST);
        }
        close(fd);
    }
    return arg;
}
static void has_any(void)
{
    catch_faults();
    for (int fd = 3; fd < 64; fd++) {
        close(fd);
    }
    if (getuid() == 0) {
        become_ordinary();
    }
    for (volatile int i = 0; i < LEASE_MAX; i++) {
        if (can_read(i, "R", 1) || can_write(i, 'W')) {
            BREACH(
                "a child has a file that another thread of its parent was given while it forked");
        }
    }
}
/* Forks, with fn in each child, while a thread counts what it gets. */
static void fork_beside(void *(*thread)(void *), void (*fn)(void))
{
    pthread_t t;
    static unsigned got;
    int forks = 0;
    pthread_create(&t, NULL, thread, &got);
    for (double end = now() + 1; now() < end; forks++) {
        in_child(fn);
    }
    NOTE("%d forks, the other thread got %u\n", forks, got);
}
static void forked_meanwhile(void)
{
    fork_beside(leaser, has_any);
}

/* One thread maps a file that only root may read, for which it is lent the host's descriptor, while another forks. */
static void *mapper(void *arg)
{
    for (;;) {
        int fd = open("private", O_RDONLY);
        void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p != MAP_FAILED) {
            __atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_SEQ_CST);
            munmap(p, 4096);
        }
        close(fd);
    }
    return arg;
}
static void has_lent_file(void)
{
    for (uint64_t fd = STUB_FD_GIVEN; fd < STUB_FD_GIVEN + 64; fd++) {
        long at = GATE(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at >= 0 || at < -4095) {
            BREACH("a child has the descriptor that another thread of its parent was lent");
        }
    }
}
static void forked_while_lent(void)
{
    fork_beside(mapper, has_lent_file);
}

/* The page's words, while the kernel takes them over: another process looks at the file all the time. */
static volatile bool g_stop;
static int g_index;
static void *liar(void *arg)
{
    struct platform_lease *l = &page()->leases[g_index];
    static const uint64_t odd[] = {0,
                                   1,
                                   ~0UL,
                                   1UL << 63,
                                   LEASE_BYTES_MAX,
                                   LEASE_BYTES_MAX + 1,
                                   LEASE_VALID | LEASE_POSITION,
                                   1UL << 40,
                                   LEASE_NO_SIZE - 1,
                                   4097};
    for (unsigned i = 0; !g_stop; i++) {
        uint64_t v = odd[rnd() % 10];
        switch (rnd() % 6) {
        case 0:
            l->position = v | (rnd() & 1 ? LEASE_VALID : 0);
            break;
        case 1:
            l->size = v;
            break;
        case 2:
            l->capacity = v;
            break;
        case 3:
            l->written_at = v;
            break;
        case 4:
            l->flags = (uint32_t)v;
            break;
        default:
            memset(l->stat, (int)v, sizeof(l->stat));
            l->stat_valid = 1;
        }
        if (i % 16 == 0) {
            page()->lease_of[rnd() % LEASE_FD_MAX] = (uint8_t)rnd();
        }
    }
    return arg;
}
static void forged_page(void)
{
    pthread_t t;
    char buf[4096];
    int fd = new_file("/tmp/liars", 0644, 'L'), worst = 0;
    g_index = make_leased(fd, true);
    if (g_index < 0) {
        NOTE("not leased\n");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) { /* what others see: sizes that the file can have, and bytes that were written */
        for (double end = now() + 1; now() < end;) {
            struct stat st;
            int other = open("/tmp/liars", O_RDONLY);
            if (fstat(other, &st) == 0 && (st.st_size < 0 || st.st_size > 1L << 48)) {
                BREACH("a size of %ld", (long)st.st_size);
            }
            ssize_t n = pread(other, buf, sizeof(buf), (off_t)(rnd() % LEASE_BYTES_MAX));
            for (ssize_t i = 0; i < n; i++) {
                if (buf[i] && buf[i] != 'L') {
                    BREACH("a byte that nobody wrote: %#x", buf[i]);
                }
            }
            close(other);
        }
        _exit(0);
    }
    pid_t spoiled = fork();
    if (spoiled == 0) {
        fd = open("/tmp/liars", O_RDWR);
        memset(buf, 'L', sizeof(buf));
        for (double end = now() + 1; now() < end;) {
            g_index = make_leased(fd, true);
            if (g_index >= 0) {
                pthread_create(&t, NULL, liar, NULL);
                for (int i = 0; i < 50; i++) {
                    struct stat st;
                    pread(fd, buf, 1, 0);
                    lseek(fd, 0, SEEK_END);
                    write(fd, "LLLL", 4);
                    stat("/tmp/liars", &st); /* takes it back */
                }
                g_stop = true;
                pthread_join(t, NULL);
                g_stop = false;
            }
            ftruncate(fd, FILE_SIZE);
        }
        _exit(0);
    }
    waitpid(pid, &worst, 0);
    kill(spoiled, SIGKILL);
    waitpid(spoiled, NULL, 0);
    if (WIFEXITED(worst) && WEXITSTATUS(worst) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}

/* A file that is only open for reading: whatever the page says. */
static void write_what_is_read(void)
{
    static const char *const paths[] = {"/proc/self/exe", "/tmp/readable-too", "/etc/passwd"};
    catch_faults();
    for (int i = 0; i < 3; i++) {
        char before = first_byte(paths[i]);
        int fd = open(paths[i], O_RDONLY), index = fd < 0 ? -1 : make_leased(fd, false);
        if (index < 0) {
            NOTE("%s: not leased\n", paths[i]);
            continue;
        }
        struct platform_lease *l = &page()->leases[index];
        l->flags |= LEASE_WRITE | LEASE_APPEND;
        l->capacity = LEASE_BYTES_MAX;
        if (pwrite(fd, "W", 1, 0) == 1 || can_write(index, 'W') || write(fd, "W", 1) == 1) {
            BREACH("%s was written", paths[i]);
        }
        l->size = 1;
        l->written_at = 1;
        struct stat st;
        if (stat(paths[i], &st) < 0 || st.st_size < 5 || time(NULL) - st.st_mtime < -1) {
            BREACH("%s: its size is %ld", paths[i], (long)st.st_size);
        }
        uint64_t at = lease_addr((unsigned)index);
        GATE_MUST_FAIL(SYS_mprotect, at, 4096, 3);
        GATE_MUST_FAIL(SYS_mremap, at, 4096, 4096, 3, 0x10000000);
        GATE_MUST_FAIL(SYS_madvise, at, 4096, MADV_DOFORK);
        GATE_MUST_FAIL(SYS_madvise, at, 4096, MADV_REMOVE);
        if (first_byte(paths[i]) != before) {
            BREACH("%s was changed", paths[i]);
        }
        close(fd);
    }
}

/* The order to map one is carried out otherwise: another place, more rights, another time. */
static void altered_map(void)
{
    struct chan *c = my_channel();
    int fd = open("/tmp/readable-too", O_RDONLY);
    for (int i = 0; i < 20; i++) {
        int order = CONVERSE(SYS_fstat, (uint64_t)fd, (uint64_t)g_report);
        if (order != ORDER_MEM_LIST) {
            continue;
        }
        struct stub_mem_call m = *(struct stub_mem_call *)((char *)c + WINDOW_OFFSET);
        const uint64_t *a = m.args;
        for (unsigned k = 0; k < 6; k++) {
            for (unsigned bit = 0; bit < 64; bit++) {
                uint64_t b[6] = {a[0], a[1], a[2], a[3], a[4], a[5]};
                b[k] ^= 1UL << bit;
                if (STUB_FD_IS_MAPPABLE(b[4])) {
                    continue;
                }
                must_be_refused(gate(0, m.nr, b[0], b[1], b[2], b[3], b[4], b[5]),
                                (long)(k << 8 | bit));
            }
        }
        must_be_refused(gate(0, m.nr, STUB_RO, a[1], a[2], a[3], a[4], a[5]), -1);
        g_report->control = gate(0, m.nr, a[0], a[1], a[2], a[3], a[4], a[5]) > 0;
        must_be_refused(GATE(SYS_mprotect, a[0], 4096, 3), -2);
        CONVERSE(STUB_REQ_RESULT, 0);
        must_be_refused(gate(0, m.nr, a[0], a[1], a[2], a[3], a[4], a[5]), -3);
        return;
    }
}
static void other_map(void)
{
    report_new();
    lawless(altered_map, 5);
    if (!g_report->control) {
        NOTE("not leased\n");
        return;
    }
    verdict("the mapping of a leased file");
}

/* While one thread is told to map a file for its lease, another closes it, and opens others with its number. */
static volatile int g_closed, g_close;
static void *closer(void *arg)
{
    int fd = (int)(intptr_t)arg;
    while (!g_close) {
        __builtin_ia32_pause();
    }
    close(fd);
    if (g_variant & 1) {
        dup2(open("/tmp/readable-too", O_RDONLY), fd);
    }
    g_closed = 1;
    for (;;) {
        usleep(1000);
    }
    return arg;
}
static void close_in_between(void)
{
    pthread_t t;
    char block[64];
    struct chan *c = my_channel();
    int fd = new_file("/tmp/closed", 0600, 'C');
    if (g_variant & 2) {
        dup(fd); /* so that the file itself stays open */
    }
    pthread_create(&t, NULL, closer, (void *)(intptr_t)fd);
    usleep(1000);
    for (int i = 0; i < 20; i++) {
        int order = CONVERSE(SYS_pread64, (uint64_t)fd, (uint64_t)block, sizeof(block), 0);
        if (order != ORDER_MEM_LIST) {
            continue;
        }
        struct stub_mem_call *list = (struct stub_mem_call *)((char *)c + WINDOW_OFFSET), m[2];
        memcpy(m, list, sizeof(m));
        g_close = 1;
        while (!g_closed) {
            __builtin_ia32_pause();
        }
        const uint64_t *a = m[0].args;
        gate(0, m[0].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        g_report->control++;
        CONVERSE(STUB_REQ_RESULT, 0);
        break;
    }
    for (int i = 0; i < 50; i++) { /* whatever was freed is used again */
        struct stat st;
        int other = open("/tmp/closed-too", O_RDWR | O_CREAT, 0600);
        pwrite(other, block, sizeof(block), 0);
        stat("/tmp/closed", &st);
        close(open("/tmp/closed", O_RDWR));
        close(other);
    }
    unlink("/tmp/closed");
    if (page()->lease_of[fd]) {
        g_report->got++; /* another file, or none, has this number now */
    }
}
static void closed_in_between(void)
{
    report_new();
    for (g_variant = 0; g_variant < 12; g_variant++) {
        lawless(close_in_between, 3);
    }
    if (!g_report->control) {
        NOTE("not leased\n");
        return;
    }
    verdict("a file that was closed while it was mapped for its lease");
}

/*
 * Closes that nobody made: every word that says so is written all the time, for descriptors that may be closed so and for such
 * that may not. Closed is at most what the process has open itself, as by close.
 */
static void *forger(void *arg)
{
    for (unsigned i = 0; !g_stop; i++) {
        struct platform_lease *l = &page()->leases[rnd() % (i % 2 ? 4 : LEASE_MAX)];
        switch (rnd() % 5) {
        case 0:
            l->position = LEASE_CLOSED | rnd() % 100000;
            break;
        case 1:
            l->position |= LEASE_CLOSED | LEASE_VALID;
            break;
        case 2:
            l->flags |= LEASE_CLOSABLE;
            l->size = rnd();
            break;
        case 3:
            page()->lease_of[rnd() % 32] = (uint8_t)rnd();
            break;
        }
        page()->closes = i % 3 ? ~0UL : 1UL << rnd() % 64;
    }
    return arg;
}
static void *opener(void *arg)
{
    char buf[512];
    struct stat st;
    while (!g_stop) {
        int fd = open("/etc/passwd", O_RDONLY), other = open("/proc/self/exe", O_RDONLY);
        fstat(fd, &st);
        read(fd, buf, sizeof(buf));
        lseek(other, 100, SEEK_SET);
        dup2(other, 20);
        close(fd);
        read(fd, buf, sizeof(buf));
        close(other);
        if (rnd() % 64 == 0 && fork() == 0) {
            _exit(0);
        }
        waitpid(-1, NULL, WNOHANG);
    }
    return arg;
}
static void close_by_force(void)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, i ? opener : forger, NULL);
    }
    usleep(700000);
    g_stop = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
    }
}
static void forged_closes(void)
{
    char name[64], buf[64], first = first_byte("/etc/passwd");
    int status = 0, mine[8];
    for (int i = 0; i < 8; i++) { /* which the forger has, too, at first */
        mine[i] = open("/etc/passwd", O_RDONLY);
        lseek(mine[i], i, SEEK_SET);
    }
    int locked = open("/etc/passwd", O_RDONLY);
    flock(locked, LOCK_EX);
    pid_t pid = fork();
    if (pid == 0) {
        close(locked);
        for (int round = 0; round < 3; round++) {
            expendable_for(close_by_force, 5);
        }
        _exit(0);
    }
    while (wait_until(pid, &status, now() + 0.01) == 0) {
        snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, 3 + (int)(rnd() % 20));
        readlink(name, buf, sizeof(buf));
        int other = open("/etc/passwd", O_RDONLY);
        if (flock(other, LOCK_EX | LOCK_NB) == 0) {
            BREACH("a lock of another process is gone");
        }
        close(other);
        for (int i = 0; i < 8; i++) {
            if (pread(mine[i], buf, 1, 0) != 1 || buf[0] != first) {
                BREACH("another process's descriptor was closed, or leads elsewhere");
            }
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}

/* Linux: what can't be read can't be read, whatever its descriptor's lease is said to be. */
static void light_made_real(void)
{
    char buf[64];
    catch_faults();
    int fd = open("/etc/passwd", O_RDONLY);
    int index = page()->lease_of[fd] - 1;
    if (index < 0) {
        NOTE("not leased\n");
        return;
    }
    struct platform_lease *l = &page()->leases[index];
    l->capacity = LEASE_BYTES_MAX; /* as if it were mapped */
    l->flags |= LEASE_WRITE | LEASE_APPEND;
    if (write(fd, "W", 1) == 1 || can_write(index, 'W')) {
        BREACH("a file that is open for reading was written");
    }
    l->size = LEASE_BYTES_MAX;
    l->position |= LEASE_VALID;
    ssize_t n = read(fd, buf, sizeof(buf));
    l->position = LEASE_VALID | LEASE_POSITION;
    lseek(fd, -1, SEEK_CUR);
    struct stat st;
    if (n > (ssize_t)sizeof(buf) || stat("/etc/passwd", &st) < 0 || st.st_size > 1L << 30) {
        BREACH("its size is %ld", (long)st.st_size);
    }
}

static const struct attack g_attacks[] = {
    {"lease: a sealed file", sealed},
    {"lease: rights that were given up", rights_given_up},
    {"lease: inherited", not_inherited},
    {"lease: forks while another thread gets one", forked_meanwhile},
    {"lease: forks while another thread maps a file", forked_while_lent},
    {"lease: a forged page", forged_page},
    {"lease: files open for reading", write_what_is_read},
    {"lease: files open for reading, ordinary user", write_what_is_read, true},
    {"lease: its mapping with other arguments", other_map, true},
    {"lease: closed while it is granted", closed_in_between},
    {"lease: closes that are forged", forged_closes},
    {"lease: one without a mapping, used as if it had one", light_made_real},
};

int main(void)
{
    close(new_file("/tmp/readable-too", 0644, 'R'));
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
