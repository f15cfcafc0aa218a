/*
 * execve(2): what can't be executed, and why. ENOENT ENOTDIR EACCES ELOOP ENAMETOOLONG EFAULT
 * ENOEXEC ETXTBSY ELIBBAD; the caller goes on unharmed.
 */
#include "../compat.h"

#include <elf.h>
#include <stddef.h>
#include <sys/syscall.h>

static long run(const char *path)
{
    char *const argv[] = {(char *)path, NULL}, *const envp[] = {NULL};
    return syscall(SYS_execve, path, argv, envp);
}

static void program(const char *name, const void *data, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(fd >= 0);
    CHECK(write(fd, data, size) == (ssize_t)size);
    CHECK(fchmod(fd, 0755) == 0);
    CHECK(close(fd) == 0);
}

struct image {
    Elf64_Ehdr h;
    Elf64_Phdr p[2];
    char interp[64];
};

static struct image good_image(const char *interp)
{
    struct image i = {
        .h = {.e_type = ET_EXEC,
              .e_machine = EM_X86_64,
              .e_version = 1,
              .e_entry = 0x400000,
              .e_phoff = sizeof(Elf64_Ehdr),
              .e_ehsize = sizeof(Elf64_Ehdr),
              .e_phentsize = sizeof(Elf64_Phdr),
              .e_phnum = 2},
        .p = {{.p_type = PT_LOAD,
               .p_flags = PF_R | PF_X,
               .p_vaddr = 0x400000,
               .p_filesz = 300,
               .p_memsz = 300,
               .p_align = 4096},
              {.p_type = PT_NULL}},
    };
    memcpy(i.h.e_ident, ELFMAG, SELFMAG);
    i.h.e_ident[EI_CLASS] = ELFCLASS64;
    i.h.e_ident[EI_DATA] = ELFDATA2LSB;
    i.h.e_ident[EI_VERSION] = EV_CURRENT;
    if (interp) {
        strcpy(i.interp, interp);
        i.p[1] = (Elf64_Phdr){.p_type = PT_INTERP,
                              .p_offset = offsetof(struct image, interp),
                              .p_filesz = strlen(interp) + 1};
    }
    return i;
}

static void names(void)
{
    char longer[5000];
    CHECK_ERRNO(run("missing"), ENOENT);
    CHECK_ERRNO(run(""), ENOENT);
    compat_file("plain", "#!/bin/sh\n");
    CHECK_ERRNO(run("plain"), EACCES); /* no x bit, root or not */
    CHECK_ERRNO(run("plain/x"), ENOTDIR);
    CHECK_ERRNO(run("."), EACCES);
    CHECK_ERRNO(run("/dev/null"), EACCES);
    CHECK_EQ(symlink("loop", "loop"), 0);
    CHECK_ERRNO(run("loop"), ELOOP);
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = 0;
    CHECK_ERRNO(run(longer), ENAMETOOLONG);
    longer[300] = 0;
    CHECK_ERRNO(run(longer), ENAMETOOLONG);
    CHECK_ERRNO(run((char *)8), EFAULT);
}

static void pointers(void)
{
    char *const bad_string[] = {(char *)"x", (char *)16, NULL}, *const none[] = {NULL};
    program("prog", "\177ELF", 4);
    CHECK_ERRNO(syscall(SYS_execve, "prog", 8, none), EFAULT);
    CHECK_ERRNO(syscall(SYS_execve, "prog", none, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_execve, "prog", bad_string, none), EFAULT);
    CHECK_ERRNO(syscall(SYS_execve, "prog", none, bad_string), EFAULT);
}

static void contents(void)
{
    struct image i = good_image(NULL);
    program("empty", "", 0);
    CHECK_ERRNO(run("empty"), ENOEXEC);
    program("text", "echo hello\n", 11);
    CHECK_ERRNO(run("text"), ENOEXEC);
    program("short", &i, 40);
    CHECK_ERRNO(run("short"), ENOEXEC);
    program("nophdrs", &i, sizeof(Elf64_Ehdr) + 10); /* cut short in its program headers */
    CHECK_ERRNO(run("nophdrs"), ENOEXEC);
    i.h.e_machine = EM_AARCH64;
    program("arm", &i, sizeof(i));
    CHECK_ERRNO(run("arm"), ENOEXEC);
    i = good_image(NULL);
    i.h.e_type = ET_REL;
    program("object", &i, sizeof(i));
    CHECK_ERRNO(run("object"), ENOEXEC);
    i = good_image(NULL);
    i.h.e_phentsize = 40;
    program("phentsize", &i, sizeof(i));
    CHECK_ERRNO(run("phentsize"), ENOEXEC);
    i = good_image(NULL);
    i.h.e_phnum = 2000;
    program("phnum", &i, sizeof(i));
    CHECK_ERRNO(run("phnum"), ENOEXEC);
}

static void interpreters(void)
{
    struct image i = good_image("/missing/ld.so");
    program("nointerp", &i, sizeof(i));
    CHECK_ERRNO(run("nointerp"), ENOENT);
    i = good_image("./badinterp");
    program("hasbad", &i, sizeof(i));
    char filler[4096];
    memset(filler, 'x', sizeof(filler));
    program("badinterp", filler, sizeof(filler));
    CHECK_ERRNO(run("hasbad"), ELIBBAD);
    program("badinterp", "x", 1);
    CHECK_ERRNO(run("hasbad"), EIO);
    CHECK_EQ(chmod("badinterp", 0644), 0);
    CHECK_ERRNO(run("hasbad"), EACCES);
    i = good_image(".");
    program("hasdir", &i, sizeof(i));
    CHECK_ERRNO(run("hasdir"), EACCES);
    i = good_image("/lib64/x");
    i.p[1].p_filesz = strlen("/lib64/x"); /* without its NUL */
    program("unended", &i, sizeof(i));
    CHECK_ERRNO(run("unended"), ENOEXEC);
    i.p[1].p_filesz = 1;
    program("tiny", &i, sizeof(i));
    CHECK_ERRNO(run("tiny"), ENOEXEC);
}

static void busy(void)
{
    struct image i = good_image(NULL);
    program("busy", &i, sizeof(i));
    int fd = open("busy", O_WRONLY);
    CHECK(fd >= 0);
    CHECK_ERRNO(run("busy"), ETXTBSY);
    CHECK_EQ(close(fd), 0);

    /* And the other way: nobody writes to what runs. */
    char self[PATH_MAX] = "";
    CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    CHECK_EQ(rename("busy", "old"), 0);
    int from = open(self, O_RDONLY), to = open("busy", O_WRONLY | O_CREAT, 0755);
    CHECK(from >= 0 && to >= 0);
    ssize_t n;
    static char buf[65536];
    while ((n = read(from, buf, sizeof(buf))) > 0) {
        CHECK(write(to, buf, (size_t)n) == n);
    }
    CHECK_EQ(close(to), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("./busy", "busy", "running", NULL);
        _exit(99);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    to = open("busy", O_WRONLY); /* it ended */
    CHECK(to >= 0);
    close(to);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        CHECK(strcmp(argv[1], "running") == 0);
        CHECK_ERRNO(open("busy", O_WRONLY), ETXTBSY);
        CHECK_ERRNO(truncate("busy", 0), ETXTBSY);
        return 0;
    }
    compat_tmpdir();
    names();
    pointers();
    contents();
    interpreters();
    busy();
    return 0;
}
