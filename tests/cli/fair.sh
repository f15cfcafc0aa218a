# Sandboxes that are busy beside each other get about the same of the host's CPUs.
. "$(dirname "$0")/lib.sh"

# how often a guest does in 3 s what only the sentry can
loop='$end = time + 3; $name = "x"; while (time < $end) { for (1 .. 100) {
    $fd = syscall(319, $name, 0); syscall(77, $fd, 4096);
    syscall(11, syscall(9, 0, 4096, 3, 1, $fd, 0), 4096); syscall(3, $fd); $n++ } } print "$n\n"'
for try in 1 2; do
    for i in 1 2 3 4; do
        timeout 60 "$SANDBOX" exec -- perl -e "$loop" >"out$i" &
    done
    wait
    # shellcheck disable=SC2046
    set -- $(sort -n out1 out2 out3 out4)
    [ $# = 4 ] && [ $(($1 * 10)) -ge "$4" ] || fail "try $try: $*"
done
finish
