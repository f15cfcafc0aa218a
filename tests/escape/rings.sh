. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine leases pipes"
run_attacks rings
finish
