# What is visible: system folders, the current directory and the program; writes vanish, except on --rw.
. "$(dirname "$0")/lib.sh"
echo content >here
mkdir sub other
echo outside >other/file
cd sub || exit 1
[ "$("$SANDBOX" exec -- pwd)" = "$WORK/sub" ] || fail "current directory"
expect 1 'No such file' "$SANDBOX" exec -- sh -c "cat $WORK/here || exit 1"
cd ..
[ "$("$SANDBOX" exec -- cat here)" = content ] || fail "file of the current directory"
expect 0 '^new$' "$SANDBOX" exec -- sh -c 'echo new > here && cat here'
[ "$(cat here)" = content ] || fail "a write reached the host"
"$SANDBOX" exec -- sh -c 'mkdir d; touch d/f; rm -r other; echo x >/usr/x; echo x >/etc/x; echo x >/tmp/x; echo x >/run/x; echo x >/var/tmp/x' ||
    [ "$(id -u)" != 0 ] || fail "writes inside"
[ ! -e d ] && [ -e other/file ] && [ ! -e /usr/x ] && [ ! -e /etc/x ] && [ ! -e /run/x ] ||
    fail "something reached the host"
[ "$("$SANDBOX" exec -- sh -c 'ls -A $HOME | wc -l')" = 0 ] || fail "home is not empty"
expect 0 '' "$SANDBOX" exec -- sh -c 'touch $HOME/x'
expect 1 'No such file' "$SANDBOX" exec -- sh -c 'ls /srv || exit 1'
[ "$("$SANDBOX" exec -- cat /etc/passwd)" = "$(cat /etc/passwd)" ] || fail "/etc/passwd"
"$SANDBOX" exec -- cat /etc/shadow >/dev/null 2>&1 && fail "/etc/shadow can be read"
[ "$("$SANDBOX" exec -- readlink /bin)" = "$(readlink /bin)" ] || fail "/bin is not the same link"
# the program, from elsewhere, alone
mkdir elsewhere
cp /bin/echo elsewhere/prog
echo secret >elsewhere/secret
(cd sub && expect 0 '^hello$' "$SANDBOX" exec ../elsewhere/prog hello && [ $FAILED = 0 ]) || FAILED=1
(cd sub && expect 0 '^hello$' "$SANDBOX" exec "$WORK/elsewhere/prog" hello && [ $FAILED = 0 ]) || FAILED=1
cat >elsewhere/script <<'S'
#!/bin/sh
ls -A "$(dirname "$0")"
S
chmod 755 elsewhere/script
[ "$(cd sub && "$SANDBOX" exec "$WORK/elsewhere/script")" = script ] || fail "more than the program is seen"
(cd sub && PATH="$WORK/elsewhere:$PATH" expect 0 '^hi$' "$SANDBOX" exec prog hi && [ $FAILED = 0 ]) || FAILED=1
# --ro, --rw, --tmpfs, --root, --workdir
cd sub || exit 1
[ "$("$SANDBOX" exec --ro ../other -- cat "$WORK/other/file")" = outside ] || fail "--ro"
[ "$("$SANDBOX" exec --ro ../other:/data -- cat /data/file)" = outside ] || fail "--ro with a name"
expect 1 'Read-only file system' "$SANDBOX" exec --ro ../other:/data -- sh -c 'echo x >/data/new || exit 1'
expect 0 '' "$SANDBOX" exec --rw ../other:/data -- sh -c 'echo kept >/data/new'
[ "$(cat ../other/new)" = kept ] || fail "--rw did not reach the host"
expect 0 '' "$SANDBOX" exec --tmpfs /scratch -- sh -c 'echo x >/scratch/x'
[ "$("$SANDBOX" exec --workdir /usr -- pwd)" = /usr ] || fail "--workdir"
mkdir -p ../root/bin ../root/dir
cp /bin/busybox ../root/bin/busybox 2>/dev/null || true
if [ -x ../root/bin/busybox ] && ! ldd ../root/bin/busybox >/dev/null 2>&1; then
    [ "$("$SANDBOX" exec --root ../root -- /bin/busybox ls -d /bin /dir /usr /etc 2>/dev/null | tr '\n' ' ')" = "/bin /dir " ] ||
        fail "--root shows more or less than the directory"
    expect 0 '' "$SANDBOX" exec --root ../root -- /bin/busybox touch /dir/x
    [ ! -e ../root/dir/x ] || fail "--root was changed"
fi
expect_error 127 'no such program' "$SANDBOX" exec --host=none -- /bin/true
# --host=all
[ "$("$SANDBOX" exec --host=all -- cat "$WORK/other/file")" = outside ] || fail "--host=all"
expect 0 '' "$SANDBOX" exec --host=all -- sh -c "echo x >$WORK/other/all"
[ ! -e ../other/all ] || fail "--host=all wrote to the host"
# a current directory that is not there inside
cd / && [ "$("$SANDBOX" exec -- pwd)" = / ] || fail "pwd in /"
finish
