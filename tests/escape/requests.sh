. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine gives orders"
build requests
before=$(sha256sum <"$WORK/in/requests")
run_attacks requests
[ "$(sha256sum <"$WORK/in/requests")" = "$before" ] || fail "a file of the host was changed through a mapping"
finish
