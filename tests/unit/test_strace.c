/*
 * --strace lines: how each kind of argument, structure and result looks (the expected texts are what strace(1) prints
 * for the same calls), filters, and lines that interrupt each other. The guest's memory is this program's own.
 */
/* LINK: syscalls/strace.o syscalls/strace_args.o syscalls/strace_commands.o syscalls/strace_result.o syscalls/strace_structs.o syscalls/strace_sockaddr.o syscalls/strace_text.o syscalls/info.o syscalls/decode_sets.o sentry/base/kernel.o lib/strbuf.o lib/host.o lib/bug.o lib/log.o */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sentry/base/errno.h"
#include "sentry/mm/usercopy.h"
#include "sentry/task/task.h"
#include "syscalls/strace.h"

#define BAD_ADDRESS 0x10UL

/* What usercopy.c does for a guest, for ourselves. */
size_t copy_in_partial(struct mm *mm, void *dst, uaddr_t src, size_t size)
{
    size_t done = 0;
    (void)mm;
    while (done < size) { /* by page, as faults come */
        size_t step = MIN(size - done, PAGE_SIZE - (src + done) % PAGE_SIZE);
        struct iovec local = {(char *)dst + done, step}, remote = {(void *)(src + done), step};
        if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)step) {
            break;
        }
        done += step;
    }
    return done;
}

int copy_in(struct mm *mm, void *dst, uaddr_t src, size_t size)
{
    return copy_in_partial(mm, dst, src, size) == size ? 0 : -EFAULT;
}

void (*g_signal_trace)(struct task *t, const siginfo_t *info); /* sentry/task/signal.c's */

static struct kernel g_test_kernel;
static struct pid g_pids[2] = {{.nr = 2}, {.nr = 37}};
static struct task g_tasks[2];
static int g_out;

