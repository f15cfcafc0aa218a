/*
 * A second thread changes what the kernel reads, while it reads: paths, descriptors, ids, pids, sizes, states, the mask.
 * All as an ordinary user of the sandbox, next to files, processes and rights that are root's. What must happen:
 * each call does what one consistent set of its arguments allows this user, or fails.
 */
#include "tests/escape/forge.h"

#define RACE_SECONDS  0.5  /* in all, by as many processes as it takes: */
#define ROUND_SECONDS 0.03 /* most of them soon ruin their own channel, and die or wait for ever */
static volatile bool g_stop;
static void (*g_flip)(unsigned i);

static void *flipper(void *arg)
{
    for (unsigned i = (unsigned)rnd(); !g_stop; i++) {
        g_flip(i);
        if (i % 7 == 0) {
            __builtin_ia32_pause();
        }
    }
    return arg;
}

static void race_once(void (*flip)(unsigned i), void (*call)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t t;
        g_flip = flip;
        call(); /* undisturbed: what it needs is there */
        pthread_create(&t, NULL, flipper, NULL);
        for (double end = now() + ROUND_SECONDS; now() < end;) {
            call();
            g_report->rounds++;
        }
        g_stop = true;
        pthread_join(t, NULL);
        must_be_ordinary();
        _exit(0);
    }
    if (!wait_until(pid, &status, now() + 2 * ROUND_SECONDS)) {
        kill(pid, SIGKILL);
        if (!wait_until(pid, &status, now() + 5)) {
            BREACH("a process can't be killed");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == BREACH_STATUS) {
        _exit(BREACH_STATUS);
    }
}
static void race(void (*flip)(unsigned i), void (*call)(void))
{
    int processes = 0;
    report_new();
    for (double end = now() + RACE_SECONDS; now() < end; processes++) {
        rnd(); /* so that each begins elsewhere */
        race_once(flip, call);
    }
    NOTE("%d processes, %d calls, %d came through\n", processes, g_report->rounds,
         g_report->control);
}

/* --- paths: in memory, and in the window --- */
static char g_path[64] = "/tmp/open-to-all";
static const char *const g_names[] = {"/tmp/open-to-all", ROOT_ONLY "\0xx"};
static void flip_path(unsigned i)
{
    memcpy(g_path, g_names[i & 1], 16);
    memcpy((char *)my_channel() + WINDOW_OFFSET, g_names[i & 1], 16);
}
static void look_inside(int fd)
{
    char text[64] = "";
    if (fd >= 0) {
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        close(fd);
        g_report->control++;
        if (n > 0 && strspn(text, "0123456789abcdef") >= 16) {
            BREACH("root's file was read"); /* anything else may be what we wrote into the window */
        }
    }
}
static void open_path(void)
{
    look_inside(open(g_path, O_RDONLY));
}
static void change_path(void)
{
    if (chmod(g_path, 0666) == 0 || chown(g_path, ORDINARY_UID, ORDINARY_UID) == 0 ||
        truncate(g_path, 0) == 0 || unlink(g_path) == 0 || rename(g_path, "/tmp/mine") == 0) {
        BREACH("root's file was changed");
    }
    g_report->control++;
}
static void race_paths(void)
{
    race(flip_path, open_path);
    race(flip_path, change_path);
}

/* --- numbers in the request --- */
static void flip_request(unsigned i)
{
    static const uint32_t numbers[] = {SYS_getppid, SYS_setuid, SYS_setresuid, SYS_chmod,
                                       SYS_open,    SYS_kill,   SYS_read,      SYS_close};
    struct chan *c = my_channel();
    c->nr = numbers[i % 8];
    c->args[0] = i & 8 ? 0 : (uint64_t)ROOT_ONLY;
    c->args[1] = 0;
    c->args[2] = i & 16 ? 0 : 0xffffffff;
}
static void plain_calls(void)
{
    getppid();
    look_inside(open(g_names[0], O_RDONLY));
}
static void race_numbers(void)
{
    race(flip_request, plain_calls);
}

/* --- ids --- */
static uint32_t g_groups[64];
static void flip_ids(unsigned i)
{
    g_groups[0] = i & 1 ? 0 : ORDINARY_UID;
    my_channel()->args[i % 3] = i & 1 ? 0 : ORDINARY_UID;
}
static void set_ids(void)
{
    setresuid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID);
    setresgid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID);
    syscall(SYS_setgroups, 1, g_groups);
    syscall(SYS_setfsuid, ORDINARY_UID);
    g_report->control++;
}
static void race_ids(void)
{
    race(flip_ids, set_ids);
}

/* --- pids: of one's own child, and of root's processes --- */
static pid_t g_child;
static void flip_pids(unsigned i)
{
    struct chan *c = my_channel();
    c->args[0] = i & 1 ? (uint64_t)g_child : i & 2 ? 2 : 3;
    c->args[1] = i & 4 ? SIGKILL : SIGCONT;
}
static void signal_child(void)
{
    if (!g_child && (g_child = fork()) == 0) {
        for (;;) {
            pause();
        }
    }
    kill(g_child, SIGCONT);
    tgkill(g_child, g_child, SIGCONT);
    if (kill(2, SIGKILL) == 0 || kill(3, SIGKILL) == 0) {
        g_report->control++;
    }
}
static void race_pids(void)
{
    race(flip_pids, signal_child); /* the neighbour and our parent are there to be killed */
}

