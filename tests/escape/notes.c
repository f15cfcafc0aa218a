/*
 * Noted calls: what a process writes into a log instead of calling, and what it says of that with its requests. What must
 * happen: a forged note does what the call would have done that it stands for, or nothing; to a file that the process may
 * not change, or with rights that it has given up, it does nothing. No size, slot or kind makes the sentry read or write elsewhere.
 */
#include "tests/escape/forge.h"

#include <sched.h>

static struct platform_note *log_at(size_t at)
{
    return (struct platform_note *)((char *)my_channel() + WINDOW_OFFSET + NOTES_OFFSET + at);
}

static int new_file(const char *path, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, mode);
    if (fd < 0) {
        BREACH("%s can't be made, so this attack is none", path);
    }
    return fd;
}

/* Makes the stub say with its next request that there are notes. Return: false when it notes nothing. */
static bool have_notes(void)
{
    int fd = new_file("/tmp/notes-own", 0600);
    bool noted = fchmod(fd, 0600) == 0 && (my_channel()->notes & NOTES_LOGGED);
    if (!noted) {
        NOTE("nothing is noted\n");
    }
    return noted;
}

/* A note for each slot behind what is there. Return: the log's new size. */
static size_t forge_notes(uint8_t kind, const void *bytes, uint32_t size)
{
    size_t at = my_channel()->notes & NOTES_LOGGED;
    for (uint8_t slot = 0; slot < NOTE_SLOTS; slot++) {
        struct platform_note *n = log_at(at);
        *n = (struct platform_note){.kind = kind, .slot = slot, .size = size, .tsc = rnd()};
        memcpy(n + 1, bytes, size);
        at += NOTE_NEXT(size);
    }
    return at;
}

static void tell(size_t size)
{
    struct chan *c = my_channel();
    c->notes = (c->notes & ~(NOTES_LOGGED | 0xffUL << NOTES_REVOKED_SHIFT)) | size;
    raw_syscall(SYS_getpriority, 0, 0, 0, 0);
    getppid();
    access("/tmp/no-such-name", F_OK);
}

/* Linux: who may only read a file changes neither its bytes nor its attributes. */
static void others_file(void)
{
    static const uint64_t owner[2] = {ORDINARY_UID, ORDINARY_UID}, mode = 0777;
    static const int64_t times[4] = {1, 1, 1, 1};
    struct stat before, after;
    int fd = open("/tmp/notes-readable", O_RDONLY);
    if (fd < 0 || fstat(fd, &before) < 0) {
        BREACH("it can't be read, so this attack is none");
    }
    for (uint8_t kind = 0; kind < 8; kind++) {
        if (have_notes()) {
            forge_notes(NOTE_MODE, &mode, 8);
            tell(forge_notes(kind, kind == NOTE_OWNER ? (const void *)owner : times,
                             kind == NOTE_OWNER ? 16 : 32));
        }
    }
    if (fstat(fd, &after) < 0 || before.st_size != after.st_size ||
        before.st_mode != after.st_mode || before.st_uid != after.st_uid ||
        before.st_mtim.tv_sec != after.st_mtim.tv_sec) {
        BREACH("a file that is open for reading was changed by a note");
    }
}

/* Linux: without CAP_CHOWN nobody gives a file away, nor sets what makes it run as another. */
static void away(void)
{
    static const uint64_t root[2] = {0, 0}, mode = 06777;
    struct stat st;
    int fd = new_file("/tmp/notes-given", 0755);
    if (have_notes()) {
        forge_notes(NOTE_OWNER, root, 16);
        tell(forge_notes(NOTE_MODE, &mode, 8));
    }
    if (fstat(fd, &st) < 0 || st.st_uid != ORDINARY_UID || st.st_mode & (S_ISUID | S_ISGID)) {
        BREACH("a file's owner is %u and its mode %o", st.st_uid, st.st_mode);
    }
}

/* The same for root that has become an ordinary user, with files that it made before. */
static void given_up(void)
{
    static const uint64_t owner[2] = {ORDINARY_UID, ORDINARY_UID}, mode = 0666;
    struct stat st;
    int fd = new_file("/tmp/notes-roots", 0600);
    fchown(fd, 0, 0);
    become_ordinary();
    if (have_notes()) {
        forge_notes(NOTE_MODE, &mode, 8);
        tell(forge_notes(NOTE_OWNER, owner, 16));
    }
    if (fstat(fd, &st) < 0 || st.st_uid != 0 || (st.st_mode & 0777) != 0600) {
        BREACH("root's file has owner %u and mode %o", st.st_uid, st.st_mode);
    }
}

