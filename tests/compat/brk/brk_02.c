/*
 * Code in the heap that makes system calls often, and goes when the break moves down; then the break moves up again, and what was there
 * is other code, or plain bytes. Claims: new memory is zero; it does what its bytes say, and has the bytes that were stored, seen
 * directly, by write(2), and after the rights of pages around it change. brk(2).
 */
#include "../compat.h"
#include "tests/call_sites.h"

#include <sys/mman.h>

#define CALLS 40
#define SIZE  8192
#define MOV   256
#define CMP   4090 /* the other page has what follows */

static void shows(const unsigned char *p, const unsigned char *want)
{
    unsigned char got[SIZE];
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    CHECK_EQ(write(pipes[1], p, SIZE), SIZE);
    CHECK_EQ(read(pipes[0], got, SIZE), SIZE);
    CHECK(memcmp(got, want, SIZE) == 0);
    CHECK(close(pipes[0]) == 0 && close(pipes[1]) == 0);
}

/* Moves the break up over two pages at p, and puts code there that makes call nr. */
static void make_code(unsigned char *p, long nr, unsigned char *bytes)
{
    static const unsigned char zero[SIZE];
    CHECK(brk(p + SIZE) == 0);
    CHECK(memcmp(p, zero, SIZE) == 0);
    shows(p, zero);
    memset(bytes, 0xc3, SIZE);
    memcpy(bytes + MOV, mov_form, sizeof(mov_form));
    bytes[MOV + 1] = (unsigned char)nr;
    memcpy(bytes + CMP, cmp_form, sizeof(cmp_form));
    memcpy(p, bytes, SIZE);
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_EXEC) == 0);
}

static void call_often(const unsigned char *p, long nr, long want)
{
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(call_with(p + MOV, 0, 0, 0, 0), want);
        CHECK_EQ(call_with(p + CMP, nr, 0, 0, 0), want);
    }
}

int main(void)
{
    unsigned char bytes[SIZE];
    unsigned char *p = (unsigned char *)(((uintptr_t)sbrk(0) + 4095) & ~4095UL);
    for (int round = 0; round < 5; round++) {
        long nr = round & 1 ? 110 : 39; /* getppid, getpid */
        long want = round & 1 ? getppid() : getpid();
        make_code(p, nr, bytes);
        call_often(p, nr, want);
        shows(p, bytes);
        CHECK(brk(round & 2 ? p : p + 4096) == 0);
        if (!(round &
              2)) { /* the first page stays, with a call of which the second one had a part */
            CHECK(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
            CHECK(memcmp(p, bytes, 4096) == 0);
            CHECK(brk(p) == 0);
        }
    }
    CHECK(brk(p + SIZE) == 0); /* data where code was */
    for (int i = 0; i < SIZE; i++) {
        p[i] = bytes[i] = (unsigned char)(i * 7);
    }
    CHECK(mprotect(p, SIZE, PROT_READ) == 0);
    CHECK(mprotect(p, SIZE, PROT_READ | PROT_WRITE) == 0);
    CHECK(memcmp(p, bytes, SIZE) == 0);
    shows(p, bytes);
    return 0;
}
