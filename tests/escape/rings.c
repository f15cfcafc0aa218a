/*
 * Leased pipes: a ring of bytes that processes of one user share, each of whom can write all of it. What must happen:
 * whoever gives up his rights is out of it; lies in the ring's words reach nobody of another user but as bytes in
 * the pipe; the kernel takes over at most what a ring holds.
 */
#include "tests/escape/forge.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <sys/eventfd.h>

static struct platform_lease_page *page(void)
{
    return (struct platform_lease_page *)LEASE_PAGE;
}
/* The ring that fd uses; NULL: none. */
static struct platform_ring *ring_of(int fd)
{
    unsigned index = page()->lease_of[fd];
    return index < LEASE_RING || index == LEASE_IDLE
               ? NULL
               : (struct platform_ring *)RING_ADDR((index - LEASE_RING) / 2);
}
#define FORETASTE 200
/* Uses both ends until the ring is there. */
static struct platform_ring *make_ring(const int p[2])
{
    char byte = 'b';
    for (int i = 0; i < 40; i++) {
        if (write(p[1], &byte, 1) != 1 || read(p[0], &byte, 1) != 1) {
            return NULL;
        }
        if (ring_of(p[0]) && ring_of(p[1])) {
            return ring_of(p[1]);
        }
    }
    return NULL;
}

static sigjmp_buf g_fault;
static void on_fault(int sig)
{
    siglongjmp(g_fault, sig);
}
static bool can_read(const volatile void *at)
{
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    if (sigsetjmp(g_fault, 1) == 0) {
        (void)*(const volatile char *)at;
        return true;
    }
    return false;
}

static void rights_given_up(void)
{
    if (getuid() != 0) {
        return;
    }
    for (int keep = 0; keep < 2; keep++) {
        int p[2], status;
        pipe(p);
        struct platform_ring *ring = make_ring(p);
        if (!ring) {
            NOTE("not leased\n");
            return;
        }
        if (!can_read(ring->data)) {
            BREACH("the ring can't be read, so this attack is none");
        }
        pid_t pid = fork();
        if (pid == 0) { /* root goes on with the pipe */
            for (int i = 0; i < 20; i++) {
                write(p[1], "roots-own-business", 18);
                usleep(2000);
            }
            _exit(0);
        }
        if (!keep) {
            close(p[0]);
        }
        become_ordinary();
        usleep(20000);
        if (can_read(ring->data)) {
            BREACH("a pipe's ring is still there after its user has become another one");
        }
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return; /* an ordinary user now */
    }
}

/* The words of a ring, while everybody uses the pipe: writers, readers, and the kernel, which is asked all the time. */
static volatile bool g_stop;
static struct platform_ring *g_ring;
static void *liar(void *arg)
{
    for (unsigned i = 0; !g_stop; i++) {
        uint64_t v =
            rnd() & 1 ? rnd() : (rnd() & 0x3ffff) | RING_VALID | (rnd() & 1 ? RING_LOCKED : 0);
        switch (rnd() % 6) {
        case 0:
            g_ring->write_word = v;
            break;
        case 1:
            g_ring->read_word = v;
            break;
        case 2:
            g_ring->data_seq = (uint32_t)v;
            break;
        case 3:
            g_ring->readers_waiting = (uint32_t)v;
            break;
        case 4:
            g_ring->writers_waiting = (uint32_t)v;
            break;
        default:
            page()->lease_of[rnd() % 64] = (uint8_t)(rnd() & 1 ? rnd() : LEASE_RING + rnd() % 40);
        }
    }
    return arg;
}
static void lies(void)
{
    pthread_t t;
    int p[2];
    char buf[4096];
    pipe(p);
    g_random += (uint64_t)g_variant * 7919;
    g_ring = make_ring(p);
    if (!g_ring) {
        return;
    }
    g_report->control++;
    if (fork() == 0) { /* the kernel looks, and takes the ring back */
        for (;;) {
            struct stat st;
            int n;
            fstat(p[0], &st);
            ioctl(p[0], 0x541b /* FIONREAD */, &n);
            if (n < 0 || n > 1 << 20) {
                g_report->got++;
            }
            g_report->rounds++;
        }
    }
    pthread_create(&t, NULL, liar, NULL);
    for (double end = now() + 0.1; now() < end;) {
        fcntl(p[0], F_SETFL, O_NONBLOCK);
        fcntl(p[1], F_SETFL, O_NONBLOCK);
        ssize_t n = read(p[0], buf, sizeof(buf));
        n = write(p[1], buf, (size_t)(n > 0 ? n : 1));
        fcntl(p[0], F_SETFL, 0);
        fcntl(p[1], F_SETFL, 0);
        write(p[1], buf, 1);
    }
}
static void forged_words(void)
{
    report_new();
    for (g_variant = 0; g_variant < 8; g_variant++) {
        lawless(lies, 0.3);
    }
    kill(0, SIGCONT);
    if (!g_report->control) {
        NOTE("not leased\n");
        return;
    }
    NOTE("%d looks by the kernel\n", g_report->rounds);
    verdict("forged words of a ring");
}

