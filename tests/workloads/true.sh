# The smallest dynamic program, and statuses: success, failure, a signal.
. "$(dirname "$0")/lib.sh"
same_as_native /bin/true
same_as_native /bin/false
same_as_native sh -c 'exit 77'
same_as_native sh -c 'sh -c "kill -SEGV \$\$"; echo $?; (kill -TERM $BASHPID) 2>/dev/null; exit 3'
finish
