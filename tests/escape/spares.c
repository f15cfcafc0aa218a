/*
 * Programs that go on in a spare host process (platform/seccomp/spare.c): what an old program can leave behind for the next one, what
 * a spare may bring along that its new owner must not see, and storms of them. What must happen: a program starts clean or
 * not at all, whatever the one before did to its stub; an ordinary user's programs get nothing that only root's could open.
 */
#include "tests/escape/driver.h"

#include <dirent.h>
#include <pthread.h>

/* This program with a mark at its end, in a folder of the host's tree that only root may enter (spares.sh). */
#define HIDDEN_FILE "hidden/program"
#define MARK        "an ordinary user never sees this"
#define MARK_SIZE   32

/* --- programs --- */

/* Started by an attack: it must find nothing of the old program's. */
static void check_clean(void)
{
    unsigned char in_core;
    if (mincore((void *)0x200000000000, 4096, &in_core) == 0) {
        BREACH("a program began with memory of the one before");
    }
    DIR *d = opendir("/proc/self/task");
    int threads = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        threads += e->d_name[0] != '.';
    }
    if (threads != 1) {
        BREACH("a program began with %d threads", threads);
    }
    _exit(0);
}
/* HIDDEN_FILE's last bytes: can they be mapped by any number? */
static void look_for_hidden(void)
{
    char mark[] = MARK;
    struct stat st;
    if (stat("/proc/self/exe", &st) < 0) {
        _exit(0);
    }
    for (uint64_t fd = 0; fd < STUB_FD_GIVEN + 64; fd++) {
        long at = GATE(SYS_mmap, 0, 1 << 20, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at <= 0 && at > -4096) {
            continue;
        }
        int null = open("/dev/null", O_WRONLY); /* what lies behind a file's end is no memory */
        const char *end = (const char *)at + st.st_size;
        if (write(null, end, MARK_SIZE) == MARK_SIZE && memcmp(end, mark, MARK_SIZE) == 0) {
            BREACH("fd %lu shows a file that is out of reach", fd);
        }
        close(null);
        GATE(SYS_munmap, at, 1 << 20);
    }
    _exit(0);
}
__attribute__((constructor)) static void programs(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[0], "clean")) {
        check_clean();
    } else if (argc == 2 && !strcmp(argv[0], "look")) {
        look_for_hidden();
    } else if (argc == 2 && !strcmp(argv[0], "end")) {
        _exit(0);
    }
}

static int start(const char *file, const char *name, const char *arg, void (*before)(void))
{
    char *const argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t)arg, NULL};
    char *const envp[] = {NULL};
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (before) {
            before();
        }
        execve(file, argv, envp);
        _exit(0); /* no program is well, too */
    }
    if (!wait_until(pid, &status, now() + 5)) {
        kill(pid, SIGKILL);
        wait_until(pid, &status, now() + 5);
    }
    return status;
}
static void start_clean(void (*before)(void))
{
    for (int i = 0; i < 10; i++) {
        int status = start("/proc/self/exe", "clean", "", before);
        if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            BREACH("a program did not begin clean");
        }
    }
}

/* --- what the old program leaves behind --- */

static void leave_memory(void)
{
    void *p = mmap((void *)0x200000000000, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    (void)p;
}
static void leave_no_fds(void)
{
    leave_memory();
    for (uint64_t fd = 0; fd < 64; fd++) {
        GATE(SYS_close, fd);
    }
}
static void leave_broken_stub(void)
{
    leave_memory();
    for (uint64_t at = STUB_HOT; at < STUB_HOT + 0x300; at += 8) {
        *(volatile uint64_t *)at = rnd();
    }
    for (int sig = 1; sig < 65; sig++) {
        GATE(SYS_rt_sigaction, sig, 0x1000, 0, 8);
    }
}
static void *stay(void *arg)
{
    for (volatile int i = 0;; i++) {
    }
    return arg;
}
static void leave_threads(void)
{
    leave_memory();
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        pthread_create(&t, NULL, stay, NULL);
    }
}
static void old_memory(void)
{
    start_clean(leave_memory);
}
static void no_fds(void)
{
    start_clean(leave_no_fds);
}
static void broken_stub(void)
{
    start_clean(leave_broken_stub);
}
static void threads_left(void)
{
    start_clean(leave_threads);
}

/* --- files of another class --- */

/* Root starts the hidden program until spares come with it. */
static void files_of_root(void)
{
    if (getuid() != 0) {
        return;
    }
    for (int i = 0; i < 24; i++) {
        start(i % 2 ? HIDDEN_FILE : "/proc/self/exe", "end", "", NULL);
    }
    int status = start("/proc/self/exe", "look", "", NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != BREACH_STATUS) {
        NOTE("root's own programs do not come with it\n");
    }
    for (int i = 0; i < 12; i++) {
        status = start("/proc/self/exe", "look", "", i % 3 ? become_ordinary : NULL);
        if (i % 3 && WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
            BREACH("an ordinary user's program was given a file of root's");
        }
    }
}

/* --- storms --- */

static void *storm(void *arg)
{
    for (int i = 0; i < 60; i++) {
        char *const argv[] = {(char *)(uintptr_t) "end", (char *)(uintptr_t) "", NULL};
        char *const envp[] = {NULL};
        pid_t pid = i % 2 ? fork() : vfork();
        if (pid == 0) {
            execve("/proc/self/exe", argv, envp);
            _exit(0);
        }
        if (i % 5 == 0) {
            kill(pid, SIGKILL);
        }
        (void)!waitpid(pid, NULL, 0);
    }
    return arg;
}
static void storms(void)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&t[i], NULL, storm, NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
}

static const struct attack g_attacks[] = {
    {"spare: memory of the old program", old_memory},
    {"spare: storms", storms},
    {"spare: threads of the old program", threads_left},
    {"spare: files of another class", files_of_root},
    {"spare: an old program without descriptors", no_fds},
    {"spare: an old program's broken stub", broken_stub},
};

int main(void)
{
    size_t count = sizeof(g_attacks) / sizeof(g_attacks[0]);
    g_may_hang = true;
    return run_attacks(g_attacks, getenv("NO_GATE") ? 2 : count);
}
