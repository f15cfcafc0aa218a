/*
 * Code that makes system calls often, and then becomes something else: it is made writable and changed in part or whole, moved, dropped, mapped over,
 * unmapped up to the middle of a call, made unreadable and readable again. Claims: it does what its bytes say, and has the bytes that were
 * stored, seen directly once it has been writable, by write(2), and through /proc/self/mem. And instructions whose last bytes look like the mov of a
 * call's number keep their meaning. mprotect(2), mremap(2), madvise(2).
 */
#include "../compat.h"
#include "tests/call_sites.h"

#include <signal.h>
#include <sys/mman.h>

#define CALLS 40
#define MOV   256
#define CMP   512
#define ACROSS                                                                                     \
    4090 /* a mov whose call is on the next page, in the second half; MOV, CMP in the first */
#define SIZE 8192

static unsigned char g_bytes[SIZE]; /* what the page has to show */

static void call_often(const unsigned char *p)
{
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(call_with(p + MOV, 0, -1, 0, 0), getpid());
        CHECK_EQ(call_with(p + CMP, 39, -1, 0, 0), getpid());
        CHECK_EQ(call_with(p + ACROSS, 0, -1, 0, 0), getpid());
    }
}

static unsigned char *used_code(void)
{
    unsigned char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memset(g_bytes, 0xc3, SIZE);
    memcpy(g_bytes + MOV, mov_form, sizeof(mov_form));
    memcpy(g_bytes + CMP, cmp_form, sizeof(cmp_form));
    memcpy(g_bytes + ACROSS, mov_form, sizeof(mov_form));
    memcpy(p, g_bytes, SIZE);
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_EXEC) == 0);
    call_often(p);
    return p;
}

static void shows(const unsigned char *p, size_t size)
{
    static unsigned char got[SIZE];
    int pipes[2], mem = open("/proc/self/mem", O_RDONLY);
    CHECK(pipe(pipes) == 0 && mem >= 0);
    CHECK_EQ(write(pipes[1], p, size), size);
    CHECK_EQ(read(pipes[0], got, size), size);
    CHECK(memcmp(got, g_bytes, size) == 0);
    CHECK_EQ(pread(mem, got, size, (off_t)(uintptr_t)p), size);
    CHECK(memcmp(got, g_bytes, size) == 0);
    CHECK(close(mem) == 0 && close(pipes[0]) == 0 && close(pipes[1]) == 0);
}

static void changed_in_part(int prot)
{
    unsigned char *p = used_code();
    CHECK(mprotect(p, SIZE, prot) == 0);
    CHECK(memcmp(p, g_bytes, SIZE) == 0);
    p[MOV + 1] = g_bytes[MOV + 1] = 110;       /* getppid */
    p[ACROSS + 1] = g_bytes[ACROSS + 1] = 110; /* getppid */
    p[CMP + 4] = g_bytes[CMP + 4] = 0;
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_EXEC) == 0);
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(call_with(p + MOV, 0, -1, 0, 0), getppid());
        CHECK_EQ(call_with(p + ACROSS, 0, -1, 0, 0), getppid());
        CHECK_EQ(call_with(p + CMP, 39, -1, 0, 0), getpid());
    }
    shows(p, SIZE);
    CHECK(munmap(p, SIZE) == 0);
}

static void changed_whole(void)
{
    unsigned char *p = used_code();
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_WRITE) == 0);
    memset(g_bytes, 0xe9, SIZE);
    memset(p, 0xe9, SIZE);
    shows(p, SIZE);
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_EXEC) == 0);
    shows(p, SIZE);
    CHECK(munmap(p, SIZE) == 0);
}

static void moved(void)
{
    unsigned char *p = used_code();
    unsigned char *room = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *q = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 65536);
    CHECK(q == room + 65536);
    shows(q, SIZE);
    call_often(q);
    shows(q, SIZE);
    unsigned char *over = used_code();
    CHECK(mremap(q, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, over) == over);
    CHECK(mprotect(over, SIZE, PROT_READ | PROT_WRITE) == 0);
    CHECK(memcmp(over, g_bytes, SIZE) == 0);
    memset(g_bytes, 0xe9, SIZE);
    memset(over, 0xe9, SIZE);
    shows(over, SIZE);
    CHECK(munmap(over, SIZE) == 0 && munmap(room, 1 << 20) == 0);
}