/* While one thread is told to map a ring, another closes the pipe. */
static volatile int g_closed, g_close;
static int g_ends[2];
static void *closer(void *arg)
{
    while (!g_close) {
        __builtin_ia32_pause();
    }
    close(g_ends[1]);
    if (g_variant & 1) {
        dup2(open("/dev/null", O_RDWR), g_ends[1]);
    }
    if (g_variant & 2) {
        close(g_ends[0]);
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
    char block[8] = "block";
    struct chan *c = my_channel();
    pipe(g_ends);
    pthread_create(&t, NULL, closer, NULL);
    usleep(1000);
    for (int i = 0; i < 20; i++) {
        int order = CONVERSE(SYS_write, (uint64_t)g_ends[1], (uint64_t)block, sizeof(block));
        if (order != ORDER_MEM_LIST) {
            continue;
        }
        struct stub_mem_call m = *(struct stub_mem_call *)((char *)c + WINDOW_OFFSET);
        const uint64_t *a = m.args;
        g_close = 1;
        while (!g_closed) {
            __builtin_ia32_pause();
        }
        gate(0, m.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        g_report->control++;
        CONVERSE(STUB_REQ_RESULT, 0);
        break;
    }
    for (int i = 0; i < 50; i++) { /* whatever was freed is used again */
        int p[2];
        pipe(p);
        for (int k = 0; k < 6; k++) {
            write(p[1], block, 1);
            read(p[0], block, 1);
        }
        close(p[0]);
        close(p[1]);
        write(g_ends[1], block, 1);
    }
}
static void closed_in_between(void)
{
    report_new();
    for (g_variant = 0; g_variant < 12; g_variant++) {
        lawless(close_in_between, 1);
    }
    if (!g_report->control) {
        NOTE("not leased\n");
    }
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    syscall(SYS_capset, &header, none);
}

/* Who has not the same rights, at the other end, sees bytes in a pipe, and none of the ring. */
static void shares_nothing(void (*become_less)(void))
{
    int p[2], status;
    char bytes[FORETASTE];
    pipe(p);
    if (getuid() != 0) {
        return;
    }
    struct platform_ring *ring = make_ring(p);
    for (int i = 0; i < FORETASTE;
         i++) { /* so that nobody has to wait, who would keep the ring from being used */
        bytes[i] = (char)('A' + i % 26);
    }
    write(p[1], bytes, FORETASTE);
    pid_t pid = fork();
    if (pid == 0) {
        become_less();
        for (int i = 0; i < FORETASTE; i++) {
            char byte = 0;
            if (read(p[0], &byte, 1) != 1 || byte != bytes[i]) {
                BREACH("byte %d: %c came as %c", i, bytes[i], byte);
            }
            if (ring_of(p[0]) || (ring && can_read(ring->data))) {
                BREACH("who has other rights shares the ring");
            }
        }
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (status) {
        BREACH("who has other rights: status %#x", status);
    }
}

static void other_user(void)
{
    shares_nothing(become_ordinary);
}

static void no_capabilities(void)
{
    shares_nothing(drop_capabilities);
}

/* An event counter's word, while processes count with it, one of them after root has become somebody else. */
static void *counter_liar(void *arg)
{
    while (!g_stop) {
        g_ring->write_word = rnd() & 1 ? rnd() : rnd() >> 20 | RING_VALID;
        g_ring->counter_flags = (uint32_t)rnd();
        g_ring->counter_used = (uint32_t)rnd();
        g_ring->data_seq = (uint32_t)rnd();
        g_ring->readers_waiting = (uint32_t)rnd();
    }
    return arg;
}
static void forged_counter(void)
{
    pthread_t t;
    uint64_t value = 1;
    int fd = eventfd(0, EFD_NONBLOCK);
    for (int i = 0; i < 40 && !page()->lease_of[fd]; i++) {
        write(fd, &value, 8);
        (void)!read(fd, &value, 8);
    }
    unsigned index = page()->lease_of[fd] - LEASE_COUNTER;
    if (index >= RING_MAX) {
        NOTE("not leased\n");
        return;
    }
    g_ring = (struct platform_ring *)RING_ADDR(index);
    pthread_create(&t, NULL, counter_liar, NULL);
    for (double end = now() + 0.7; now() < end;) {
        struct pollfd p = {fd, POLLIN | POLLOUT, 0};
        char text[256];
        uint64_t guard[3] = {77, 0, 77};
        value = rnd();
        write(fd, &value, 8);
        long n = read(fd, &guard[1], 8);
        if ((n != 8 && n != -1) || guard[0] != 77 || guard[2] != 77) {
            BREACH("a counter's read gave %ld, or wrote beyond its buffer", n);
        }
        poll(&p, 1, rnd() % 2);
        fcntl(fd, F_SETFL, rnd() & 1 ? O_NONBLOCK : O_NONBLOCK | O_ASYNC);
        snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd);
        int info = open(text, O_RDONLY);
        (void)!read(info, text, sizeof(text));
        close(info);
    }
    g_stop = true;
    pthread_join(t, NULL);
    if (getuid() == 0) {
        become_ordinary();
        write(fd, &value, 8);
        (void)!read(fd, &value, 8);
        if (can_read(g_ring->data) && !page()->lease_of[fd]) {
            BREACH("a counter's ring is still there after its user has become another one");
        }
    }
}

static const struct attack g_attacks[] = {
    {"ring: rights that were given up", rights_given_up},
    {"ring: forged words", forged_words},
    {"ring: forged words, ordinary user", forged_words, true},
    {"ring: closed while it is granted", closed_in_between},
    {"ring: another user", other_user},
    {"ring: the same user without capabilities", no_capabilities},
    {"ring: a forged counter", forged_counter},
    {"ring: a forged counter, ordinary user", forged_counter, true},
};

int main(void)
{
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