/* --- sizes of what is copied, and buffers --- */
static char g_buf[70000];
static void flip_sizes(unsigned i)
{
    static const uint32_t sizes[] = {0, 1, 64, 4096, 65536, 0x1f000, 0x7fffffff, 0xffffffff};
    struct chan *c = my_channel();
    c->copy_size[i % 6] = sizes[(i / 6) % 8];
    c->copy_filled[i % 6] = sizes[(i / 48) % 8];
    if (i % 3 == 0) {
        __atomic_fetch_or(&c->state, CHAN_SIZES, __ATOMIC_SEQ_CST);
    }
}
static void copy_things(void)
{
    static int zero = -1;
    if (zero < 0) {
        zero = open("/dev/zero", O_RDWR);
    }
    uint8_t *next = (uint8_t *)(CHAN_BASE + 2 * CHAN_STRIDE); /* a slot that nobody has */
    memset(next, 0x33, 64);
    read(zero, g_buf, sizeof(g_buf));
    write(zero, g_buf, sizeof(g_buf));
    readlink("/proc/self/cwd", g_buf, 4096);
    stat("/tmp", (struct stat *)g_buf);
    for (int i = 0; i < 64; i++) {
        if (next[i] != 0x33) {
            BREACH("a slot beside was written");
        }
    }
    g_report->control++;
}
static void race_sizes(void)
{
    race(flip_sizes, copy_things);
}

/* --- strings of a program's arguments --- */
static void flip_strings(unsigned i)
{
    uint8_t *window = (uint8_t *)my_channel() + WINDOW_OFFSET;
    window[256 + i % 4096] = i & 4096 ? 'x' : 0;
    flip_sizes(i);
}
static void pass_strings(void)
{
    static char *many[200];
    for (int i = 0; i < 199; i++) {
        many[i] = "string";
    }
    close(open("/tmp/no-program", O_CREAT | O_WRONLY, 0755));
    if (execve("/tmp/no-program", many, many) == -1) {
        g_report->control++;
    }
}
static void race_strings(void)
{
    race(flip_strings, pass_strings);
}

/* --- states and orders --- */
static void flip_state(unsigned i)
{
    static const uint32_t states[] = {
        CHAN_REQ,    CHAN_REQ | CHAN_NO_POLL,     CHAN_REQ | CHAN_COPY,    CHAN_DONE, CHAN_IDLE,
        CHAN_PARKED, CHAN_PARKED | CHAN_SLEEPING, CHAN_REQ | CHAN_SLEEPING};
    struct chan *c = my_channel();
    if (i % 64 == 0) {
        c->state = states[(i / 64) % 8];
    }
    c->order = i % 11;
    c->wake_id = i;
}
static void race_states(void)
{
    race(flip_state, plain_calls);
}

/* --- answers and the mask, which the guest keeps --- */
static void flip_answers(unsigned i)
{
    struct chan *c = my_channel();
    for (int k = 0; k < ANSWER_COUNT; k++) {
        c->answers[k] = ANSWER_VALID | (i & 1 ? 0 : rnd());
    }
    c->sigmask = i & 2 ? ~0UL : rnd();
    c->ask = i & 4 ? 0 : (uint32_t)rnd();
}
static void ask_for_answers(void)
{
    getuid(), geteuid(), getgid(), getpid(), getppid();
    struct stat st;
    int fd = open(ROOT_ONLY, O_RDONLY);
    if (fd >= 0 || chmod(ROOT_ONLY, 0666) == 0) {
        BREACH("the kernel believed an answer of the guest's");
    }
    stat("/tmp", &st);
    g_report->control++;
}
static void race_answers(void)
{
    race(flip_answers, ask_for_answers);
}

/* A mask that blocks everything: SIGKILL and SIGSTOP are not to be blocked. */
static void masked(void)
{
    for (;;) {
        my_channel()->sigmask = ~0UL;
        getppid();
    }
}
static void unblockable(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        masked();
    }
    usleep(20000);
    kill(pid, SIGSTOP);
    if (!wait_until(pid, &status, now() + 0.01)) {
        pid_t r = 0;
        for (double end = now() + 3; now() < end && r == 0;) {
            r = waitpid(pid, &status, WNOHANG | WUNTRACED);
            usleep(1000);
        }
        if (r != pid || !WIFSTOPPED(status)) {
            BREACH("SIGSTOP was blocked");
        }
    }
    kill(pid, SIGKILL);
    if (!wait_until(pid, &status, now() + 3) || !WIFSIGNALED(status) ||
        WTERMSIG(status) != SIGKILL) {
        BREACH("SIGKILL was blocked");
    }
}

/* --- frames: registers on their way to and from a handler --- */
static void flip_regs(unsigned i)
{
    my_channel()->regs[i % REG_COUNT_] = i & 1 ? rnd() : my_channel()->regs[(i + 1) % REG_COUNT_];
}
static void on_signal(int sig)
{
    (void)sig;
}
static void take_signals(void)
{
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    g_report->control++;
}
static void race_frames(void)
{
    race(flip_regs, take_signals);
}

static const struct attack g_attacks[] = {
    {"race: paths", race_paths, true},
    {"race: numbers", race_numbers, true},
    {"race: ids", race_ids, true},
    {"race: pids", race_pids, true},
    {"race: sizes", race_sizes, true},
    {"race: strings of arguments", race_strings, true},
    {"race: states and orders", race_states, true},
    {"race: answers and masks", race_answers, true},
    {"race: signals that can't be blocked", unblockable, true},
    {"race: registers of handlers", race_frames, true},
};

int main(void)
{
    int fd = open(g_names[0], O_WRONLY | O_CREAT | O_TRUNC, 0444);
    write(fd, "open to all\n", 12);
    close(fd);
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