static void dropped(void)
{
    unsigned char *p = used_code();
    CHECK(madvise(p, SIZE, MADV_DONTNEED) == 0);
    memset(g_bytes, 0, SIZE);
    shows(p, SIZE);
    CHECK(munmap(p, SIZE) == 0);

    p = used_code();
    int file = open("code", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK_EQ(write(file, g_bytes, SIZE), SIZE);
    CHECK(mmap(p, SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, 0) == p);
    call_often(p);
    CHECK(madvise(p, SIZE, MADV_DONTNEED) == 0);
    g_bytes[MOV + 1] = 110;
    CHECK_EQ(pwrite(file, g_bytes, SIZE, 0), SIZE);
    CHECK_EQ(call_with(p + MOV, 0, -1, 0, 0), getppid());
    shows(p, SIZE);
    CHECK(munmap(p, SIZE) == 0 && close(file) == 0);
}

/* The second page, with the call of ACROSS, becomes another; the first stays as it was. */
static void halved(void)
{
    unsigned char *p = used_code();
    CHECK(munmap(p + 4096, 4096) == 0);
    shows(p, 4096);
    CHECK(mmap(p + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == p + 4096);
    memset(p + 4096, 0xc3, 4096); /* what was syscall; ret */
    g_bytes[4096] = 0xc3;
    CHECK(mprotect(p + 4096, 4096, PROT_READ | PROT_EXEC) == 0);
    shows(p, SIZE);
    CHECK(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    CHECK(memcmp(p, g_bytes, 4096) == 0);
    CHECK(munmap(p, SIZE) == 0);
}

static void unreadable_for_a_while(void)
{
    unsigned char *p = used_code();
    CHECK(mprotect(p, SIZE, PROT_NONE) == 0);
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_WRITE) == 0);
    CHECK(memcmp(p, g_bytes, SIZE) == 0);
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_EXEC) == 0);
    call_often(p);
    CHECK(munmap(p, SIZE) == 0);
}

/* Code that gives the same each time. */
static void gives(const unsigned char *code, size_t size, long want)
{
    unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(p + 64, code, size);
    CHECK(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(call_with(p + 64, 0, -1, 0, 0), want);
    }
    CHECK(munmap(p, 4096) == 0);
}

static void not_a_mov(void)
{
    /* mov $39, %eax; mov $39, %r8d; syscall; mov %r8, %rax; ret */
    static const unsigned char r8d[] = {0xb8, 39, 0,    0,    0,    0x41, 0xb8, 39,  0,
                                        0,    0,  0x0f, 0x05, 0x4c, 0x89, 0xc0, 0xc3};
    /* movl $7, -72(%rsp); xor %eax, %eax; movl $0, -72(%rsp); syscall; mov -72(%rsp), %eax; ret */
    static const unsigned char offset[] = {0xc7, 0x44, 0x24, 0xb8, 7,    0,    0,   0, 0x31,
                                           0xc0, 0xc7, 0x44, 0x24, 0xb8, 0,    0,   0, 0,
                                           0x0f, 0x05, 0x8b, 0x44, 0x24, 0xb8, 0xc3};
    /* push %rbp; mov %rsp, %rbp; the same at -72(%rbp); pop %rbp; ret */
    static const unsigned char frame[] = {0x55, 0x48, 0x89, 0xe5, 0xc7, 0x45, 0xb8, 7,    0,
                                          0,    0,    0x31, 0xc0, 0xc7, 0x45, 0xb8, 0,    0,
                                          0,    0,    0x0f, 0x05, 0x8b, 0x45, 0xb8, 0x5d, 0xc3};
    gives(r8d, sizeof(r8d), 39);
    gives(offset, sizeof(offset), 0);
    gives(frame, sizeof(frame), 0);
}

int main(void)
{
    compat_tmpdir();
    changed_in_part(PROT_READ | PROT_WRITE);
    changed_in_part(PROT_READ | PROT_WRITE | PROT_EXEC);
    changed_whole();
    moved();
    dropped();
    halved();
    unreadable_for_a_while();
    not_a_mov();
    return 0;
}
