. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine prepares opens"
run_attacks opens
[ "$(id -u)" != 0 ] || run_attacks opens --host=all # root has files that others may not read
finish
