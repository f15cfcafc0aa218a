/*
 * clone(2), one thread after another. What a thread had for itself ends with it; the next one has what its creator has:
 * 1. A tid of its own, which is nobody's soon after the join: tgkill gives ESRCH, /proc/self/task does not list it.
 * 2. The creator's signal mask, name, floating-point control words and vector registers, and no alternate stack.
 * 3. CPU time (clock_gettime, getrusage, pthread_getcpuclockid) begins at 0.
 * 4. A signal that was sent to a thread that has ended reaches no later one.
 * 5. A robust mutex of a thread that ended with it gives EOWNERDEAD.
 * 6. set_tid_address in a thread: that word is cleared, and waiters are woken, at its end; the one of clone is not.
 * 7. So it goes on with many at once, in a forked child, with threads that nobody joins, and through exec.
 */
#include "../compat.h"
#include "tests/compat/rounding.h"

#include <dirent.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define PATIENCE 1000 /* ms; the tid of a thread that was joined is in use for a moment longer */

static int g_signals;
static __thread int t_value = 5;
static pthread_mutex_t g_robust;

static void on_signal(int sig)
{
    (void)sig;
    g_signals++;
}

static int task_count(void)
{
    DIR *d = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    CHECK_EQ(clock_gettime(id, &t), 0);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static pid_t run(void *(*body)(void *), void *arg)
{
    pthread_t t;
    void *tid;
    CHECK_EQ(pthread_create(&t, NULL, body, arg), 0);
    CHECK_EQ(pthread_join(t, &tid), 0);
    return (pid_t)(long)tid;
}

static void *self(void *arg)
{
    (void)arg;
    return (void *)syscall(SYS_gettid);
}

static void spoil_registers(void)
{
    static const char ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    set_round(ROUND_UP);
    __asm__ volatile("movdqu %0, %%xmm15" ::"m"(ones) : "xmm15");
}

/* Changes all that is a thread's own. */
static void *spoil(void *arg)
{
    static char stack[32768];
    sigset_t set;
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(sigaltstack(&ss, NULL), 0);
    CHECK_EQ(prctl(PR_SET_NAME, "spoiler"), 0);
    CHECK_EQ(t_value, 5);
    t_value = 6;
    spoil_registers();
    for (int64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
         arg && clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < 60000000;) {
    }
    return self(NULL);
}

static void *look(void *arg)
{
    char name[16];
    sigset_t set;
    stack_t ss;
    struct rusage usage;
    CHECK(round_is(ROUND_DOWN));
    CHECK_EQ(t_value, 5);
    CHECK_EQ(prctl(PR_GET_NAME, name), 0);
    CHECK(strcmp(name, "creator") == 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &set), 0);
    CHECK(sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2));
    CHECK_EQ(sigaltstack(NULL, &ss), 0);
    CHECK(ss.ss_flags & SS_DISABLE);
    CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) < 20000000);
    clockid_t id;
    CHECK_EQ(pthread_getcpuclockid(pthread_self(), &id), 0);
    CHECK(clock_ns(id) < 20000000);
    CHECK_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
    CHECK(usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec + usage.ru_stime.tv_usec < 50000);
    (void)arg;
    return self(NULL);
}

static void check_gone(pid_t tid)
{
    int left = PATIENCE;
    while (syscall(SYS_tgkill, getpid(), tid, 0) == 0 && --left) {
        usleep(1000);
    }
    CHECK_ERRNO(syscall(SYS_tgkill, getpid(), tid, 0), ESRCH);
    for (left = PATIENCE; task_count() != 1 && --left;) {
        usleep(1000);
    }
    CHECK_EQ(task_count(), 1);
}

static void one_after_another(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(prctl(PR_SET_NAME, "creator"), 0);
    set_round(ROUND_DOWN);
    for (long i = 0; i < 12; i++) {
        pid_t tid = run(spoil, (void *)(long)(i == 5));
        CHECK(tid > 0 && tid != getpid());
        if (i % 3 == 0) {
            check_gone(tid);
        }
        CHECK(run(look, NULL) != tid);
    }
    set_round(ROUND_NEAREST);
}

/* --- raw threads: registers and words --- */

static int g_word, g_other_word, g_registers_differ;
static char g_stack[65536] __attribute__((aligned(16)));
#define RAW_FLAGS                                                                                  \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_CHILD_CLEARTID)

