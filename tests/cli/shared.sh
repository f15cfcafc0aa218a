# A folder of the host's that the sandbox may write (--rw): its processes see each other's changes at once, though a trip to the host
# takes as long as several changes, and answers overtake each other.
. "$(dirname "$0")/lib.sh"
compat=$(cd "$(dirname "$0")/../../build/release/tests/compat" && pwd) || exit 1
mkdir shared || exit 1

for round in 1 2 3 4; do
    jobs=()
    for i in 1 2 3; do
        "$SANDBOX" exec --host=all --rw="$PWD/shared" --env "TMPDIR=$PWD/shared" -- "$compat/stress/stress_06" >"out.$i" 2>&1 &
        jobs+=($!)
    done
    for i in 1 2 3; do
        wait "${jobs[i - 1]}" || fail "round $round: a change is not seen: $(tail -n 3 "out.$i")"
    done
done
TMPDIR=$PWD/shared "$compat/read/read_03" >out 2>&1
native=$?
"$SANDBOX" exec --host=all --rw="$PWD/shared" --env "TMPDIR=$PWD/shared" -- "$compat/read/read_03" >out 2>&1
[ $? = $native ] || fail "an access time is not seen: $(tail -n 3 out)"
finish