/* Files made by notes, each with its own idea of name, mode, flags and fd. Return: what is logged. */
static size_t forge_create(size_t at, uint8_t slot, const char *name, uint16_t mode, uint16_t fd,
                           uint32_t flags)
{
    struct platform_note *n = log_at(at);
    struct platform_note_create c = {.flags = flags, .mode = mode, .fd = fd};
    *n = (struct platform_note){.kind = NOTE_CREATE,
                                .slot = slot,
                                .size = (uint32_t)(sizeof(c) + strlen(name)),
                                .tsc = rnd()};
    memcpy(n + 1, &c, sizeof(c));
    memcpy((char *)(n + 1) + sizeof(c), name, strlen(name));
    return at + NOTE_NEXT(n->size);
}

/*
 * The process may make files by notes in this directory. Return: it does. The filter of names takes a new one for one that is there
 * now and then, and a grant that was of no use makes the next one wait: hence so many attempts.
 */
static bool may_create(const char *dir)
{
    static unsigned removed, made;
    char name[64];
    for (; removed < made; removed++) { /* a directory with many names has no grant */
        snprintf(name, sizeof(name), "%s/%u.%u", dir, getpid(), removed);
        unlink(name);
    }
    for (int i = 0; i < 80 && (i < 4 || !(my_channel()->notes & NOTES_LOGGED)); i++) {
        snprintf(name, sizeof(name), "%s/%u.%u", dir, getpid(), made++);
        close(open(name, O_WRONLY | O_CREAT | O_EXCL, 0600));
    }
    return my_channel()->notes & NOTES_LOGGED;
}

/* Linux: a name in a directory is neither a way out of it, nor another's file; nobody makes set-id files by a note. */
static void made_elsewhere(void)
{
    static const char *const names[] = {"../notes-root/x", "..",    ".", "a/b",
                                        "/notes-root",     "first0"};
    struct stat st;
    mkdir("/dev/shm/notes-own", 0755);
    for (int round = 0; round < 50; round++) {
        if (!may_create("/dev/shm/notes-own")) {
            BREACH("no file is made by a note, so this attack is none");
        }
        size_t at = my_channel()->notes & NOTES_LOGGED;
        for (uint8_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            at = forge_create(at, i, names[i], (uint16_t)rnd(), (uint16_t)(rnd() % 8), 0101);
        }
        at = forge_create(at, 6, "set-id", 06777, (uint16_t)rnd(), (uint32_t)rnd() | 0101);
        at = forge_create(at, (uint8_t)rnd(), "more", 0777, 0, 0102);
        tell(at);
        if (stat("/dev/shm/notes-root/x", &st) == 0 || stat("/dev/shm/notes-own/a", &st) == 0) {
            BREACH("a note made a file elsewhere");
        }
        if (stat("/dev/shm/notes-own/set-id", &st) == 0 && st.st_mode & (S_ISUID | S_ISGID)) {
            BREACH("a note made a set-id file");
        }
        if (fcntl(0, F_GETFD) < 0 || fcntl(2, F_GETFD) < 0) {
            BREACH("a note took a descriptor away");
        }
        unlink("/dev/shm/notes-own/set-id");
        unlink("/dev/shm/notes-own/more");
    }
}

/* Root's directory, after root has become an ordinary user. */
static void made_without_rights(void)
{
    struct stat st;
    bool made = may_create("/dev/shm/notes-root");
    become_ordinary();
    size_t at = my_channel()->notes & NOTES_LOGGED;
    at = forge_create(at, 0, "later", 0600, 7, 0101);
    tell(at);
    int fd = open("/dev/shm/notes-root/by-call", O_WRONLY | O_CREAT, 0600);
    if (made && (fd >= 0 || stat("/dev/shm/notes-root/later", &st) == 0)) {
        BREACH("a file was made in root's directory");
    }
}

/* The log, the filter and the grant change while the sentry reads them, and others look at the directory. */
static void made_without_sense(void)
{
    char name[64];
    int status;
    mkdir("/dev/shm/notes-sense", 0777);
    chmod("/dev/shm/notes-sense", 0777);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            access("/dev/shm/notes-sense/later", F_OK);
            usleep(3000);
        }
    }
    struct platform_creates *c = &((struct platform_lease_page *)LEASE_PAGE)->creates;
    for (int i = 0; i < 1500; i++) {
        mkdir("/dev/shm/notes-sense/end", 0777);
        rmdir("/dev/shm/notes-sense/end");
        if (!may_create("/dev/shm/notes-sense")) {
            continue; /* just now */
        }
        size_t at = my_channel()->notes & NOTES_LOGGED;
        for (int j = 0; j < 140; j++) {
            snprintf(name, sizeof(name), "n%d", (int)(rnd() % 40));
            at = forge_create(at, (uint8_t)rnd(), name, (uint16_t)rnd(), (uint16_t)(rnd() % 80),
                              (uint32_t)(rnd() & rnd()) | 0101);
            if (rnd() % 2) {
                *log_at(at) = (struct platform_note){.kind = NOTE_CLOSE, .slot = (uint8_t)rnd()};
                at += NOTE_NEXT(0);
            }
        }
        c->prefix = (uint32_t)rnd();
        c->deps[rnd() % NAME_DEPS] = (uint16_t)rnd();
        c->rights = (uint32_t)rnd();
        c->filter[rnd() % (CREATE_FILTER_BITS / 64)] = rnd();
        tell(at);
        for (int fd = 10; fd < 80; fd++) {
            close(fd);
        }
        for (int j = 0; j < 40; j++) {
            snprintf(name, sizeof(name), "/dev/shm/notes-sense/n%d", j);
            unlink(name);
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* Numbers without sense, while another process that shares the memory changes them. */
static int change_notes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000000; i++) {
        *(volatile uint64_t *)log_at((rnd() % NOTES_SIZE) & ~7UL) = rnd();
        if (i % 64 == 0) {
            my_channel()->notes = rnd();
        }
        if (i % 4096 == 0) {
            sched_yield();
        }
    }
    _exit(0);
}

