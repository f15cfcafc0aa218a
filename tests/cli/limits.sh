# --pids: a fork beyond it fails, and leaves nothing; what is possible again works again.
. "$(dirname "$0")/lib.sh"
compat=$(cd "$(dirname "$0")/../../build/release/tests/compat" && pwd) || exit 1

"$SANDBOX" exec --host=all --pids 40 --env FORK_FAILS=1 -- "$compat/fork/fork_03" >out 2>&1 || fail "--pids 40: $(tail -n 3 out)"
"$SANDBOX" exec --host=all --pids 300 -- "$compat/fork/fork_03" >out 2>&1 || fail "--pids 300: $(tail -n 3 out)"
finish
