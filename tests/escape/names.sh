. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine keeps lookups"
build names
run_attacks names
finish
