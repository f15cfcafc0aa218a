# Bad input ends with 125 and one line that says what, on what, and what to do.
. "$(dirname "$0")/lib.sh"
touch file
mkdir private
expect_error 125 'unknown option: --nonsense: see' "$SANDBOX" exec --nonsense -- true
expect_error 125 'unknown option: -x' "$SANDBOX" exec -x true
expect_error 125 'no program given' "$SANDBOX" exec
expect_error 125 'no program given' "$SANDBOX" exec --host=all --
expect_error 125 '--host.*everything.*use system, all or none' "$SANDBOX" exec --host=everything true
expect_error 125 '--host: value missing' "$SANDBOX" exec --host
expect_error 125 '--keep-env: takes no value' "$SANDBOX" exec --keep-env=1 true
expect_error 125 '--root /nonexistent: No such file or directory: give' "$SANDBOX" exec --root /nonexistent true
expect_error 125 "--root $WORK/file: not a directory" "$SANDBOX" exec --root "$WORK/file" true
expect_error 125 '--root /: .*--host=all' "$SANDBOX" exec --root / --host=all true
expect_error 125 '--ro missing: No such file' "$SANDBOX" exec --ro missing true
expect_error 125 '--ro file: not a directory' "$SANDBOX" exec --ro file true
expect_error 125 "'relative' is not an absolute path" "$SANDBOX" exec --ro private:relative true
expect_error 125 '--rw: no host directory|no host directory' "$SANDBOX" exec --rw :/x true
expect_error 125 '--tmpfs.*absolute' "$SANDBOX" exec --tmpfs x true
expect_error 125 '--workdir.*absolute' "$SANDBOX" exec --workdir x true
expect_error 125 '--workdir /no/such: inside: No such file' "$SANDBOX" exec --workdir /no/such true
expect_error 125 '--user.*root.*as numbers' "$SANDBOX" exec --user root true
expect_error 125 '--user' "$SANDBOX" exec --user 4294967295 true
expect_error 125 '--timeout.*soon' "$SANDBOX" exec --timeout soon true
expect_error 125 '--timeout' "$SANDBOX" exec --timeout -1 true
expect_error 125 '--memory.*much' "$SANDBOX" exec --memory much true
expect_error 125 '--memory.*at least' "$SANDBOX" exec --memory 1K true
expect_error 125 '--memory' "$SANDBOX" exec --memory 99999999999999999999G true
expect_error 125 '--pids' "$SANDBOX" exec --pids 0 true
expect_error 125 '--platform.*kvm.*use seccomp or ptrace' "$SANDBOX" exec --platform=kvm true
expect_error 125 '--log /no/such/log: No such file' "$SANDBOX" exec --log /no/such/log true
expect_error 125 '--log-level' "$SANDBOX" exec --log-level loud true
expect_error 125 '--hostname' "$SANDBOX" exec --hostname '' true
expect_error 125 '--env' "$SANDBOX" exec --env =x true
expect_error 125 'unknown command: run' "$SANDBOX" run
expect_error 125 'unknown option: --xml' "$SANDBOX" syscalls --xml
if [ "$(id -u)" != 0 ]; then
    chmod 0 private
    expect_error 125 '--root private: Permission denied' "$SANDBOX" exec --root private true
fi
ln -s "$SANDBOX" sandbox-oci
expect_error 125 'sandbox-oci: .*not supported' ./sandbox-oci create x
finish
