# --strace looks as strace does: filters by name and class, decoded arguments, results, signals, ends; to a file or to stderr.
. "$(dirname "$0")/lib.sh"
compat=$(cd "$(dirname "$0")/../../build/release/tests/compat" && pwd) || exit 1
printf 'hello\n' >file

expect 0 '^openat\(AT_FDCWD, "file", O_RDONLY(\|O_[A-Z]+)*\) += 3$' "$SANDBOX" exec --strace=openat cat file
expect 1 '^openat\(AT_FDCWD, "/no/such", O_RDONLY(\|O_[A-Z]+)*\) += -1 ENOENT \(No such file or directory\)$' \
    "$SANDBOX" exec --strace=%file cat /no/such
expect 0 '^write\(1, "hello\\n", 6' "$SANDBOX" exec --strace=write cat file
expect 0 '^exit_group\(0\) +=' "$SANDBOX" exec --strace=%process true
expect 3 '^\+\+\+ exited with 3 \+\+\+$' "$SANDBOX" exec --strace=exit_group sh -c 'exit 3'
expect 143 '^\+\+\+ killed by SIGTERM \+\+\+$' "$SANDBOX" exec --strace=kill sh -c 'kill $$'
expect 0 '^--- SIGUSR1 \{si_signo=SIGUSR1, si_code=SI_USER, si_pid=2, si_uid=[0-9]+\} ---$' \
    "$SANDBOX" exec --strace=kill sh -c 'trap : USR1; kill -USR1 $$'
expect 0 '^\[pid +[0-9]+\] ' "$SANDBOX" exec --strace=getpid,exit_group sh -c '/bin/true & wait'

# A file gets the lines, and the program's output stays clean.
out=$("$SANDBOX" exec --strace=read,write --strace-file=trace cat file) || fail "status $?"
[ "$out" = hello ] || fail "output: $out"
grep -q '^read(3, "hello\\n", [0-9]*) *= 6$' trace || fail "no read of the file in: $(cat trace)"
grep -q '^openat' trace && fail "openat was not asked for"

# Who looks at a call's memory does not change what becomes of bad addresses.
expect 0 '' "$SANDBOX" exec --strace=recvfrom --strace-file=trace "$compat/recvfrom/recvfrom_01"

expect_error 125 'opne' "$SANDBOX" exec --strace=opne true
finish
