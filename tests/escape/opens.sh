. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine prepares opens"
run_attacks opens
finish
