#!/usr/bin/env bash
# Collects the DEVIATION: comments of the sources into docs/DEVIATIONS.md. Run by `make docs`.
set -eu
cd "$(dirname "$0")/.."
{
    echo "# Where the sandbox differs from Linux on purpose"
    echo
    echo "Collected from the \`DEVIATION:\` comments in the sources by \`make docs\`. What is not supported at all stands in"
    echo "[SYSCALLS.md](SYSCALLS.md)."
    git ls-files '*.c' '*.h' | grep -v '^tests/' | sort | while read -r f; do
        awk -v file="$f" '
            function flush() { if (text != "") { gsub(/[ \t]+/, " ", text); sub(/ *\*\/.*/, "", text); print "- " text " (`" file "`)"; text = "" } }
            /DEVIATION:/ { flush(); t = $0; sub(/.*DEVIATION: */, "", t); text = t; if (t ~ /\*\//) flush(); next }
            text != "" { t = $0; sub(/^[ \t]*\*?[ \t]*/, "", t); if (t == "" || t == "/") { flush(); next } text = text " " t; if ($0 ~ /\*\//) flush() }
            END { flush() }' "$f"
    done | sed '1i\\'
} >docs/DEVIATIONS.md
