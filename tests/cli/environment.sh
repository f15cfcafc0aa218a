# The environment is an allow-list; --env and --keep-env add to it.
. "$(dirname "$0")/lib.sh"
SECRET=hunter2 LC_ALL=C TZ=UTC
export SECRET LC_ALL TZ
out=$("$SANDBOX" exec -- env)
case $out in *SECRET*) fail "a secret got in" ;; esac
echo "$out" | grep -q '^LC_ALL=C$' || fail "LC_ALL is missing"
echo "$out" | grep -q '^TZ=UTC$' || fail "TZ is missing"
echo "$out" | grep -q "^PATH=$PATH\$" || fail "PATH is missing"
expect 0 '^SECRET=hunter2$' "$SANDBOX" exec --env SECRET -- env
expect 0 '^SECRET=other$' "$SANDBOX" exec --env SECRET=other -- env
expect 0 '^SECRET=hunter2$' "$SANDBOX" exec --keep-env -- env
expect 0 '^SECRET=$' "$SANDBOX" exec --keep-env --env SECRET= -- env
[ "$("$SANDBOX" exec --env NOT_SET_HERE -- env | grep -c NOT_SET)" = 0 ] || fail "an unset variable got set"
[ "$(env -i "$SANDBOX" exec -- /usr/bin/env)" = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ] ||
    fail "empty environment"
[ "$("$SANDBOX" exec --hostname box -- uname -n)" = box ] || fail "--hostname"
# the host name can be looked up, and the rest of the host's list, too; the host's own is not changed
if [ -f /etc/hosts ] && ! grep -Eqw "box" /etc/hosts; then
    before=$(cat /etc/hosts)
    expect 0 "^127.0.1.1[[:space:]]+box$" "$SANDBOX" exec --hostname box -- getent hosts box
    [ "$("$SANDBOX" exec --hostname box -- sh -c "head -n -1 /etc/hosts")" = "$before" ] || fail "/etc/hosts inside"
    [ "$(cat /etc/hosts)" = "$before" ] || fail "/etc/hosts was changed"
fi
[ "$("$SANDBOX" exec --user 12:34 -- id -u):$("$SANDBOX" exec --user 12:34 -- id -g)" = 12:34 ] ||
    fail "--user"
[ "$("$SANDBOX" exec -- id -u)" = "$(id -u)" ] || fail "uid"
[ "$("$SANDBOX" exec -- sh -c umask)" = "$(umask)" ] || fail "umask"
finish
