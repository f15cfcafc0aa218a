. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine tells processes about themselves"
run_attacks facts
finish
