. "$(dirname "$0")/lib.sh"
run_attacks guests --pids=400 --env "ABSTRACT=$SECRET"
finish
