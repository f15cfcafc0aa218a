. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine's guests can end a thread without its knowing"

# A PID namespace has 4 million numbers: too many to wait until one comes round. They can be made few where pid_max is the namespace's
# own (Linux 6.14); elsewhere it is the whole host's, which keeps it.
pid_max_is_own() {
    local before
    before=$(cat /proc/sys/kernel/pid_max)
    unshare --pid --fork sh -c "echo $((before - 1)) >/proc/sys/kernel/pid_max" 2>/dev/null || return 1
    [ "$(cat /proc/sys/kernel/pid_max)" = "$before" ] && return 0
    echo "$before" >/proc/sys/kernel/pid_max
    return 1
}
[ "$(id -u)" = 0 ] || skip "not run as root: the numbers of a PID namespace can't be made few"
pid_max_is_own || skip "this kernel has one pid_max for all: numbers come round too late"

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
