# A sandbox that is stopped and continued again and again, at any moment (a paused container, a suspended machine), only takes longer.
. "$(dirname "$0")/lib.sh"
stress=$(cd "$(dirname "$0")/../../build/release/tests/compat/stress" && pwd) || exit 1

descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}

# pause ARG...: runs a sandbox, which is stopped after some milliseconds of work, for some milliseconds.
pause() {
    local pid all status
    "$SANDBOX" exec --host=all --env "TMPDIR=$PWD" -- "$@" >out 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        all=$(descendants $pid)
        kill -STOP $pid $all 2>/dev/null
        sleep 0.00$((RANDOM % 10))
        kill -CONT $pid $all 2>/dev/null
        sleep 0.0$((RANDOM % 4))
    done
    wait $pid
    status=$?
    [ $status = 0 ] || fail "$*: status $status: $(tail -n 3 out)"
}

pause bash -c 'for i in {1..400}; do /bin/true || exit; x=$(echo $i | cat); [ "$x" = $i ] || exit; (exit 7); [ $? = 7 ] || exit; done'
for i in 1 2; do
    pause "$stress/stress_05" # files, threads and forks
    pause "$stress/stress_10"
    pause "$stress/stress_01" # signals, too
done
finish