static void nonsense(void)
{
    static char stack[65536], block[300];
    int status;
    char name[64];
    pid_t pid = clone(change_notes, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
    for (int i = 0; i < 4000; i++) {
        snprintf(name, sizeof(name), "/tmp/notes-n%d", i % 16);
        unlink(name);
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        for (uint32_t j = 0; j < 8; j++) {
            struct platform_note *n = log_at(j * (NOTES_SIZE / 8));
            *n = (struct platform_note){.kind = (uint8_t)(rnd() % 8),
                                        .slot = (uint8_t)rnd(),
                                        .size = (uint32_t)(rnd() >> rnd() % 40),
                                        .tsc = rnd()};
        }
        if (fd >= 0) {
            (void)!write(fd, block, sizeof(block));
            fchmod(fd, 0644);
            my_channel()->notes ^= rnd() & rnd() & 0xffffffffffffUL;
            close(fd);
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, __WALL);
}

/* Closes that the process says it has noted: of its own files only, and another process's stay. */
static void forged_closes(void)
{
    char buf[2] = "";
    int mine = open("/tmp/notes-readable", O_RDONLY), status;
    pid_t pid = fork();
    if (pid == 0) {
        int fds[16];
        for (int i = 0; i < 16; i++) {
            fds[i] = open("/tmp/notes-readable", O_RDONLY);
        }
        for (int i = 0; i < 200 && have_notes(); i++) {
            my_channel()->notes |= NOTES_CLOSED;
            tell(my_channel()->notes & NOTES_LOGGED);
            close(fds[i % 16]);
        }
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (pread(mine, buf, 1, 0) != 1 || buf[0] != 'R') {
        BREACH("another process's descriptor was closed, or leads elsewhere");
    }
}

/* The reply's line: a grant that nobody gave. */
static void forged_grants(void)
{
    int fd = open("/tmp/notes-readable", O_RDONLY);
    struct stat before, after;
    fstat(fd, &before);
    for (uint32_t slot = 0; slot < NOTE_SLOTS; slot++) {
        my_channel()->order = NOTE_GRANTED | slot << NOTE_SLOT_SHIFT | 0xffU << NOTE_RIGHTS_SHIFT |
                              (uint32_t)fd << NOTE_FD_SHIFT;
        access("/tmp/no-such-name", F_OK);
        (void)!write(fd, "W", 1);
        fchmod(fd, 0777);
        fchown(fd, ORDINARY_UID, ORDINARY_UID);
    }
    if (fstat(fd, &after) < 0 || before.st_size != after.st_size ||
        before.st_mode != after.st_mode || before.st_uid != after.st_uid) {
        BREACH("a file that is open for reading was changed");
    }
}

static const struct attack g_attacks[] = {
    {"notes: of a file that can only be read", others_file, true},
    {"notes: of owners and set-id bits", away, true},
    {"notes: rights that were given up", given_up},
    {"notes: files made elsewhere", made_elsewhere, true},
    {"notes: files made with rights that were given up", made_without_rights},
    {"notes: files made without sense", made_without_sense},
    {"notes: files made without sense, ordinary user", made_without_sense, true},
    {"notes: numbers without sense", nonsense},
    {"notes: numbers without sense, ordinary user", nonsense, true},
    {"notes: closes that were none", forged_closes, true},
    {"notes: a forged reply", forged_grants, true},
};

int main(void)
{
    int fd = new_file("/tmp/notes-readable", 0644);
    (void)!write(fd, "RRRR", 4);
    close(fd);
    mkdir("/dev/shm/notes-root", 0755);
    g_may_hang = true;
    return run_attacks(g_attacks, sizeof(g_attacks) / sizeof(g_attacks[0]));
}
