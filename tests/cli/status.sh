# Exit statuses: the program's own, 128+N, 126, 127; and the messages of the last two.
. "$(dirname "$0")/lib.sh"
expect 0 '' "$SANDBOX" exec true
expect 1 '' "$SANDBOX" exec -- false
expect 42 '' "$SANDBOX" exec -- sh -c 'exit 42'
expect 255 '' "$SANDBOX" exec -- sh -c 'exit 255'
expect 143 '' "$SANDBOX" exec -- sh -c 'kill -TERM $$'
expect 137 '' "$SANDBOX" exec -- sh -c 'kill -KILL $$'
expect 139 '' "$SANDBOX" exec -- sh -c 'kill -SEGV $$'
expect_error 127 'nosuchprogram: no such program' "$SANDBOX" exec nosuchprogram
expect_error 127 '/no/such/program: no such program' "$SANDBOX" exec /no/such/program
expect_error 126 '/etc/passwd: permission denied' "$SANDBOX" exec /etc/passwd
expect_error 126 '/etc: permission denied' "$SANDBOX" exec /etc
head -c 100 /bin/true >cut
chmod 755 cut
expect_error 126 './cut: not a program' "$SANDBOX" exec ./cut
echo 'no magic' >text
chmod 755 text
expect_error 126 './text: not a program' "$SANDBOX" exec ./text
printf '#!/no/such/interpreter\n' >script
chmod 755 script
expect_error 127 './script: no such program, or its interpreter' "$SANDBOX" exec ./script
printf '#!/bin/sh\nexit 7\n' >script
expect 7 '' "$SANDBOX" exec ./script
expect 7 '' "$SANDBOX" exec "$WORK/script"
finish
