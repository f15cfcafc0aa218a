/*
 * proc_pid_maps(5) and the files that show a process's memory: maps has the program, its stack, heap,
 * and what it maps, by name, offset, inode; cmdline, environ, exe, cwd, root, comm.
 */
#include "../compat.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

extern char **environ;

static char *slurp(const char *name, size_t *size)
{
    static char text[1 << 20];
    size_t n = 0;
    ssize_t r;
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0);
    while ((r = read(fd, text + n, 1000)) > 0) {
        n += (size_t)r;
    }
    CHECK_EQ(r, 0);
    close(fd);
    text[n] = 0;
    if (size) {
        *size = n;
    }
    return text;
}

struct mapping {
    unsigned long start, end, offset, ino;
    unsigned dev_major, dev_minor;
    char prot[8], name[PATH_MAX];
};

/* The mapping that holds p. */
static struct mapping find(const void *p)
{
    unsigned long last = 0;
    for (char *line = strtok(slurp("/proc/self/maps", NULL), "\n"); line;
         line = strtok(NULL, "\n")) {
        struct mapping m = {.name = ""};
        CHECK(sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %[^\n]", &m.start, &m.end, m.prot, &m.offset,
                     &m.dev_major, &m.dev_minor, &m.ino, m.name) >= 7);
        CHECK(m.start >= last && m.end > m.start);
        last = m.end;
        if (m.start <= (unsigned long)p && (unsigned long)p < m.end) {
            return m;
        }
    }
    return (struct mapping){0};
}

static void maps(const char *self)
{
    struct mapping m = find((void *)maps);
    struct stat st;
    CHECK(strcmp(m.prot, "r-xp") == 0 && strcmp(m.name, self) == 0);
    CHECK_EQ(stat(self, &st), 0);
    CHECK(m.ino == st.st_ino && m.dev_major == major(st.st_dev) && m.dev_minor == minor(st.st_dev));
    m = find(&m);
    CHECK(strcmp(m.prot, "rw-p") == 0 && strcmp(m.name, "[stack]") == 0 && m.ino == 0);
    char *heap = sbrk(10000);
    CHECK(heap != (char *)-1);
    m = find(heap);
    CHECK(strcmp(m.prot, "rw-p") == 0 && strcmp(m.name, "[heap]") == 0);

    compat_file("mapped file", "x");
    CHECK_EQ(truncate("mapped file", 16384), 0);
    int fd = open("mapped file", O_RDWR);
    CHECK_EQ(fstat(fd, &st), 0);
    char *file = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 4096);
    char *anon = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(file != MAP_FAILED && anon != MAP_FAILED);
    m = find(file);
    CHECK(m.start == (unsigned long)file && m.end == m.start + 8192 && m.offset == 4096);
    CHECK(strcmp(m.prot, "r--p") == 0 && m.ino == st.st_ino);
    CHECK(strcmp(strrchr(m.name, '/'), "/mapped file") == 0);
    m = find(anon);
    CHECK(strcmp(m.prot, "---p") == 0 && m.name[0] == 0 && m.ino == 0);
    CHECK_EQ(munmap(anon, 1 << 20), 0);
    CHECK_EQ(find(anon).start, 0);
    CHECK_EQ(unlink("mapped file"), 0);
    m = find(file);
    CHECK(strstr(m.name, "/mapped file (deleted)") != NULL);
    close(fd);
}

static void links(const char *self)
{
    char text[PATH_MAX], cwd[PATH_MAX];
    struct stat a, b;
    CHECK_EQ(stat("/proc/self/exe", &a), 0);
    CHECK_EQ(stat(self, &b), 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
    ssize_t n = readlink("/proc/self/cwd", text, sizeof(text) - 1);
    CHECK(n > 0);
    text[n] = 0;
    CHECK(strcmp(text, cwd) == 0);
    CHECK_EQ(readlink("/proc/self/root", text, sizeof(text)), 1);
    CHECK(text[0] == '/');
    compat_file("here", "yes");
    CHECK(compat_file_is("/proc/self/cwd/here", "yes"));
    CHECK_EQ(lstat("/proc/self/exe", &a), 0);
    CHECK((a.st_mode & 07777) == 0777);
}

static void strings(char **argv)
{
    size_t size;
    char *text = slurp("/proc/self/cmdline", &size);
    CHECK(size == strlen(argv[0]) + strlen(argv[1]) + 2);
    CHECK(strcmp(text, argv[0]) == 0 && strcmp(text + strlen(text) + 1, argv[1]) == 0);
    text = slurp("/proc/self/environ", &size);
    CHECK(size > 0 && strcmp(text, environ[0]) == 0 && text[size - 1] == 0);
    /* comm is cut to 15 bytes; prctl and the file agree */
    char name[32];
    int fd = open("/proc/self/comm", O_RDWR | O_TRUNC);
    CHECK(fd >= 0);
    CHECK(write(fd, "a name that is too long", 23) == 23);
    close(fd);
    CHECK_EQ(prctl(PR_GET_NAME, name), 0);
    CHECK(strcmp(name, "a name that is ") == 0);
    CHECK(strcmp(slurp("/proc/self/comm", NULL), "a name that is \n") == 0);
}

int main(int argc, char **argv)
{
    char self[PATH_MAX] = "";
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    if (argc == 1) {
        execl(self, "proc", "with an argument", NULL);
        CHECK(!"exec");
    }
    compat_tmpdir();
    maps(self);
    links(self);
    strings(argv);
    return 0;
}
