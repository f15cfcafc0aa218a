# Signals reach the program; --timeout; killing the sandbox kills all of it and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
for sig in INT TERM HUP QUIT USR1 USR2; do
    # the shell starts background jobs with SIGINT and SIGQUIT ignored, which programs inherit
    env --default-signal=INT,QUIT "$SANDBOX" exec -- sh -c "trap 'exit 33' $sig; touch ready; while :; do sleep 0.05; done" &
    pid=$!
    sleep 0.7
    kill -$sig $pid
    wait $pid
    got=$?
    [ $got = 33 ] || fail "SIG$sig: status $got"
done
"$SANDBOX" exec -- sleep 100 &
pid=$!
sleep 0.5
kill -TERM $pid
wait $pid
[ $? = 143 ] || fail "SIGTERM of a program that does not catch it"
"$SANDBOX" exec -- sh -c 'trap "exit 33" INT; sleep 1; exit 0' &
pid=$!
sleep 0.4
kill -INT $pid
wait $pid
[ $? = 0 ] || fail "an ignored SIGINT is not inherited"
start=$(date +%s%N)
expect 124 '' "$SANDBOX" exec --timeout=0.3 -- sleep 100
expect 124 '' "$SANDBOX" exec --timeout=0.3 -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'
[ $((($(date +%s%N) - start) / 1000000)) -lt 6000 ] || fail "--timeout took too long"
expect 0 '' "$SANDBOX" exec --timeout=5m -- true
mounts=$(wc -l </proc/self/mountinfo)
"$SANDBOX" exec -- sh -c 'sleep 1000 & sleep 1000 & setsid sleep 1000 & wait' &
pid=$!
sleep 0.5
kill -KILL $pid
wait $pid 2>/dev/null
nothing_left '-- sh -c sleep 1000'
[ "$(wc -l </proc/self/mountinfo)" = "$mounts" ] || fail "mounts are left"
"$SANDBOX" exec --memory=100M -- sh -c 'sleep 1000' 2>/dev/null &
pid=$!
sleep 0.5
kill -KILL $pid
wait $pid 2>/dev/null
nothing_left '--memory=100M'
[ -z "$(find /sys/fs/cgroup -type d -name "sandbox-$pid" 2>/dev/null)" ] || fail "a cgroup is left"
# our own processes: killed, or not answering
own_process() { # number of the child, in order of birth: gofer, sentry
    pgrep -P $pid | sort -n | sed -n "$1p"
}
"$SANDBOX" exec -- sleep 100 2>message &
pid=$!
sleep 0.7
kill -KILL "$(own_process 2)"
wait $pid
[ $? = 125 ] && grep -q '^sandbox: the sentry was killed by signal 9' message || fail "killed sentry: $(cat message)"
"$SANDBOX" exec -- sleep 100 2>message &
pid=$!
sleep 0.7
kill -KILL "$(own_process 1)"
wait $pid
[ $? = 125 ] && grep -q '^sandbox: the gofer was killed by signal 9' message || fail "killed gofer: $(cat message)"
"$SANDBOX" exec -- sleep 100 2>message &
pid=$!
sleep 0.7
kill -STOP "$(own_process 2)"
kill -TERM $pid
wait $pid
[ $? = 125 ] && grep -q '^sandbox: the sentry does not answer' message || fail "hung sentry: $(cat message)"
# all are stopped for longer than the sentry may take for an answer, with moments between in which it does not get to run
"$SANDBOX" exec -- sleep 100 2>message &
pid=$!
sleep 0.7
sentry=$(own_process 2)
kill -STOP "$sentry"
kill -TERM $pid
sleep 0.3
for pause in 5.2 1.3 5.2; do
    kill -STOP $pid
    sleep $pause
    kill -CONT $pid
    sleep 0.1
done
sleep 0.5
kill -CONT "$sentry"
wait $pid
[ $? = 143 ] && [ ! -s message ] || fail "stopped and continued: $(cat message)"
# orphans die with the program
expect 0 '' "$SANDBOX" exec -- sh -c 'sleep 1234 & exit 0'
nothing_left '-- sh -c sleep 1234'
finish
