. "$(dirname "$0")/lib.sh"
run_attacks foreign
finish
