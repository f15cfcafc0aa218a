. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "the gate is the seccomp engine's"
run_attacks allowed
finish
