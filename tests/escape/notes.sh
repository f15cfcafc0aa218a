. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine notes calls"
build notes
run_attacks notes
finish
