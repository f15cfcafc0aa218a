. "$(dirname "$0")/lib.sh"
no_gate=
[ "$ENGINE" = seccomp ] || no_gate=--env=NO_GATE=1
build spares
mkdir -m 700 "$WORK/in/hidden"
cp "$WORK/in/spares" "$WORK/in/hidden/program"
printf 'an ordinary user never sees this' >>"$WORK/in/hidden/program"
run_attacks spares $no_gate
finish
