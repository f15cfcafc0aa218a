# Signals and job control as a shell uses them: traps, groups, stop and continue, killed pipelines.
. "$(dirname "$0")/lib.sh"
# The EXIT trap comes last: a child that is killed before it executes would run it, too.
# stderr: bash tells there of PIDs, and of jobs in the order in which they happen to end
same_as_native bash -c 'exec 2>/dev/null
trap "echo usr1" USR1; kill -USR1 $$; trap - USR1
sleep 100 & p=$!; kill $p; wait $p; echo "killed: $?"
sleep 100 & p=$!; kill -STOP $p; sleep 0.1; grep ^State /proc/$p/status; kill -CONT $p; sleep 0.1; grep ^State /proc/$p/status; kill -KILL $p; wait $p 2>/dev/null; echo $?
yes | head -n 1; echo "${PIPESTATUS[@]}"
set -m
(trap "echo group; exit 4" TERM; while :; do sleep 0.05; done) & g=$!; sleep 0.3; kill -TERM -- -$g; wait $g; echo $?
sleep 100 & sleep 100 & jobs -r | wc -l; kill %1 %2; wait; jobs -r | wc -l
set +m
(trap "" TERM; kill -TERM $BASHPID; echo survived)
timeout 0.2 sleep 100; echo $?; timeout -s KILL 0.2 sleep 100; echo $?
sh -c "kill -ABRT \$\$" 2>/dev/null; echo $?
trap "echo chld" CHLD; /bin/true; trap - CHLD
( sleep 0.1; kill -ALRM $$ ) & trap "echo alarm; got=1" ALRM; while [ -z "$got" ]; do sleep 0.02; done
kill -0 $$; echo $?; kill -0 999999; echo $?; kill -l | head -n 2
trap "echo exiting" EXIT; exit 9' bash
expect_native survived
finish
