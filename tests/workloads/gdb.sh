# gdb on guests: breakpoints, steps, watched variables, signals, threads, fork and exec, and a process that runs already.
. "$(dirname "$0")/lib.sh"
need gdb gcc
prepare() {
    cat >t.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
volatile int total;
static __attribute__((noinline)) void hit(int i) { total += i; getppid(); }
static void *work(void *arg) { for (int i = 0; i < 20; i++) hit(1); return arg; }
static void threads(void)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, work, 0);
    for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
}
static void forks(void)
{
    int status;
    if (fork() == 0) { execl("/bin/true", "true", (char *)0); _exit(1); }
    wait(&status);
    printf("child %d\n", status);
}
int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "threads")) threads();
    if (!strcmp(what, "forks")) forks();
    if (!strcmp(what, "faults")) *(volatile int *)8 = 1;
    if (!strcmp(what, "runs")) for (;;) { hit(1); usleep(10000); }
    for (int i = 0; i < 1000; i++) hit(i);
    printf("total %d\n", total);
    return 0;
}
C
    gcc -g -O1 -pthread -o t t.c && gcc -g -O1 -pthread -static -o t_static t.c || return
    cat >debug.sh <<'S'
# What differs from run to run: numbers of processes, addresses of threads, lines of the C library that has no source here.
show() {
    gdb -nx -batch "$@" 2>&1 |
        sed 's/process [0-9]*/process N/; s/Thread 0x[0-9a-f]*/Thread T/; s/LWP [0-9]*/LWP N/; s/0x0*7f[0-9a-f]*/HIGH/; s/0x00005[56][0-9a-f]*/CODE/' |
        grep -v '^warning\|^\[New Thread\|^\[Thread .* exited\|^\[Switching\|libthread_db\|^Thread [0-9]\|^$'
}
for t in ./t ./t_static; do
    echo "== $t: breakpoints and steps"
    show -ex 'break main' -ex run -ex bt -ex 'info registers rip' -ex stepi -ex 'x/5i $pc' \
        -ex 'break hit if i == 999' -ex continue -ex 'print i' -ex finish -ex 'print total' -ex continue $t
done
echo "== a breakpoint that is hit a thousand times"
show -ex 'break hit' -ex 'ignore 1 999' -ex run -ex 'info breakpoints' -ex continue ./t
echo "== a watched variable, by debug registers and without"
for hardware in 1 0; do
    show -ex "set can-use-hw-watchpoints $hardware" -ex 'break hit if i == 990' -ex run -ex 'watch total' -ex continue -ex continue ./t
done
echo "== a fault"
show -ex run -ex bt -ex 'print $_siginfo.si_signo' -ex 'print $_siginfo._sifields._sigfault.si_addr' --args ./t faults
echo "== threads"
show -ex 'break hit' -ex 'ignore 1 59' -ex run -ex 'info breakpoints' -ex delete -ex continue --args ./t threads | grep -v '^hit\|^8'
echo "== fork and exec"
show -ex 'catch fork' -ex 'catch exec' -ex run -ex delete -ex continue --args ./t forks | grep -v arch_fork
show -ex 'set follow-fork-mode child' -ex 'catch exec' -ex run -ex delete -ex continue --args ./t forks | grep -v 'in _start\|^total\|^child'
echo "== somebody who runs already"
./t runs &
pid=$!
sleep 0.2
show -ex 'break hit' -ex continue -ex bt -ex delete -ex 'print total > 3' -ex detach ./t -p $pid |
    grep 'hit\|main\|= 1'
kill $pid
wait $pid 2>/dev/null
echo status $?
S
}
same_as_native sh debug.sh
expect_native 'already hit 1000 times'
finish
