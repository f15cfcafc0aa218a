# A sandbox that is stopped and continued again and again, at any moment (a paused container, a suspended machine), only takes longer.
. "$(dirname "$0")/lib.sh"
compat=$(cd "$(dirname "$0")/../../build/release/tests/compat" && pwd) || exit 1

descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}

# pause ARG...: runs a sandbox, which is stopped after some milliseconds of work, for some milliseconds, and continued
# $continues times.
pause() {
    local pid all status i
    "$SANDBOX" exec --platform=$engine --host=all --env "TMPDIR=$PWD" -- "$@" >out 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        all=$(descendants $pid)
        kill -STOP $pid $all 2>/dev/null
        sleep 0.00$((RANDOM % 10))
        for ((i = 0; i < continues; i++)); do
            kill -CONT $pid $all 2>/dev/null
        done
        sleep 0.0$((RANDOM % 4))
    done
    wait $pid
    status=$?
    [ $status = 0 ] || fail "$engine: $*: status $status: $(tail -n 3 out)"
}

for engine in seccomp ptrace; do
    continues=1
    pause bash -c 'for i in {1..200}; do /bin/true || exit; x=$(echo $i | cat); [ "$x" = $i ] || exit; (exit 7); [ $? = 7 ] || exit; done'
    pause "$compat/stress/stress_05" # files, threads and forks
    pause "$compat/stress/stress_10"
    pause "$compat/stress/stress_01" # signals, too
    pause "$compat/execve/execve_14"
    continues=2000 # what a new thread begins with may be lost by that
    pause "$compat/clone/clone_05"
done
finish
