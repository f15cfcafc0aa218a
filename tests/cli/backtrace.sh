# Crash reports. --backtrace: names of the functions in order, registers, the instruction; and the exit
# status is what it would be without. A bug of the sandbox's own: its stack, the guest's last system calls, status 125.
. "$(dirname "$0")/lib.sh"
command -v gcc >/dev/null || skip "no gcc"

cat >crash.c <<'EOF'
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#define NOINLINE __attribute__((noinline))
#define NO_TAIL_CALL __asm__ volatile("" ::: "memory")
NOINLINE int third(volatile int *p) { *p = 7; NO_TAIL_CALL; return *p; }
NOINLINE int second(volatile int *p) { int r = third(p); NO_TAIL_CALL; return r + 2; }
NOINLINE int first(volatile int *p) { int r = second(p); NO_TAIL_CALL; return r + 3; }
static NOINLINE void *aborting(void *p) { abort(); return p; }
static void handler(int sig) { first((volatile int *)8); NO_TAIL_CALL; (void)sig; }
int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    pthread_t t;
    void (*volatile nothing)(void) = NULL;
    if (!strcmp(how, "thread")) { pthread_create(&t, NULL, aborting, NULL); pthread_join(t, NULL); }
    if (!strcmp(how, "null")) { nothing(); NO_TAIL_CALL; }
    if (!strcmp(how, "handler")) { signal(SIGUSR1, handler); raise(SIGUSR1); }
    if (!strcmp(how, "illegal")) { __asm__ volatile("ud2"); }
    if (!strcmp(how, "handled")) { signal(SIGSEGV, exit); }
    return first((volatile int *)8);
}
EOF
gcc -g -O0 -fno-omit-frame-pointer -pthread -o crash0 crash.c || fail "gcc -O0"
gcc -g -O2 -pthread -o crash2 crash.c || fail "gcc -O2"

# in_order NAME...: the frames of $out, innermost first, have these names, perhaps with others between.
in_order() {
    rest=" $(printf '%s\n' "$out" | sed -n 's/^  #[0-9]* *0x[0-9a-f]* \([^ +]*\).*/\1/p' | tr '\n' ' ')"
    for name; do
        case $rest in
        *" $name "*) rest=" ${rest#*" $name "}" ;;
        *) fail "no frame '$name' in order: $out" && return ;;
        esac
    done
}

for platform in seccomp ptrace; do
    run="$SANDBOX exec --platform=$platform"
    expect 139 '' $run ./crash2
    for program in ./crash0 ./crash2; do
        expect 139 'SIGSEGV .*si_code=SEGV_MAPERR, si_addr=0x8' $run --backtrace $program
        in_order third second first main _start
        for pattern in "$program|/crash[02]" 'pid 2, tid 2' ' rip 0000[0-9a-f]{12}' ' r15 [0-9a-f]{16}' \
            'mov dword ptr \[r[a-z0-9]+\], 7 \(Intel syntax; bytes c7 '; do
            printf '%s\n' "$out" | grep -Eq "$pattern" || fail "no match for '$pattern': $out"
        done
        expect 134 'pid 2, tid 3\) is killed by SIGABRT' $run --backtrace $program thread
        in_order abort aborting
        expect 139 'instruction at 0x0: no memory there' $run --backtrace $program null
        in_order in main _start
        expect 139 SIGSEGV $run --backtrace $program handler
        in_order third second first handler main _start
        expect 132 'SIGILL .*si_code=ILL_ILLOPN' $run --backtrace $program illegal
        printf '%s\n' "$out" | grep -q 'ud2 (Intel syntax; bytes 0f 0b)' || fail "no ud2: $out"
        # A signal that is handled is no crash.
        expect 11 '' $run --backtrace $program handled
    done
done
# The shell's status, not the child's crash, is the sandbox's.
expect 3 'pid 3, tid 3' "$SANDBOX" exec --backtrace sh -c './crash2 >/dev/null; exit 3'
# Without tables and symbols there is less to say, and still a report.
objcopy --strip-all -R .eh_frame -R .eh_frame_hdr crash0 bare 2>/dev/null &&
    expect 139 'mov dword ptr \[rax\], 7' "$SANDBOX" exec --backtrace ./bare

# A bug of our own can only be had in builds that offer one.
for mode in debug asan; do
    debug=$(dirname "$SANDBOX")/../$mode/sandbox
    "$debug" exec --help 2>/dev/null | grep -q -- --debug-bug && break
    debug=
done
if [ -n "$debug" ]; then
    for kind in bug segv abort stack; do
        case $mode-$kind in asan-segv | asan-stack) continue ;; esac # the sanitizer reports these itself
        expect 125 'sandbox: BUG' "$debug" exec --debug-bug=$kind:40 -- sh -c 'sleep 100 & for i in 1 2 3 4; do /bin/true; done'
        for pattern in 'debug_bug_maybe|eat_stack' 'last system calls' '^  tid [0-9]+: [a-z0-9_]+\(.*\) (= -?[0-9]+|unfinished)'; do
            printf '%s\n' "$out" | grep -Eq "$pattern" || fail "$kind: no match for '$pattern': $out"
        done
        nothing_left --debug-bug=$kind
    done
fi
finish
