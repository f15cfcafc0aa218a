# 2,000 files through a pipe from one tar to another; contents, modes, times and links arrive.
. "$(dirname "$0")/lib.sh"
need tar gzip
prepare() {
    mkdir -p src
    (cd src && for d in $(seq 1 20); do
        mkdir "d$d"
        for f in $(seq 1 100); do echo "$d $f" >"d$d/f$f"; done
    done
    ln -s d1/f1 link; ln d1/f2 hard; chmod 640 d2/f3; touch -d 2001-02-03 d3/f4)
    find src -exec touch -h -d '2020-01-01 00:00:00' {} +
}
same_as_native sh -c 'mkdir dst && tar cf - src | tar xf - -C dst && find dst -printf "%P %y %m %s %t %l %n\n" | grep -v "^ \|^src d" | sort | sha256sum &&
    find dst -type f | wc -l && (cd dst/src && cat $(find . -type f | sort)) | sha256sum && tar czf a.tgz --sort=name src && tar tzf a.tgz | wc -l && rm -rf src dst && ls'
expect_native '^2001$'
finish
