. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine's guests can end a thread without its knowing"
# A PID namespace has 4 million numbers: too many to wait until one comes round.
few_numbers() {
    local p
    while sleep 0.2; do
        for p in $(pgrep -f -- "-- ./numbers"); do
            grep -qs "^NSpid:.*[^0-9]1$" "/proc/$p/status" &&
                nsenter -t "$p" -p sh -c 'echo 2000 >/proc/sys/kernel/pid_max'
        done
    done
}
few_numbers 2>/dev/null &
FEW=$!
run_attacks numbers
kill $FEW
finish
