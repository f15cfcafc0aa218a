# Sorting 1,000,000 lines: threads, temporary files, big pipes.
. "$(dirname "$0")/lib.sh"
need seq sort
same_as_native sh -c 'seq 1 1000000 | sed "s/\(.*\)\(.\)/\2\1/" | sort -S 8M -T . | sha256sum; seq 1000000 -1 1 | sort -n | head -n 2; seq 1 1000000 >f; sort -rn f | tail -n 1; wc f; ls'
expect_native '^1$'
finish
