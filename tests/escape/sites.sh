. "$(dirname "$0")/lib.sh"
no_gate=
[ "$ENGINE" = seccomp ] || no_gate=--env=NO_GATE=1
run_attacks sites $no_gate
finish