static int set_up(void **state)
{
    (void)state;
    g_kernel = &g_test_kernel;
    list_init(&g_kernel->tasks);
    for (size_t i = 0; i < ARRAY_COUNT(g_tasks); i++) {
        g_tasks[i].pid = &g_pids[i];
        g_tasks[i].mm = (struct mm *)&g_test_kernel; /* only compared with NULL */
    }
    list_add_tail(&g_tasks[0].all_link, &g_kernel->tasks);
    list_init(&g_tasks[1].all_link);
    g_out = memfd_create("lines", 0);
    assert_int_equal(strace_config(NULL, g_out, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(g_out);
    return 0;
}

/* All that was printed since the last call. */
static const char *printed(void)
{
    static char text[8192];
    ssize_t n = pread(g_out, text, sizeof(text) - 1, 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(g_out, 0), 0);
    lseek(g_out, 0, SEEK_SET);
    return text;
}

#define ARGS(...) ((const uint64_t[6]){__VA_ARGS__})
#define P(x)      ((uint64_t)(uintptr_t)(x))

static void call(uint64_t nr, const uint64_t args[6], long result)
{
    strace_enter(&g_tasks[0], nr, args);
    strace_exit(&g_tasks[0], nr, args, result);
}
#define expect(nr, args, result, text)                                                             \
    do {                                                                                           \
        call(nr, args, result);                                                                    \
        assert_string_equal(printed(), text "\n");                                                 \
    } while (0)

static void strace__numbers_and_flags__named(void **state)
{
    (void)state;
    expect(SYS_close, ARGS(3), 0, "close(3)                                = 0");
    expect(SYS_lseek, ARGS(3, (uint64_t)-5, SEEK_CUR), 0,
           "lseek(3, -5, SEEK_CUR)                  = 0");
    expect(SYS_lseek, ARGS(3, 0, 99), -EINVAL,
           "lseek(3, 0, 0x63 /* SEEK_??? */)        = -1 EINVAL (Invalid argument)");
    expect(SYS_umask, ARGS(022), 022, "umask(022)                              = 022");
    expect(SYS_umask, ARGS(0), 0, "umask(000)                              = 000");
    expect(SYS_getpid, ARGS(0), 2, "getpid()                                = 2");
    expect(SYS_kill, ARGS(7, SIGUSR1), 0, "kill(7, SIGUSR1)                        = 0");
    expect(SYS_kill, ARGS(7, 34), 0, "kill(7, SIGRT_2)                        = 0");
    expect(SYS_kill, ARGS((uint64_t)-1, 0), 0, "kill(-1, 0)                             = 0");
    expect(SYS_brk, ARGS(0), 0x564a163e0000,
           "brk(NULL)                               = 0x564a163e0000");
    expect(SYS_mmap,
           ARGS(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0),
           0x7f115c18d000,
           "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
           "0x7f115c18d000");
    expect(SYS_mmap,
           ARGS(0x7f115c15b000, 110592, PROT_READ | PROT_EXEC,
                MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE, 3, 0x7000),
           0x7f115c15b000,
           "mmap(0x7f115c15b000, 110592, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, "
           "3, 0x7000) = 0x7f115c15b000");
    expect(SYS_mprotect, ARGS(0x1000, 4096, 0), 0, "mprotect(0x1000, 4096, PROT_NONE)       = 0");
    expect(SYS_mremap, ARGS(0x1000, 4096, 8192, MREMAP_MAYMOVE, 7), 0x2000,
           "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE) = 0x2000");
    expect(SYS_socket, ARGS(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 5,
           "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 5");
    expect(SYS_chown, ARGS(P("/tmp/lk"), (uint64_t)-1, 1000), 0,
           "chown(\"/tmp/lk\", -1, 1000)              = 0");
    expect(SYS_clock_nanosleep,
           ARGS(CLOCK_MONOTONIC, TIMER_ABSTIME, P((&(struct timespec){3, 4})), 0), 0,
           "clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, {tv_sec=3, tv_nsec=4}, NULL) = 0");
    strace_enter(&g_tasks[0], SYS_exit_group, ARGS(3)); /* does not return */
    assert_string_equal(printed(), "exit_group(3)                           = ?\n");
}

static void strace__open__decodes_flags_and_mode(void **state)
{
    (void)state;
    expect(SYS_openat, ARGS(P(AT_FDCWD), P("/etc/passwd"), O_RDONLY | O_CLOEXEC), 3,
           "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC) = 3");
    expect(SYS_openat,
           ARGS(P(AT_FDCWD), P("/tmp/lk"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), 8,
           "openat(AT_FDCWD, \"/tmp/lk\", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 8");
    expect(SYS_openat, ARGS(P(AT_FDCWD), P("/tmp"), O_RDWR | O_TMPFILE, 0600), -EISDIR,
           "openat(AT_FDCWD, \"/tmp\", O_RDWR|O_TMPFILE, 0600) = -1 EISDIR (Is a directory)");
    expect(SYS_openat, ARGS(P(AT_FDCWD), P("d"), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_DIRECTORY),
           8, "openat(AT_FDCWD, \"d\", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 8");
    expect(SYS_openat, ARGS(9, P("x"), O_RDWR | O_SYNC), 3,
           "openat(9, \"x\", O_RDWR|O_SYNC)           = 3");
    expect(SYS_open, ARGS(BAD_ADDRESS, 0), -EFAULT,
           "open(0x10, O_RDONLY)                    = -1 EFAULT (Bad address)");
    expect(SYS_access, ARGS(P("/etc"), R_OK | X_OK), 0,
           "access(\"/etc\", R_OK|X_OK)               = 0");
    expect(SYS_access, ARGS(P("/etc"), F_OK), 0, "access(\"/etc\", F_OK)                    = 0");
    expect(SYS_mknodat, ARGS(P(AT_FDCWD), P("f"), S_IFIFO | 0600), 0,
           "mknodat(AT_FDCWD, \"f\", S_IFIFO|0600)    = 0");
    expect(SYS_mknodat, ARGS(P(AT_FDCWD), P("n"), S_IFCHR | 0600, makedev(1, 3)), 0,
           "mknodat(AT_FDCWD, \"n\", S_IFCHR|0600, makedev(0x1, 0x3)) = 0");
}

static void strace__strings__quoted_and_cut(void **state)
{
    (void)state;
    static char long_text[] = "0123456789012345678901234567890123456789";
    char data[] = {0, 1, '7', '\n', '"', '\\', (char)0xff, 'a'};

    expect(SYS_write, ARGS(1, P("hi\n"), 3), 3, "write(1, \"hi\\n\", 3)                     = 3");
    expect(SYS_write, ARGS(1, P(data), 8), 8,
           "write(1, \"\\0\\0017\\n\\\"\\\\\\377a\", 8)       = 8");
    expect(SYS_write, ARGS(1, P(long_text), 40), 40,
           "write(1, \"01234567890123456789012345678901\"..., 40) = 40");
    expect(SYS_write, ARGS(1, BAD_ADDRESS, 5), -EFAULT,
           "write(1, 0x10, 5)                       = -1 EFAULT (Bad address)");
    expect(SYS_read, ARGS(0, P(long_text), 1024), 4,
           "read(0, \"0123\", 1024)                   = 4");
    expect(
        SYS_read, ARGS(0, 0x5000, 1024), -EAGAIN,
        "read(0, 0x5000, 1024)                   = -1 EAGAIN (Resource temporarily unavailable)");
    expect(SYS_read, ARGS(0, P(data), 1024), 0, "read(0, \"\", 1024)                       = 0");
    expect(SYS_getcwd, ARGS(P("/work"), 100), 6, "getcwd(\"/work\", 100)                    = 6");
    expect(SYS_chdir, ARGS(P(long_text)), 0,
           "chdir(\"0123456789012345678901234567890123456789\") = 0"); /* paths are whole */
    expect(SYS_memfd_create, ARGS(P(long_text), 1), 3,
           "memfd_create(\"01234567890123456789012345678901\"..., MFD_CLOEXEC) = 3");
    expect(SYS_getrandom, ARGS(P("\x4b\xd3"), 2, 1), 2,
           "getrandom(\"\\x4b\\xd3\", 2, GRND_NONBLOCK) = 2");
}

static void strace__structures__decoded(void **state)
{
    (void)state;
    struct stat st = {.st_mode = S_IFREG | 0644, .st_size = 1221};
    struct stat sticky = {.st_mode = S_IFDIR | S_ISVTX | 0777, .st_size = 4096};
    struct stat null = {.st_mode = S_IFCHR | 0666, .st_rdev = makedev(1, 3)};
    struct rlimit lim = {8192 * 1024, RLIM_INFINITY}, files = {1024, 20000};
    struct ksigaction sa = {.handler = 0x7f00,
                            .flags = 0x04000000 | SA_RESTART,
                            .restorer = 0x7e00,
                            .mask = KSIG_BIT(SIGINT)};
    struct ksigaction dfl = {0};
    ksigset_t few = KSIG_BIT(SIGINT) | KSIG_BIT(SIGTERM), all = ~0ULL,
              most = ~(KSIG_BIT(32) | KSIG_BIT(33));
    struct itimerval it = {.it_value = {5, 500000}};

    expect(
        SYS_newfstatat, ARGS(P(AT_FDCWD), P("/etc/passwd"), P(&st), 0), 0,
        "newfstatat(AT_FDCWD, \"/etc/passwd\", {st_mode=S_IFREG|0644, st_size=1221, ...}, 0) = 0");
    expect(SYS_newfstatat, ARGS(3, P(""), P(&sticky), AT_EMPTY_PATH), 0,
           "newfstatat(3, \"\", {st_mode=S_IFDIR|S_ISVTX|0777, st_size=4096, ...}, AT_EMPTY_PATH) "
           "= 0");
    expect(SYS_fstat, ARGS(1, P(&null)), 0,
           "fstat(1, {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}) = 0");
    expect(SYS_stat, ARGS(P("/x"), 0x7000), -ENOENT,
           "stat(\"/x\", 0x7000)                      = -1 ENOENT (No such file or directory)");
    expect(SYS_prlimit64, ARGS(0, RLIMIT_STACK, 0, P(&lim)), 0,
           "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0");
    expect(SYS_getrlimit, ARGS(RLIMIT_NOFILE, P(&files)), 0,
           "getrlimit(RLIMIT_NOFILE, {rlim_cur=1024, rlim_max=20000}) = 0");
    expect(SYS_rt_sigaction, ARGS(SIGUSR1, P(&sa), P(&dfl), 8), 0,
           "rt_sigaction(SIGUSR1, {sa_handler=0x7f00, sa_mask=[INT], "
           "sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x7e00}, "
           "{sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0");
    expect(SYS_rt_sigprocmask, ARGS(SIG_BLOCK, P(&few), 0, 8), 0,
           "rt_sigprocmask(SIG_BLOCK, [INT TERM], NULL, 8) = 0");
    expect(SYS_rt_sigprocmask, ARGS(SIG_BLOCK, P(&all), P(&few), 8), 0,
           "rt_sigprocmask(SIG_BLOCK, ~[], [INT TERM], 8) = 0");
    expect(SYS_rt_sigprocmask, ARGS(SIG_BLOCK, P(&most), 0, 8), 0,
           "rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], NULL, 8) = 0");
    expect(SYS_setitimer, ARGS(ITIMER_REAL, P(&it), 0), 0,
           "setitimer(ITIMER_REAL, {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=5, "
           "tv_usec=500000}}, NULL) = 0");
    expect(SYS_pipe2, ARGS(P(((int[]){3, 4})), O_CLOEXEC), 0,
           "pipe2([3, 4], O_CLOEXEC)                = 0");
    expect(SYS_wait4, ARGS((uint64_t)-1, P(&(int){0x300}), 0, 0), 9,
           "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 9");
    expect(SYS_wait4, ARGS(9, P(&(int){9}), WNOHANG, 0), 9,
           "wait4(9, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], WNOHANG, NULL) = 9");
    expect(SYS_wait4, ARGS((uint64_t)-1, 0x7ffc24, WNOHANG, 0), -ECHILD,
           "wait4(-1, 0x7ffc24, WNOHANG, NULL)      = -1 ECHILD (No child processes)");
    expect(SYS_getgroups, ARGS(2, P(((unsigned[]){4, 24}))), 2,
           "getgroups(2, [4, 24])                   = 2");
    expect(SYS_getgroups, ARGS(0, 0), 2, "getgroups(0, NULL)                      = 2");
    expect(SYS_sched_getaffinity, ARGS(0, 8, P(&(uint64_t){3})), 8,
           "sched_getaffinity(0, 8, [0 1])          = 8");
}

static void strace__polls__show_what_is_ready(void **state)
{
    (void)state;
    struct pollfd p = {.fd = 3, .events = POLLIN};
    uint64_t in = 1 << 3, out = 1 << 4;
    struct timeval left = {0, 999997};
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = 7};

    expect(SYS_poll, ARGS(P(&p), 1, 5), 0, "poll([{fd=3, events=POLLIN}], 1, 5)     = 0 (Timeout)");
    p.revents = POLLIN | POLLHUP;
    expect(SYS_poll, ARGS(P(&p), 1, 5), 1,
           "poll([{fd=3, events=POLLIN}], 1, 5)     = 1 ([{fd=3, revents=POLLIN|POLLHUP}])");
    expect(SYS_select, ARGS(5, P(&in), P(&out), 0, P(&left)), 2,
           "select(5, [3], [4], NULL, {tv_sec=0, tv_usec=999997}) = 2 (in [3], out [4], left "
           "{tv_sec=0, tv_usec=999997})");
    expect(SYS_epoll_ctl, ARGS(8, EPOLL_CTL_ADD, 7, P(&e)), 0,
           "epoll_ctl(8, EPOLL_CTL_ADD, 7, {events=EPOLLIN|EPOLLET, data={u32=7, u64=7}}) = 0");
    expect(SYS_epoll_wait, ARGS(8, P(&e), 1023, 1), 0,
           "epoll_wait(8, [], 1023, 1)              = 0");
    expect(SYS_epoll_wait, ARGS(8, P(&e), 1023, 1), 1,
           "epoll_wait(8, [{events=EPOLLIN|EPOLLET, data={u32=7, u64=7}}], 1023, 1) = 1");
}

static void strace__sockets__addresses_and_messages(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/tmp/nosock"};
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0name"};
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(47045), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct iovec iov[] = {{(char *)"x", 1}, {(char *)"yy", 2}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    int size = 16, one = 1;

    expect(SYS_connect, ARGS(5, P(&un), 14), -ENOENT,
           "connect(5, {sa_family=AF_UNIX, sun_path=\"/tmp/nosock\"}, 14) = -1 ENOENT (No such "
           "file or directory)");
    expect(SYS_bind, ARGS(5, P(&abstract), 7), 0,
           "bind(5, {sa_family=AF_UNIX, sun_path=@\"name\"}, 7) = 0");
    expect(SYS_accept4, ARGS(6, P(&in), P(&size), SOCK_CLOEXEC), 7,
           "accept4(6, {sa_family=AF_INET, sin_port=htons(47045), "
           "sin_addr=inet_addr(\"127.0.0.1\")}, [16], SOCK_CLOEXEC) = 7");
    expect(SYS_sendto, ARGS(5, P("abc"), 3, 0, 0, 0), 3,
           "sendto(5, \"abc\", 3, 0, NULL, 0)         = 3");
    expect(SYS_recvfrom, ARGS(5, P("abc"), 10, MSG_DONTWAIT, 0, 0), 3,
           "recvfrom(5, \"abc\", 10, MSG_DONTWAIT, NULL, NULL) = 3");
    expect(SYS_setsockopt, ARGS(6, SOL_SOCKET, SO_REUSEADDR, P(&one), 4), 0,
           "setsockopt(6, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
    expect(SYS_sendmsg, ARGS(5, P(&m), 0), 3,
           "sendmsg(5, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"x\", iov_len=1}, "
           "{iov_base=\"yy\", iov_len=2}], "
           "msg_iovlen=2, msg_controllen=0, msg_flags=0}, 0) = 3");
    expect(SYS_writev, ARGS(4, P(iov), 2), 3,
           "writev(4, [{iov_base=\"x\", iov_len=1}, {iov_base=\"yy\", iov_len=2}], 2) = 3");
}

static void strace__commands__decide_the_argument(void **state)
{
    (void)state;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    expect(SYS_fcntl, ARGS(3, F_GETFL, 99), 2,
           "fcntl(3, F_GETFL)                       = 0x2 (flags O_RDWR)");
    expect(SYS_fcntl, ARGS(3, F_GETFD), 1,
           "fcntl(3, F_GETFD)                       = 0x1 (flags FD_CLOEXEC)");
    expect(SYS_fcntl, ARGS(3, F_SETFD, FD_CLOEXEC), 0,
           "fcntl(3, F_SETFD, FD_CLOEXEC)           = 0");
    expect(SYS_fcntl, ARGS(3, F_SETFL, O_NONBLOCK), 0,
           "fcntl(3, F_SETFL, O_RDONLY|O_NONBLOCK)  = 0");
    expect(SYS_fcntl, ARGS(3, F_DUPFD_CLOEXEC, 10), 10,
           "fcntl(3, F_DUPFD_CLOEXEC, 10)           = 10");
    expect(SYS_fcntl, ARGS(8, F_SETLKW, P(&l)), 0,
           "fcntl(8, F_SETLKW, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=0}) = 0");
    expect(SYS_ioctl, ARGS(3, TCGETS, 0x7ffc), -ENOTTY,
           "ioctl(3, TCGETS, 0x7ffc)                = -1 ENOTTY (Inappropriate ioctl for device)");
    expect(SYS_ioctl, ARGS(1, TIOCGWINSZ, P(&((struct winsize){24, 80, 0, 0}))), 0,
           "ioctl(1, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0");
    expect(SYS_ioctl, ARGS(1, 0x80046601, 0), -ENOTTY,
           "ioctl(1, _IOC(_IOC_READ, 0x66, 0x1, 0x4), 0) = -1 ENOTTY (Inappropriate ioctl for "
           "device)");
    expect(SYS_futex,
           ARGS(0x55b0, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 0, 0, 0,
                0xffffffff),
           0,
           "futex(0x55b0, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, NULL, "
           "FUTEX_BITSET_MATCH_ANY) = 0");
    expect(SYS_futex, ARGS(0x55b0, FUTEX_WAKE_PRIVATE, 1), 1,
           "futex(0x55b0, FUTEX_WAKE_PRIVATE, 1)    = 1");
    expect(SYS_prctl, ARGS(PR_SET_NAME, P("worker")), 0,
           "prctl(PR_SET_NAME, \"worker\")            = 0");
    expect(SYS_clone, ARGS(CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD, 0, 0, 0x7f68), 10,
           "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "
           "child_tidptr=0x7f68) = 10");
}

static void strace__execve__lists_arguments_counts_variables(void **state)
{
    (void)state;
    const char *argv[] = {"ls", "-l", NULL}, *envp[] = {"A=1", "B=2", NULL};
    char expected[256];
    snprintf(expected, sizeof(expected),
             "execve(\"/bin/ls\", [\"ls\", \"-l\"], %p /* 2 vars */) = 0\n", (void *)envp);
    call(SYS_execve, ARGS(P("/bin/ls"), P(argv), P(envp)), 0);
    assert_string_equal(printed(), expected);
}

static void strace__results__restarts_and_unknown_calls(void **state)
{
    (void)state;
    expect(SYS_pause, ARGS(0), -ERESTARTNOHAND,
           "pause()                                 = ? ERESTARTNOHAND (To be restarted if no "
           "handler)");
    expect(SYS_getppid, ARGS(0), -ERESTARTSYS,
           "getppid()                               = ? ERESTARTSYS (To be restarted if SA_RESTART "
           "is set)");
    expect(1000, ARGS(1, 2, 3, 4, 5, 6), -ENOSYS,
           "syscall_0x3e8(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)");
}

static void strace__two_tasks__interrupted_lines_are_resumed(void **state)
{
    (void)state;
    char x = 'x';
    list_add_tail(&g_tasks[1].all_link, &g_kernel->tasks);
    strace_enter(&g_tasks[0], SYS_read, ARGS(0, P(&x), 1));
    strace_enter(&g_tasks[1], SYS_getppid, ARGS(0));
    strace_exit(&g_tasks[1], SYS_getppid, ARGS(0), 2);
    strace_exit(&g_tasks[0], SYS_read, ARGS(0, P(&x), 1), 1);
    assert_string_equal(printed(), "[pid     2] read(0,  <unfinished ...>\n"
                                   "[pid    37] getppid()                   = 2\n"
                                   "[pid     2] <... read resumed>\"x\", 1)   = 1\n");
}

static void strace_signal__info__printed(void **state)
{
    (void)state;
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    si.si_signo = SIGCHLD;
    si.si_code = CLD_EXITED;
    si.si_pid = 37;
    si.si_status = 3;
    strace_signal(&g_tasks[0], &si);
    si.si_code = CLD_KILLED;
    si.si_status = SIGKILL;
    strace_signal(&g_tasks[0], &si);
    memset(&si, 0, sizeof(si));
    si.si_signo = SIGSEGV;
    si.si_code = SEGV_MAPERR;
    strace_signal(&g_tasks[0], &si);
    memset(&si, 0, sizeof(si));
    si.si_signo = SIGUSR1;
    si.si_code = SI_USER;
    si.si_pid = 2;
    strace_signal(&g_tasks[0], &si);
    assert_string_equal(
        printed(), "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=37, si_uid=0, "
                   "si_status=3, si_utime=0, si_stime=0} ---\n"
                   "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=37, si_uid=0, "
                   "si_status=SIGKILL, si_utime=0, si_stime=0} ---\n"
                   "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---\n"
                   "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=2, si_uid=0} ---\n");
}

static void strace_exit_task__status__printed(void **state)
{
    (void)state;
    strace_exit_task(&g_tasks[0], 3 << 8);
    strace_exit_task(&g_tasks[0], SIGSEGV | 0x80);
    strace_enter(&g_tasks[0], SYS_pause, ARGS(0));
    strace_exit_task(&g_tasks[0], SIGKILL);
    assert_string_equal(printed(), "+++ exited with 3 +++\n"
                                   "+++ killed by SIGSEGV (core dumped) +++\n"
                                   "pause()                                 = ?\n"
                                   "+++ killed by SIGKILL +++\n");
}

static bool is_shown(uint64_t nr)
{
    call(nr, ARGS(0), 0);
    return printed()[0] != '\0';
}

static void strace_config__names_and_classes__select(void **state)
{
    (void)state;
    const char *bad = NULL;
    assert_int_equal(strace_config("getpid,close", g_out, &bad), 0);
    assert_true(is_shown(SYS_getpid));
    assert_true(is_shown(SYS_close));
    assert_false(is_shown(SYS_getppid));
    assert_int_equal(strace_config("%file", g_out, &bad), 0);
    assert_true(is_shown(SYS_openat));
    assert_true(is_shown(SYS_inotify_add_watch)); /* takes a path, though its class is desc */
    assert_false(is_shown(SYS_close));
    assert_int_equal(strace_config("desc,uname", g_out, &bad), 0);
    assert_true(is_shown(SYS_openat));
    assert_true(is_shown(SYS_uname));
    assert_false(is_shown(SYS_getpid));
    assert_int_equal(strace_config("!getpid", g_out, &bad), 0);
    assert_false(is_shown(SYS_getpid));
    assert_true(is_shown(SYS_getppid));
    assert_int_equal(strace_config("getpid,opne", g_out, &bad), -EINVAL);
    assert_string_equal(bad, "opne");
}

/* Hostile arguments: whatever they are, a line comes out and nothing crashes. */
static void strace__garbage_arguments__never_crash(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0, 1, ~0ULL, BAD_ADDRESS, 1ULL << 63, 0x7fffffffffff, 0xffffffff, 4096};
    unsigned seed = 1;
    for (uint64_t nr = 0; nr < 480; nr++) {
        for (int round = 0; round < 40; round++) {
            uint64_t args[6];
            for (int i = 0; i < 6; i++) {
                seed = seed * 1103515245 + 12345;
                args[i] =
                    seed >> 28 & 1 ? P(g_tasks) + (seed >> 16 & 0xff) : values[seed >> 16 & 7];
            }
            if (nr == SYS_exit || nr == SYS_exit_group) {
                continue;
            }
            call(nr, args, seed >> 20 & 1 ? -EINVAL : (long)(seed >> 24));
            const char *line = printed();
            assert_true(strlen(line) > 0);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(strace__numbers_and_flags__named),
        TEST(strace__open__decodes_flags_and_mode),
        TEST(strace__strings__quoted_and_cut),
        TEST(strace__structures__decoded),
        TEST(strace__polls__show_what_is_ready),
        TEST(strace__sockets__addresses_and_messages),
        TEST(strace__commands__decide_the_argument),
        TEST(strace__execve__lists_arguments_counts_variables),
        TEST(strace__results__restarts_and_unknown_calls),
        TEST(strace__two_tasks__interrupted_lines_are_resumed),
        TEST(strace_signal__info__printed),
        TEST(strace_exit_task__status__printed),
        TEST(strace_config__names_and_classes__select),
        TEST(strace__garbage_arguments__never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
