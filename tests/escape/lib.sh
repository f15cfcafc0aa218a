# What every attack needs; sourced. run_attacks builds a C program of this folder, runs it in a sandbox, and
# holds it to this, after each single attack: it got no more than it had; the sandbox serves others; a second sandbox
# that runs at the same time is not disturbed; the canaries on the host (a file, a process, sockets) are as they
# were; and a warden that looks at the guest's processes from the host all the time saw nothing (warden.c).
set -u
SANDBOX=${SANDBOX:-$(cd "$(dirname "$0")/../.." && pwd)/build/release/sandbox}
ENGINE=${ENGINE:-seccomp}
HERE=$(cd "$(dirname "$0")" && pwd)
FAILED=0
trap : PIPE # a program that is gone does not hear us
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
    echo "failed: $*" >>"$WORK/failures"
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

build warden
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
(cd /usr && exec "$SANDBOX" exec --platform="$ENGINE" ${OPTION:+"$OPTION"} -- sh -c 'while read -r l; do echo "$l" | sed s/^/re:/; done; echo end') \
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

# What must hold on the host after each attack. $1: its line of the report.
host_is_well() {
    local verdict
    [ "$(<"$WORK/secret/canary")" = "$SECRET" ] || fail "$1: the canary was changed"
    [ "$(echo "$WORK"/secret/*)" = "$WORK/secret/canary $WORK/secret/port" ] || fail "$1: beside the canary: $(ls -A "$WORK/secret")"
    kill -0 $VICTIM 2>/dev/null && kill -0 $LISTENER || fail "$1: a process of the host was killed"
    echo rest >&"${WARDEN[1]}"
    read -r -t 40 -u "${WARDEN[0]}" verdict && [ "$verdict" = ok ] || fail "$1: seen from the host: ${verdict-nothing}"
    ask "after $1"
}

# run_attacks NAME [OPTION of sandbox exec...]: the current directory, $WORK/in, is seen inside. After each attack
# the program says so and waits until we have looked around here.
run_attacks() {
    local name=$1 status line front say hear
    shift
    [ -x "$WORK/in/$name" ] || build "$name"
    cd "$WORK/in" || exit 1
    rm -f "$WORK/say" "$WORK/hear"
    mkfifo "$WORK/say" "$WORK/hear"
    SECRET=$SECRET timeout -k 5 "${LIMIT:-140}" "$SANDBOX" exec --platform="$ENGINE" ${OPTION:+"$OPTION"} --env VICTIM=$VICTIM --env PORT="$PORT" \
        --env "CANARY=$WORK/secret/canary" --env "SECRET_START=${SECRET%????????}" "$@" -- "${PROGRAM:-./$name}" \
        <"$WORK/say" >"$WORK/hear" 2>&1 8>&- 9>&- &
    front=$!
    exec {say}>"$WORK/say" {hear}<"$WORK/hear"
    coproc WARDEN { exec "$WORK/in/warden" $front "$ENGINE" 2>&1; }
    : >"$WORK/out"
    while IFS= read -r -u "$hear" line; do
        printf '%s\n' "$line" >>"$WORK/out"
        case $line in
        "attack "*)
            host_is_well "${line#attack }"
            echo go >&"$say"
            echo "$line" # one line an attack
            ;;
        esac
    done
    wait $front
    status=$?
    exec {say}>&- {hear}<&-
    kill "$WARDEN_PID" 2>/dev/null
    wait "$WARDEN_PID" 2>/dev/null
    case $status in
    0) ;;
    124 | 137) fail "$name: hung (status $status)" ;;
    125) fail "$name: the sandbox itself failed" ;;
    *) fail "$name: status $status" ;;
    esac
    [ $status = 0 ] || tail -n 25 "$WORK/out"
    [ "${VERBOSE:-0}" = 0 ] || cat "$WORK/out"
    grep -q "${SECRET#????????????}" "$WORK/out" && fail "$name: the secret came out"
    ask "after $name"
}

finish() {
    exec 8>&-
    local last
    read -r -t 15 -u 9 last && [ "$last" = end ] || fail "the other sandbox did not come to its end"
    wait $BYSTANDER || { fail "the other sandbox: status $?"; cat "$WORK/bystander.err"; }
    cat "$WORK/failures" 2>/dev/null # again, since who runs us shows the end
    exit $FAILED
}
