/*
 * /proc and tracees: TracerPid, State t (tracing stop), and /proc/PID/mem, which reads and writes also where the tracee may not. It needs the
 * right to trace, and is empty for memory that an exec has replaced.
 */
#include "tests/compat/ptrace/tracer.h"

static char g_data[32] = "what stands here";
static const char g_const[32] = "is not to be changed";

static int child(void)
{
    raise(SIGUSR1);
    if (*(volatile char *)g_data == 'X' && *(volatile const char *)g_const == 'Y') {
        execl("/bin/sleep", "sleep", "10", (char *)NULL);
    }
    return 1;
}

static void status_of(pid_t pid, char *state, int *tracer)
{
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "State: %c", state);
        sscanf(line, "TracerPid: %d", tracer);
    }
    fclose(f);
}

static int open_mem(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    return open(path, O_RDWR);
}

int main(void)
{
    char state, buf[32];
    int tracer, status;
    pid_t pid = traced_child(child);
    status_of(pid, &state, &tracer);
    CHECK_EQ(state, 't');
    CHECK_EQ(tracer, getpid());
    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGUSR1);

    int fd = open_mem(pid);
    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, buf, 32, (off_t)(uintptr_t)g_data), 32);
    CHECK_EQ(strcmp(buf, g_data), 0);
    CHECK_EQ(lseek(fd, (off_t)(uintptr_t)g_const, SEEK_SET), (uintptr_t)g_const);
    CHECK_EQ(read(fd, buf, 7), 7);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), (uintptr_t)g_const + 7);
    CHECK_EQ(memcmp(buf, "is not ", 7), 0);
    CHECK_EQ(pwrite(fd, "X", 1, (off_t)(uintptr_t)g_data), 1);
    CHECK_EQ(pwrite(fd, "Y", 1, (off_t)(uintptr_t)g_const), 1);
    CHECK_ERRNO(pread(fd, buf, 1, 16), EIO);
    CHECK_ERRNO(pwrite(fd, buf, 1, 16), EIO);
    CHECK_EQ(g_data[0], 'w');

    CHECK_EQ(go(pid, PTRACE_CONT, 0), SIGTRAP); /* exec */
    CHECK_EQ(pread(fd, buf, 1, (off_t)(uintptr_t)g_data), 0);
    close(fd);
    CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    for (int i = 0; i < 200 && (i == 0 || state != 'S'); i++) { /* until it sleeps */
        usleep(10000);
        status_of(pid, &state, &tracer);
    }
    CHECK_EQ(tracer, 0);
    CHECK_EQ(state, 'S');
    if (geteuid() == 0) {
        pid_t other = fork();
        if (other == 0) {
            CHECK_EQ(setresuid(1000, 1000, 1000), 0);
            CHECK_ERRNO(open_mem(pid), EACCES);
            _exit(0);
        }
        must_wait_for(other, 0);
    }
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return 0;
}