/* clone, and in the child: are the vector registers those of the caller? Then it spoils them, and exits. */
static void raw_vector_thread(void)
{
    static const char pattern[16] = "0123456789abcde";
    char *top = g_stack + sizeof(g_stack);
    long r;
    __asm__ volatile("movdqu %[pattern], %%xmm13\n\t"
                     "mov %[word], %%r10\n\t"
                     "mov $56, %%eax\n\t"
                     "syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "movdqu %[pattern], %%xmm12\n\t"
                     "pcmpeqb %%xmm13, %%xmm12\n\t"
                     "pmovmskb %%xmm12, %%eax\n\t"
                     "xor $0xffff, %%eax\n\t"
                     "lock or %%eax, %[differ]\n\t"
                     "pxor %%xmm13, %%xmm13\n\t"
                     "xor %%edi, %%edi\n\t"
                     "mov $60, %%eax\n\t"
                     "syscall\n"
                     "1:"
                     : "=a"(r), [differ] "+m"(g_registers_differ)
                     : [pattern] "m"(pattern), [word] "r"(&g_word), "D"((long)RAW_FLAGS), "S"(top),
                       "d"(0L)
                     : "rcx", "r8", "r10", "r11", "memory", "xmm12", "xmm13");
    CHECK(r > 0);
}

static void wait_word(int *word)
{
    for (int v; (v = __atomic_load_n(word, __ATOMIC_ACQUIRE)) != 0;) {
        struct timespec limit = {5, 0};
        CHECK(syscall(SYS_futex, word, FUTEX_WAIT, v, &limit, NULL, 0) == 0 || errno == EAGAIN ||
              errno == EINTR);
    }
}

static int take_other_word(void *arg)
{
    (void)arg;
    syscall(SYS_set_tid_address, &g_other_word);
    syscall(SYS_exit, 0);
    return 0;
}

static void raw_threads(void)
{
    for (int i = 0; i < 20; i++) {
        g_word = 1;
        raw_vector_thread();
        wait_word(&g_word);
    }
    CHECK_EQ(g_registers_differ, 0);
    for (int i = 0; i < 6; i++) {
        g_word = g_other_word = 1;
        CHECK(clone(take_other_word, g_stack + sizeof(g_stack), RAW_FLAGS, NULL, NULL, NULL,
                    &g_word) > 0);
        wait_word(&g_other_word);
        CHECK_EQ(g_word, 1);
    }
}

/* --- signals and locks --- */

static void *leave_with_signal(void *arg)
{
    (void)arg;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), tid, SIGUSR1), 0); /* it is blocked */
    return self(NULL);
}

static void *unblock(void *arg)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    (void)arg;
    return self(NULL);
}

static void *leave_with_lock(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_mutex_lock(&g_robust), 0);
    return self(NULL);
}

static void signals_and_locks(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    pthread_mutexattr_t attr;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    CHECK_EQ(pthread_mutex_init(&g_robust, &attr), 0);
    for (int i = 0; i < 5; i++) {
        run(leave_with_signal, NULL);
        run(unblock, NULL);
        CHECK_EQ(g_signals, 0);
        run(leave_with_lock, NULL);
        CHECK_EQ(pthread_mutex_lock(&g_robust), EOWNERDEAD);
        CHECK_EQ(pthread_mutex_consistent(&g_robust), 0);
        CHECK_EQ(pthread_mutex_unlock(&g_robust), 0);
    }
    /* The process's own is for whoever takes it. */
    run(self, NULL);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    run(unblock, NULL);
    CHECK_EQ(g_signals, 1);
}

/* --- many --- */

static void *grandchild(void *arg)
{
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, self, NULL), 0);
    CHECK_EQ(arg ? pthread_join(t, NULL) : pthread_detach(t), 0);
    return arg;
}

static void many(void)
{
    pthread_t t[24];
    for (long round = 0; round < 10; round++) {
        for (int i = 0; i < 24; i++) {
            CHECK_EQ(pthread_create(&t[i], NULL, grandchild, (void *)(i % 4L)), 0);
        }
        for (int i = 0; i < 24; i++) {
            CHECK_EQ(pthread_join(t[i], NULL), 0);
        }
    }
}

static void *exec_self(void *arg)
{
    char *const argv[] = {arg, "again", NULL};
    execv("/proc/self/exe", argv);
    return NULL;
}

static void in_child(char *name)
{
    pid_t pid = fork();
    if (pid == 0) {
        many();
        run(self, NULL);
        run(exec_self, name);
        _exit(1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 7 << 8);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        run(self, NULL);
        run(self, NULL);
        check_gone(run(self, NULL));
        return 7;
    }
    check_gone(run(self, NULL));
    one_after_another();
    raw_threads();
    signals_and_locks();
    many();
    in_child(argv[0]);
    return 0;
}
