/*
 * Kept lookups: what the kernel said about names lies where the guest can write it, next to stamps that it can't. What must
 * happen: a liar lies to itself alone; stamps stay as they are; who gives up rights finds nothing of what it
 * knew before, and nobody finds names in a directory that it may search but not read.
 */
#include "tests/escape/forge.h"

#include <grp.h>

static struct platform_names *names(void)
{
    return &((struct platform_lease_page *)LEASE_PAGE)->names;
}

static int stat_often(const char *path)
{
    struct stat st;
    int r = -1;
    for (int i = 0; i < 20; i++) {
        r = stat(path, &st);
    }
    return r;
}

static void make_file(const char *path, mode_t mode, off_t size)
{
    int fd = open(path, O_RDWR | O_CREAT, mode);
    if (fd < 0 || fchmod(fd, mode) < 0 || ftruncate(fd, size) < 0) {
        BREACH("%s can't be made, so this attack is none", path);
    }
    close(fd);
}

/* Is there such text in what is kept? */
static bool keeps(const char *text)
{
    return memmem(names(), sizeof(*names()), text, strlen(text)) != NULL;
}

static bool keeps_number(uint64_t number)
{
    return memmem(names(), sizeof(*names()), &number, sizeof(number)) != NULL;
}

/* --- stamps --- */

static void stamp_writer(void)
{
    volatile struct stub_ro *ro = (volatile struct stub_ro *)STUB_RO;
    ro->stamps.everything = 0;
}
static void stamps_written(void)
{
    uint64_t at = STUB_RO + offsetof(struct stub_ro, stamps);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        stamp_writer();
        BREACH("a stamp was written");
    }
    int status;
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status)) {
        _exit(BREACH_STATUS);
    }
    for (uint64_t page = at & ~4095UL; page < STUB_RO + STUB_RO_SIZE; page += 4096) {
        GATE_MUST_FAIL(SYS_mprotect, page, 4096, 3);
        GATE_MUST_FAIL(SYS_mmap, page, 4096, 3, MAP_SHARED | MAP_FIXED, STUB_FD_RO, page - STUB_RO);
        GATE_MUST_FAIL(SYS_mmap, page, 4096, 3, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
        GATE_MUST_FAIL(SYS_munmap, page, 4096);
        GATE_MUST_FAIL(SYS_madvise, page, 4096, MADV_DONTFORK);
    }
}

/* --- lies --- */

static volatile bool g_stop;
static void *liar(void *arg)
{
    uint8_t *at = (uint8_t *)names();
    for (unsigned i = 0; !g_stop; i++) {
        uint64_t r = rnd();
        switch (i % 4) {
        case 0:
            names()->sets = (uint32_t)(r % 3 ? r % 200 : r);
            break;
        case 1:
            names()->ahead_uses = (uint32_t)r;
            break;
        case 2: { /* fits any question: no stamps, both kinds */
            struct platform_name *n = &names()->kept[r % NAME_SETS_MAX][r >> 32 & 3];
            n->since = UINT64_MAX;
            n->flags = (uint8_t)(r >> 40);
            n->size = r;
            n->seq = (uint32_t)r & ~1U;
            for (int k = 0; k < NAME_DEPS; k++) {
                n->deps[k] = (uint16_t)rnd();
            }
            break;
        }
        default:
            at[r % sizeof(*names())] = (uint8_t)(r >> 48);
        }
    }
    return arg;
}
static void forged_names(void)
{
    char path[64];
    mkdir("/tmp/liars-names", 0755);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "/tmp/liars-names/file%03d", i);
        make_file(path, 0644, 1000 + i);
    }
    pid_t spoiled = fork();
    if (spoiled == 0) {
        pthread_t t;
        pthread_create(&t, NULL, liar, NULL);
        for (double end = now() + 1.5; now() < end;) {
            struct stat st;
            snprintf(path, sizeof(path), "/tmp/liars-names/file%03d", (int)(rnd() % 300));
            stat(path, &st);
            chmod(path, rnd() % 2 ? 0644 : 0600);
            for (int i = 0; i < 300; i++) {
                snprintf(path, sizeof(path), "/tmp/liars-names/file%03d", i);
                lstat(path, &st);
            }
        }
        _exit(0);
    }
    for (double end = now() + 1.5; now() < end;) { /* what others see is true */
        for (int i = 0; i < 300; i++) {
            struct stat st;
            snprintf(path, sizeof(path), "/tmp/liars-names/file%03d", i);
            if (stat(path, &st) < 0 || st.st_size != 1000 + i || !S_ISREG(st.st_mode)) {
                BREACH("%s: size %ld, mode %o", path, (long)st.st_size, st.st_mode);
            }
        }
    }
    kill(spoiled, SIGKILL);
    waitpid(spoiled, NULL, 0);
}

/* --- rights --- */

#define SECRET_SIZE 0x5ec3e7a1UL
static void make_private(void)
{
    mkdir("/tmp/private-names", 0700);
    make_file("/tmp/private-names/one", 0600, (off_t)SECRET_SIZE);
    make_file("/tmp/private-names/two", 0600, 2);
}

/* real: not only in effect; access(2) asks for the real user. */
static void must_be_closed(const char *who, bool real)
{
    struct stat st;
    for (int i = 0; i < 20; i++) {
        if (stat("/tmp/private-names/one", &st) == 0 || errno != EACCES) {
            BREACH("%s sees a file of root's directory (%d)", who, errno);
        }
        if (real && (access("/tmp/private-names/none", F_OK) == 0 || errno != EACCES)) {
            BREACH("%s sees that a file is missing in root's directory (%d)", who, errno);
        }
    }
}

