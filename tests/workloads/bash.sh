# bash: loops, pipes, command and process substitution, here documents, arrays, redirections.
. "$(dirname "$0")/lib.sh"
same_as_native bash -c 'for i in 1 2 3; do echo $i | cat; done; ls -l / | wc -l'
expect_native 3
same_as_native bash -c '
set -o pipefail
a=($(seq 1 50)); echo "${#a[@]} ${a[*]: -3}"
diff <(seq 1 5) <(seq 1 6); echo "diff: $?"
cat <<<"here $((6 * 7))"
exec 5>log; echo five >&5; exec 5>&-; cat log
( cd /usr; pwd ); pwd | sed "s|.*/||"
false | true; echo $? "${PIPESTATUS[@]}"
mapfile -t l < <(printf "%s\n" x y z); echo "${l[1]}"
printf "%s\n" *; ls -la log | cut -d" " -f1
coproc cat; echo through >&"${COPROC[1]}"; read -r x <&"${COPROC[0]}"; echo $x; kill $COPROC_PID; wait $COPROC_PID 2>/dev/null; echo $?
ulimit -s; umask; no-such-command; echo $?'
expect_native through
finish
