# What every attack needs; sourced. run_attacks builds a C program of this folder, runs it in a sandbox, and
# holds it to this: no attack got more than it had; the sandbox went on to its own end; a second sandbox that
# ran at the same time was not disturbed; the canaries on the host (a file, a process, sockets) are as they were.
set -u
SANDBOX=${SANDBOX:-$(cd "$(dirname "$0")/../.." && pwd)/build/release/sandbox}
ENGINE=${ENGINE:-seccomp}
HERE=$(cd "$(dirname "$0")" && pwd)
FAILED=0
WORK=$(mktemp -d "${TMPDIR:-/tmp}/escape.XXXXXX") || exit 1
SECRET=canary-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
export SECRET
chmod 755 "$WORK"
mkdir "$WORK/in" "$WORK/secret"
chmod 700 "$WORK/secret"
echo "$SECRET" >"$WORK/secret/canary"
chmod 600 "$WORK/secret/canary"
fail() {
    echo "FAIL: $*"
    FAILED=1
}
skip() {
    echo "$*"
    exit 77
}
command -v gcc >/dev/null || skip "there is no gcc"

build() { # NAME
    gcc -std=gnu17 -O1 -w -static -pthread -mno-red-zone -fcf-protection=none -I"$HERE/../.." -o "$WORK/in/$1" "$HERE/$1.c" ||
        { echo "$1.c does not compile"; exit 1; }
}

# The host's side: a process to be killed, an abstract socket and a port to be reached.
build listener
"$WORK/in/listener" "$SECRET" "$WORK/secret/reached" >"$WORK/secret/port" &
LISTENER=$!
sleep 300 &
VICTIM=$!
until [ -s "$WORK/secret/port" ]; do sleep 0.05; done
PORT=$(cat "$WORK/secret/port")

# A second sandbox: it answers each line of its input.
mkfifo "$WORK/ask" "$WORK/answer"
(cd /usr && exec "$SANDBOX" exec --platform="$ENGINE" -- sh -c 'while read -r l; do echo "$l" | sed s/^/re:/; done; echo end') \
    <"$WORK/ask" >"$WORK/answer" 2>"$WORK/bystander.err" &
BYSTANDER=$!
exec 8>"$WORK/ask" 9<"$WORK/answer"
trap 'kill $LISTENER $VICTIM $BYSTANDER 2>/dev/null; rm -rf "$WORK"' EXIT
ask() {
    local reply
    echo "$1" >&8
    read -r -t 15 -u 9 reply && [ "$reply" = "re:$1" ] || fail "the other sandbox was disturbed ($1: ${reply-nothing})"
}
ask before

# run_attacks NAME [OPTION of sandbox exec...]: the current directory, $WORK/in, is seen inside.
run_attacks() {
    local name=$1 status
    shift
    [ -x "$WORK/in/$name" ] || build "$name"
    cd "$WORK/in" || exit 1
    SECRET=$SECRET timeout -k 5 "${LIMIT:-90}" "$SANDBOX" exec --platform="$ENGINE" --env VICTIM=$VICTIM --env PORT="$PORT" \
        --env "CANARY=$WORK/secret/canary" --env "SECRET_START=${SECRET%????????}" "$@" -- "${PROGRAM:-./$name}" \
        <&7 >"$WORK/out" 2>&1 8>&- 9>&-
    status=$?
    case $status in
    0) ;;
    124 | 137) fail "$name: hung (status $status)" ;;
    125) fail "$name: the sandbox itself failed" ;;
    *) fail "$name: status $status" ;;
    esac
    [ $status = 0 ] || tail -n 25 "$WORK/out"
    [ "${VERBOSE:-0}" = 0 ] || cat "$WORK/out"
    grep -q "${SECRET#????????????}" "$WORK/out" && fail "$name: the secret came out"
    [ "$(cat "$WORK/secret/canary")" = "$SECRET" ] || fail "$name: the canary was changed"
    [ "$(ls -A "$WORK/secret" | tr '\n' ' ')" = "canary port " ] || fail "$name: beside the canary: $(ls -A "$WORK/secret")"
    kill -0 $VICTIM 2>/dev/null && kill -0 $LISTENER || fail "$name: a process of the host was killed"
    ask "after $name"
}

finish() {
    exec 8>&-
    local last
    read -r -t 15 -u 9 last && [ "$last" = end ] || fail "the other sandbox did not come to its end"
    wait $BYSTANDER || fail "the other sandbox: status $?"
    exit $FAILED
}
exec 7</dev/null