static void rights_dropped(void)
{
    struct stat st;
    make_private();
    if (stat_often("/tmp/private-names/one") < 0) {
        BREACH("root can't see it, so this attack is none");
    }
    stat_often("/tmp/private-names/none");
    if (!keeps_number(SECRET_SIZE)) {
        NOTE("not kept\n");
    }
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, NULL) < 0 || setresgid(1000, 1000, 1000) < 0 ||
            setresuid(1000, 1000, 1000) < 0) {
            BREACH("no other user, so this attack is none");
        }
        must_be_closed("a child that dropped its rights", true);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status)) {
        _exit(BREACH_STATUS);
    }
    if (seteuid(1000) < 0) {
        BREACH("no other user, so this attack is none");
    }
    must_be_closed("an effective user", false);
    if (seteuid(0) < 0 || stat("/tmp/private-names/one", &st) < 0) {
        BREACH("root is not root again");
    }
    stat_often("/tmp/private-names/one");
    if (setgroups(0, NULL) < 0 || setresgid(1000, 1000, 1000) < 0 ||
        setresuid(1000, 1000, 1000) < 0) {
        BREACH("no other user, so this attack is none");
    }
    must_be_closed("who dropped its rights", true);
    if (keeps_number(SECRET_SIZE) || keeps("private-names")) {
        BREACH("what root knew is still there");
    }
}

/* One thread alone drops its rights; the others keep theirs. */
static volatile int g_dropped;
static void *dropping(void *arg)
{
    stat_often("/tmp/private-names/one");
    syscall(SYS_setresuid, 1000, 1000, 1000);
    g_dropped = 1;
    for (double end = now() + 0.5; now() < end;) {
        must_be_closed("a thread that dropped its rights", true);
    }
    g_dropped = 2;
    return arg;
}
static void one_thread_dropped(void)
{
    pthread_t t;
    make_private();
    stat_often("/tmp/private-names/one");
    pthread_create(&t, NULL, dropping, NULL);
    while (g_dropped < 2) {
        struct stat st;
        if (stat("/tmp/private-names/one", &st) < 0) {
            BREACH("a thread lost rights that it kept");
        }
        stat("/tmp/private-names/none", &st);
    }
    pthread_join(t, NULL);
}

/* A process that shares the memory, but not the working directory, fds or root. */
static char g_stack[65536];
static int in_other_place(void *arg)
{
    struct stat st;
    if (chdir("/tmp/places/b") < 0 || dup2((int)(intptr_t)arg, 200) < 0) {
        return 1;
    }
    for (int i = 0; i < 40; i++) {
        if (stat("x", &st) < 0 || st.st_size != 22 || fstatat(200, "x", &st, 0) < 0 ||
            st.st_size != 22) {
            return BREACH_STATUS;
        }
    }
    return 0;
}
static void shared_memory(void)
{
    struct stat st;
    int status;
    mkdir("/tmp/places", 0755), mkdir("/tmp/places/a", 0755), mkdir("/tmp/places/b", 0755);
    make_file("/tmp/places/a/x", 0644, 11);
    make_file("/tmp/places/b/x", 0644, 22);
    int b = open("/tmp/places/b", O_RDONLY);
    if (chdir("/tmp/places/a") < 0 || dup2(open("/tmp/places/a", O_RDONLY), 200) < 0) {
        BREACH("no places, so this attack is none");
    }
    for (int i = 0; i < 40; i++) {
        stat("x", &st);
        fstatat(200, "x", &st, 0);
    }
    for (int kind = 0; kind < 2; kind++) {
        int flags = CLONE_VM | SIGCHLD | (kind ? CLONE_VFORK : 0);
        pid_t pid = clone(in_other_place, g_stack + sizeof(g_stack), flags, (void *)(intptr_t)b);
        for (int i = 0; i < 100; i++) {
            if (stat("x", &st) < 0 || st.st_size != 11 || fstatat(200, "x", &st, 0) < 0 ||
                st.st_size != 11) {
                BREACH("a file of somebody else's working directory");
            }
        }
        waitpid(pid, &status, 0);
        if (status) {
            BREACH("kind %d: files of somebody else's working directory: %#x", kind, status);
        }
    }
}

/* Searching is not reading: names that come ahead are names that one could have listed. */
static void search_only(void)
{
    char path[64];
    mkdir("/tmp/search-only", 0711);
    chmod("/tmp/search-only", 0711);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof(path), "/tmp/search-only/%s%02d", i < 4 ? "known" : "hidden", i);
        make_file(path, 0644, 7);
    }
    if (setgroups(0, NULL) < 0 || setresgid(1000, 1000, 1000) < 0 ||
        setresuid(1000, 1000, 1000) < 0) {
        BREACH("no other user, so this attack is none");
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) {
            struct stat st;
            snprintf(path, sizeof(path), "/tmp/search-only/known%02d", i);
            if (stat(path, &st) < 0) {
                BREACH("%s: %d", path, errno);
            }
        }
    }
    if (keeps("hidden")) {
        BREACH("a name that can't be listed");
    }
}

static const struct attack g_attacks[] = {
    {"stamps that are written", stamps_written},  {"forged lookups", forged_names},
    {"rights that were dropped", rights_dropped}, {"one thread's rights", one_thread_dropped},
    {"memory shared, places not", shared_memory}, {"searching is not reading", search_only},
};

ATTACKS_MAIN(g_attacks)
