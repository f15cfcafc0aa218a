. "$(dirname "$0")/lib.sh"
echo host >"$WORK/in/host-file"
mkdir "$WORK/in/host-dir2"
ln -s "$WORK/secret/canary" "$WORK/in/host-link"
ln -s ../secret "$WORK/in/host-dir"
ln -s / "$WORK/in/host-root"
build files
cp "$WORK/in/files" "$WORK/files.copy"
before=$(cd "$WORK/in" && find . -printf '%p %y %m %s %T@\n' | sort; sha256sum <"$WORK/in/files"; stat -c %Y%a /etc/passwd)

# the default view: the current folder is seen, its parent is not
run_attacks files --env DEFAULT_VIEW=1

# a root of its own
mkdir -p "$WORK/in/root/tmp" "$WORK/in/root/in"
cp "$WORK/in/files" "$WORK/in/root/in/files"
cp -P "$WORK/in/host-link" "$WORK/in/host-dir" "$WORK/in/host-root" "$WORK/in/root/in"
PROGRAM=/in/files run_attacks files --root "$WORK/in/root" --workdir /in
rm -r "$WORK/in/root"
touch -d "$(stat -c %y "$WORK/in/host-file")" "$WORK/in"

after=$(cd "$WORK/in" && find . -printf '%p %y %m %s %T@\n' | sort; sha256sum <"$WORK/in/files"; stat -c %Y%a /etc/passwd)
[ "$(echo "$before" | grep -v '^\. ')" = "$(echo "$after" | grep -v '^\. ')" ] || fail "the host's files were changed: $(diff <(echo "$before") <(echo "$after"))"
ls /usr/bin/made-by-escape /etc/made-by-escape /usr/lib/made-by-escape 2>/dev/null && fail "files were made on the host"

# a folder that may be written: nothing beside it may be seen or changed
mkdir "$WORK/in/rw" "$WORK/rwtest" "$WORK/rwtest/shared"
echo "$SECRET" >"$WORK/rwtest/outside"
chmod 755 "$WORK/rwtest"
run_attacks files --rw "$WORK/rwtest/shared:/shared" --env HOME_OF_RACES=/shared
[ "$(ls -A "$WORK/rwtest" | tr '\n' ' ')" = "outside shared " ] && [ "$(cat "$WORK/rwtest/outside")" = "$SECRET" ] ||
    fail "beside the writable folder: $(ls -lA "$WORK/rwtest")"
[ -z "$(find "$WORK/rwtest/shared" -type b -o -type c)" ] || fail "devices were made on the host"
[ -z "$(find "$WORK/rwtest/shared" -perm /6000)" ] || fail "set-id files were made on the host: $(find "$WORK/rwtest/shared" -perm /6000 -ls)"
finish
