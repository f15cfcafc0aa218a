# Helpers for the command line's tests; sourced. A test is a shell script that says what it claims and
# ends with 0, 1 or 77 (skipped). $SANDBOX is the program under test.
SANDBOX=${SANDBOX:-$(cd "$(dirname "$0")/../.." && pwd)/build/release/sandbox}
FAILED=0
WORK=$(mktemp -d "${TMPDIR:-/tmp}/sandbox-cli.XXXXXX") || exit 1
trap 'rm -rf "$WORK"' EXIT
chmod 755 "$WORK"
cd "$WORK" || exit 1

fail() {
    echo "FAIL: $*" >&2
    FAILED=1
}
skip() {
    echo "SKIP: $*" >&2
    exit 77
}
# expect STATUS PATTERN COMMAND...: exit status, and an extended regular expression that stdout and
# stderr together must match ('' : both are empty).
expect() {
    want=$1 pattern=$2
    shift 2
    out=$("$@" 2>&1 </dev/null)
    got=$?
    [ "$got" = "$want" ] || fail "status $got instead of $want: $*: $out"
    if [ -z "$pattern" ]; then
        [ -z "$out" ] || fail "unexpected output: $*: $out"
    else
        printf '%s\n' "$out" | grep -Eq -- "$pattern" || fail "no match for '$pattern': $*: $out"
    fi
}
# As expect, for messages of our own: one line, beginning with "sandbox: ".
expect_error() {
    expect "$@"
    case $out in
    "sandbox: "*) ;;
    *) fail "not a message of ours: $out" ;;
    esac
    [ "$(printf '%s\n' "$out" | wc -l)" = 1 ] || fail "more than one line: $out"
}
# Nothing of the sandbox with this front pid (or any, below this shell) is left.
nothing_left() {
    sleep 0.3
    left=$(pgrep -f "^$SANDBOX exec $1" || true)
    [ -z "$left" ] || fail "processes are left: $left"
}
finish() {
    exit $FAILED
}
