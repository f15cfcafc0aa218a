. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine gives orders"
run_attacks orders
finish
