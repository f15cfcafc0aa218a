# stdin, stdout and stderr are the caller's: shared offsets, closed ones, pipes, and their ends.
. "$(dirname "$0")/lib.sh"
{
    echo A
    "$SANDBOX" exec -- echo B
    echo C
} >f
[ "$(tr '\n' ' ' <f)" = "A B C " ] || fail "offset of a regular file is not shared: $(cat f)"
echo first >log
"$SANDBOX" exec -- sh -c 'echo second; echo third >&2' >>log 2>&1
[ "$(tr '\n' ' ' <log)" = "first second third " ] || fail "O_APPEND: $(cat log)"
[ "$(echo piped | "$SANDBOX" exec -- cat)" = piped ] || fail "pipe"
[ "$("$SANDBOX" exec -- cat <f | wc -l)" = 3 ] || fail "regular stdin"
[ "$( (read -r x; "$SANDBOX" exec -- cat) <f | wc -l)" -le 3 ] || fail "offset of stdin"
[ "$("$SANDBOX" exec -- head -c 1000000 /dev/zero | wc -c)" = 1000000 ] || fail "large output"
[ "$(head -c 1000000 /dev/zero | "$SANDBOX" exec -- wc -c)" = 1000000 ] || fail "large input"
[ "$("$SANDBOX" exec -- sh -c 'readlink /proc/self/fd/0 || echo closed' <&-)" = closed ] || fail "closed stdin is open"
"$SANDBOX" exec -- true >&- || fail "closed stdout"
# the reader of a pipe sees its end when the program closes it, not when the sandbox ends
"$SANDBOX" exec -- sh -c 'echo x; exec >&-; sleep 3' | { start=$(date +%s); cat >/dev/null; [ $(($(date +%s) - start)) -lt 3 ]; } ||
    fail "end of file comes late"
yes | "$SANDBOX" exec -- head -n 1 >/dev/null || fail "yes | head"
"$SANDBOX" exec -- yes | head -n 1 >/dev/null
finish
