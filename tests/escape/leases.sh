. "$(dirname "$0")/lib.sh"
[ "$ENGINE" = seccomp ] || skip "only the seccomp engine leases files"
build leases
echo private >"$WORK/in/private" && chmod 600 "$WORK/in/private"
before=$(sha256sum <"$WORK/in/leases")
run_attacks leases
[ "$(sha256sum <"$WORK/in/leases")" = "$before" ] || fail "a file of the host was changed through a lease"
finish
