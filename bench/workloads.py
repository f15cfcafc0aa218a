"""The macro benchmarks: what real programs cost. Each is a bash script in two halves: what it needs, and what is timed.

The clock is read inside the sandbox, by bash itself, so that neither starting a sandbox nor preparing data
counts. All data lives below a fresh folder, which is the current directory.
"""

TREE = r"""
mkdir tree && cd tree
for d in {1..40}; do
    mkdir d$d
    for f in {1..50}; do echo "file $d/$f: the quick brown fox jumps over the lazy dog" >d$d/f$f.txt; done
done
cd ..
"""
GIT = "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null\n"
C_PROJECT = r"""
mkdir project && cd project
{
    echo 'CFLAGS = -O1'
    echo 'prog: $(patsubst %.c,%.o,$(sort $(wildcard *.c)))'
    printf '\t$(CC) -o $@ $^\n'
} >Makefile
for i in {1..30}; do
    { echo '#include <stdio.h>'; echo '#include <stdlib.h>'; echo '#include <string.h>'
      for k in {1..10}; do echo "int f${i}_$k(int x) { char b[64]; snprintf(b, 64, \"%d\", x); return atoi(b) + $k; }"; done
    } >m$i.c
done
echo 'int f1_1(int); int main(void) { return f1_1(-1); }' >main.c
"""
SQL = r"""
{
    echo 'PRAGMA synchronous=OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INTEGER);'
    for i in {1..500}; do
        echo 'BEGIN;'
        for k in {1..100}; do echo "INSERT INTO t(name, n) VALUES('row $i $k', $k);"; done
        echo 'COMMIT;'
    done
    echo 'SELECT count(*) FROM t;'
} >script.sql
"""
IMPORTS = ("import json, asyncio, argparse, collections, concurrent.futures, ctypes, csv, datetime, decimal, "
           "email.message, http.client, logging, multiprocessing, pathlib, pickle, random, re, sqlite3, ssl, "
           "subprocess, tarfile, tempfile, threading, unittest, urllib.request, uuid, xml.dom.minidom, zipfile")

# name, programs that it needs, what it needs done before, what is timed
WORKLOADS = [
    ("shell loop of 500 execs", ["bash"], "", "for i in {1..500}; do /bin/true; done"),
    ("git clone + status, 2000 files", ["git"],
     GIT + TREE + "git init -q tree && cd tree && git add . && "
     "git -c user.name=b -c user.email=b@b commit -qm 1 && cd ..",
     "git clone -q --no-hardlinks tree clone && git -C clone status -s"),
    ("tar c | tar x, 2000 files", ["tar"], TREE, "mkdir out && tar cf - tree | tar xf - -C out"),
    ("find | grep -r /usr/include", ["find", "grep"], "",
     "find /usr/include -type f | wc -l; grep -rl unlikely /usr/include | wc -l"),
    ("compile 30 C files", ["gcc", "make"], C_PROJECT, "make -s prog"),
    ("python3 start, 10 times", ["python3"], "", "for i in {1..10}; do python3 -c 0; done"),
    ("python3 with 30 imports", ["python3"], "", f"for i in {{1..3}}; do python3 -c '{IMPORTS}'; done"),
    ("sqlite3, 50000 inserts", ["sqlite3"], SQL, "sqlite3 db <script.sql"),
    ("dd 100 MB by 4k", ["dd"], "", "dd if=/dev/zero of=f bs=4k count=25600 status=none"),
    ("dd 100 MB by 64k", ["dd"], "", "dd if=/dev/zero of=f bs=64k count=1600 status=none"),
    ("dd 100 MB by 1M", ["dd"], "", "dd if=/dev/zero of=f bs=1M count=100 status=none"),
    ("pipe chain of 200 MB", ["cat"], "", "head -c 200M /dev/zero | cat | cat | wc -c"),
    ("node start, 3 times", ["node"], "", "for i in 1 2 3; do node -e 0; done"),
]


def script(scratch, setup, timed):
    """A bash script that prints "TIMED microseconds" on its last line, or fails. scratch: where its folder shall be."""
    return f"""set -e -o pipefail
dir=$(mktemp -d {scratch}/bench.XXXXXX); trap 'cd /; rm -rf "$dir"' EXIT; cd "$dir"
{{ {setup or ':'}
}} >&2
start=${{EPOCHREALTIME/[.,]/}}
{{ {timed}
}} >/dev/null
end=${{EPOCHREALTIME/[.,]/}}
echo TIMED $((end - start))
"""
