# No network, no host sockets, own PIDs, own host name; works the same for an ordinary user.
. "$(dirname "$0")/lib.sh"
[ "$("$SANDBOX" exec -- sh -c 'echo $$')" -lt 10 ] || fail "PID space"
[ "$("$SANDBOX" exec -- sh -c 'ls /proc | grep -c "^[0-9]"')" -lt 10 ] || fail "host processes are seen"
expect 1 '' "$SANDBOX" exec -- sh -c 'kill -0 1000 2>/dev/null || exit 1'
if command -v python3 >/dev/null; then
    "$SANDBOX" exec -- python3 -c '
import socket
s = socket.socket()
s.settimeout(2)
s.connect(("127.0.0.1", 22))' >/dev/null 2>&1 && fail "a connection was made"
fi
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 1777 "$WORK"
    as="setpriv --reuid 65533 --regid 65533 --clear-groups env HOME=/nonexistent"
    expect 0 '^65533$' $as "$SANDBOX" exec -- id -u
    expect 0 '^0$' $as "$SANDBOX" exec --user 0 -- id -u
    expect 0 '' $as "$SANDBOX" exec --host=all -- true
    [ "$($as "$SANDBOX" exec -- cat /etc/shadow 2>/dev/null | wc -l)" = 0 ] || fail "/etc/shadow"
    expect 124 '' $as "$SANDBOX" exec --timeout 0.3 sleep 100
fi
finish
