# What every workload needs; sourced. A workload says what it runs, and same_as_native runs that in the
# sandbox and natively, as root and as an ordinary user, and compares stdout, stderr and exit status.
#
#   $SANDBOX, $ENGINE, $OPTION, $LONG    the program under test, its platform, an option for it, 1 for the long forms
#   prepare                     may be defined: fills the current directory before each run of a pair
#
# The sandbox goes first: what it writes must vanish, so the native run finds the directory as it was.
set -u
SANDBOX=${SANDBOX:-$(cd "$(dirname "$0")/../.." && pwd)/build/release/sandbox}
ENGINE=${ENGINE:-seccomp}
LONG=${LONG:-0}
LIMIT=${LIMIT:-120}
FAILED=0
USER_ID=65533
WORK=$(mktemp -d "${TMPDIR:-/tmp}/workload.XXXXXX") || exit 1
trap 'rm -rf "$WORK"' EXIT
chmod 755 "$WORK"
SAFE_PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin

skip() {
    echo "$*"
    exit 77
}

# need PROGRAM...: of the system's folders, so that every user has them.
need() {
    for p; do
        PATH=$SAFE_PATH command -v "$p" >/dev/null || skip "there is no $p"
    done
}

prepare() { :; }

state_of() { find "$1" -printf '%P %y %m %s %T@ %U %G\n' | sort; }

# What the native run stands in: a /dev/shm of its own, empty and for every user, as the guest has one. The host's own
# may be closed to ordinary users (in a container, say), and then semaphores would fail natively alone.
OWN_SHM=(unshare --mount sh -c 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm && exec "$@"' sh)
"${OWN_SHM[@]}" true 2>/dev/null || OWN_SHM=()

# run_pair WHO PREFIX... -- COMMAND...: both runs of one user, in a directory of its own.
run_pair() {
    local who=$1 dir=$WORK/$1.dir before prefix=() status_box status_native f
    shift
    while [ "$1" != -- ]; do
        prefix+=("$1")
        shift
    done
    shift
    local clean=(env -i "PATH=$SAFE_PATH" "HOME=$dir" LC_ALL=C TZ=UTC TERM=dumb "USER=$who")
    rm -rf "$dir"
    mkdir "$dir"
    cd "$dir" || exit 1
    prepare || { echo "could not prepare"; exit 1; }
    [ "$who" = user ] && chown -R $USER_ID:$USER_ID "$dir"
    before=$(state_of "$dir")

    timeout -k 5 "$LIMIT" "${prefix[@]}" "${clean[@]}" "$SANDBOX" exec --platform="$ENGINE" ${OPTION:+"$OPTION"} --host=all --keep-env -- \
        "$@" </dev/null >"$WORK/box.out" 2>"$WORK/box.err"
    status_box=$?
    [ "$before" = "$(state_of "$dir")" ] || { echo "as $who: the sandbox changed the host's files"; FAILED=1; }
    timeout -k 5 "$LIMIT" "${OWN_SHM[@]}" "${prefix[@]}" "${clean[@]}" "$@" </dev/null >"$WORK/native.out" 2>"$WORK/native.err"
    status_native=$?

    [ $status_box = $status_native ] || {
        echo "as $who: status $status_box, natively $status_native: $*" | head -c 300
        echo
        FAILED=1
    }
    for f in out err; do
        cmp -s "$WORK/native.$f" "$WORK/box.$f" || {
            echo "as $who: std$f differs (- native, + sandbox): $*" | head -c 300
            echo
            diff -a -u "$WORK/native.$f" "$WORK/box.$f" | tail -n +3 | head -n 12 | cut -c 1-200
            FAILED=1
        }
    done
    cd "$WORK" || exit 1
    rm -rf "$dir"
}

same_as_native() {
    if [ "$(id -u)" != 0 ]; then
        echo "not run as root: that takes root"
        run_pair me env -- "$@"
        return
    fi
    run_pair root env -- "$@"
    if ! command -v setpriv >/dev/null; then
        echo "not run as an ordinary user: there is no setpriv"
    elif ! setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups test -x "$SANDBOX" -a -x "$WORK"; then
        echo "not run as an ordinary user: who can't get at $SANDBOX or $WORK"
    else
        run_pair user setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups -- "$@"
    fi
}

# The native run must have shown something: a comparison of two empty outputs proves nothing.
expect_native() { # PATTERN
    grep -aq -- "$1" "$WORK/native.out" || {
        echo "natively, no match for '$1': $(head -c 200 "$WORK/native.out" "$WORK/native.err")"
        FAILED=1
    }
}

finish() {
    exit $FAILED
}
