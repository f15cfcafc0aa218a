# strace on guests: a tree of processes from its beginning, one that runs already, counts, and calls that it makes fail.
. "$(dirname "$0")/lib.sh"
need strace sh
prepare() {
    cat >trace.sh <<'S'
# Order between processes is nobody's promise, and numbers of processes are none of ours.
names() { sed 's/^[0-9]* *//' "$1" | grep -o '^[a-z0-9_]*(' | sort | uniq -c; }

echo == a pipeline
strace -f -qq -o log -e trace=execve,openat,pipe2,dup2,exit_group sh -c 'ls / | wc -l >/dev/null'
names log

echo == arguments, results, structures and signals
strace -f -o log -e trace=chdir,kill,umask,newfstatat,exit_group sh -c 'cd /; umask 022; trap : USR1; kill -USR1 $$; test -d /etc; exit 3'
echo status $?
sed 's/^[0-9]* *//' log | grep -v '"/lib\|/usr/lib\|, "", ' | sed 's/kill([0-9]*/kill(N/; s/)  *= /) = /; s/si_pid=[0-9]*/si_pid=N/; s/st_size=[0-9]*/st_size=N/; s/si_uid=[0-9]*/si_uid=N/'

echo == counts
strace -c -o log -e trace=execve,close,exit_group cat /dev/null
awk '$NF == "execve" || $NF == "close" { print $4, $NF }' log | sort

echo == injected failures and results
echo text >file
strace -o log -e trace=openat -e inject=openat:error=EACCES:when=3 cat file; echo status $?
strace -o log -e trace=getcwd,getuid,geteuid -e inject=getuid,geteuid:retval=77 id -ru

echo == somebody who runs already
sh -c 'while :; do echo tick; sleep 0.05; done >/dev/null' &
pid=$!
sleep 0.2
strace -qq -o log -e trace=write -p $pid &
tracer=$!
sleep 0.6
kill $tracer
wait $tracer 2>/dev/null
[ "$(grep -c '^write(1, "tick' log)" -gt 3 ] && echo seen
kill $pid
wait $pid 2>/dev/null
echo status $?
S
}
same_as_native sh trace.sh
expect_native seen
finish
