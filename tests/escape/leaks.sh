. "$(dirname "$0")/lib.sh"
# fds of the caller beyond 2, one of them of the secret
exec 6<"$WORK/secret/canary" 5<>"$WORK/secret/canary"
if [ "$ENGINE" = ptrace ]; then
    run_attacks leaks --env "HOST_NAME=$(uname -n)"
else
    run_attacks leaks --env "HOST_NAME=$(uname -n)"
    run_attacks leaks --host=all --env "HOST_NAME=$(uname -n)"
fi
finish
