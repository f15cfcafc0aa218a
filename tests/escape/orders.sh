. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine gives orders"
build orders
before=$(sha256sum <"$WORK/in/orders")
run_attacks orders
[ "$(sha256sum <"$WORK/in/orders")" = "$before" ] || fail "a file of the host was changed through a mapping"
finish
