# Help and version go to stdout with status 0; every option is described; `syscalls` lists all, also as JSON.
. "$(dirname "$0")/lib.sh"
expect 0 '^sandbox [0-9]' "$SANDBOX" --version
expect 0 '^sandbox [0-9]' "$SANDBOX" exec --version
expect 0 '^Usage: sandbox COMMAND' "$SANDBOX" --help
expect 125 '^Usage: sandbox COMMAND' "$SANDBOX"
expect 0 'Examples:' "$SANDBOX" exec --help
for o in host root ro rw tmpfs workdir env keep-env user hostname timeout memory pids platform strace \
    log log-level backtrace version help; do
    expect 0 "^  --$o" "$SANDBOX" exec --help
done
[ "$("$SANDBOX" exec --help | awk '{ if (length($0) > 100) n++ } END { print n + 0 }')" = 0 ] ||
    fail "help lines are too long"
expect 0 '^ *0  read ' "$SANDBOX" syscalls
expect 0 'openat' "$SANDBOX" syscalls
expect 0 'Usage: sandbox syscalls' "$SANDBOX" syscalls --help
if command -v python3 >/dev/null; then
    "$SANDBOX" syscalls --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
assert len(rows) > 330 and rows[0]["name"] == "read" and rows[0]["number"] == 0
' || fail "syscalls --json"
fi
top=$(cd "$(dirname "$0")/../.." && pwd)
"$SANDBOX" syscalls --host | grep -v '| sanitizer runtime' | cmp - "$top/docs/HOST_SYSCALLS.md" ||
    fail "docs/HOST_SYSCALLS.md is not what lib/host_syscalls.def says"
"$SANDBOX" syscalls >/dev/full 2>/dev/null && fail "a full disk went unnoticed"
finish
