# The wall as the host sees it: what the processes of a running sandbox have. No capability, no new privileges,
# a filter each, namespaces of their own, empty roots; the guest's own process has not one file open. When
# the front process is killed, all of them are gone.
. "$(dirname "$0")/lib.sh"
cd /usr || exit 1
"$SANDBOX" exec --platform="$ENGINE" ${OPTION:+"$OPTION"} -- sh -c 'sleep 100 & exec sleep 100' </dev/null >/dev/null 2>&1 8>&- 9>&- &
FRONT=$!
disown $FRONT

below() { # the processes below $1
    local p
    for p in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        echo "$p"
        below "$p"
    done
}
field() { # PID NAME
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}
for i in $(seq 100); do
    all=$(below $FRONT)
    stubs=$(for p in $all; do case $(readlink "/proc/$p/exe") in *memfd:stub*) echo "$p" ;; esac; done)
    [ "$(echo "$stubs" | wc -w)" -ge 2 ] && break
    sleep 0.1
done
sleep 0.3 # what only helped to start is gone by then
all=$(below $FRONT)
stubs=$(for p in $all; do case $(readlink "/proc/$p/exe") in *memfd:stub*) echo "$p" ;; esac; done)
[ "$(echo "$stubs" | wc -w)" = 2 ] || fail "two guest processes were expected, there are: $stubs"
[ "$(echo "$all" | wc -w)" -ge 4 ] || fail "gofer, sentry and two guests were expected, there are: $all"
for p in $all; do
    kind=ours
    case " $(echo $stubs) " in *" $p "*) kind=guest ;; esac
    for set in CapEff CapPrm CapInh CapAmb CapBnd; do
        [ "$(field "$p" $set)" = 0000000000000000 ] || [ "$set$kind" = CapBndguest ] || fail "$kind $p: $set is $(field "$p" $set)"
    done
    [ "$(field "$p" NoNewPrivs)" = 1 ] || fail "$kind $p: may gain privileges"
    # a traced guest has no filter: it never makes a system call
    [ "$(field "$p" Seccomp)" = 2 ] || [ "$ENGINE$kind" = ptraceguest ] || fail "$kind $p: no filter"
    for ns in user pid mnt net ipc uts cgroup; do
        [ "$(readlink "/proc/$p/ns/$ns")" != "$(readlink /proc/self/ns/$ns)" ] || fail "$kind $p: the host's $ns namespace"
    done
    [ -z "$(ls -A "/proc/$p/root" 2>/dev/null)" ] || fail "$kind $p: its root is not empty: $(ls -A "/proc/$p/root" | head -n 3)"
    if [ $kind$ENGINE = guestseccomp ]; then # a traced one keeps two, for calls that it can't make by itself
        # its channels, and what it boots from, read-only
        for fd in /proc/"$p"/fd/*; do
            case ${fd##*/}$(readlink "$fd") in
            3/memfd:channels*) ;;
            4/memfd:ro* | 5/memfd:stub*)
                [ $((0$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$p/fdinfo/${fd##*/}") & 3)) = 0 ] ||
                    fail "$kind $p: fd ${fd##*/} is writable"
                ;;
            [6-9]/* | [12][0-9]/* | 3[0-7]/*) # a program that it may map again
                [ $((0$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$p/fdinfo/${fd##*/}") & 3)) = 0 ] ||
                    fail "$kind $p: fd ${fd##*/} is writable"
                ;;
            *) [ -e "$fd" ] && fail "$kind $p: open file: $(ls -l "$fd")" ;;
            esac
        done
        [ "$(tr '\0' ' ' <"/proc/$p/environ")" = "" ] || fail "$kind $p: it has an environment on the host"
        # the page that all share is there once, read-only; the stub's text can't be written
        awk '$1 ~ /^70000/ && $2 ~ /w.*x|x.*w/ {bad = 1; print} $1 ~ /^700008030000-/ && $2 ~ /w/ {bad = 1; print} END {exit bad}' \
            "/proc/$p/maps" || fail "$kind $p: mappings"
    fi
    # no file of the host is open for writing, but what stdout and stderr are
    for fd in /proc/"$p"/fdinfo/*; do
        n=${fd##*/} target=$(readlink "/proc/$p/fd/${fd##*/}")
        case $target in /memfd:* | anon_inode:* | socket:* | pipe:* | /dev/null | "") continue ;; esac
        [ "$n" -le 2 ] || [ $((0$(sed -n 's/^flags:[[:space:]]*//p' "$fd") & 3)) = 0 ] || fail "$kind $p: fd $n, $target, is writable"
    done
done
kill -KILL $FRONT
for i in $(seq 50); do
    left=$(for p in $all; do [ -d "/proc/$p" ] && echo "$p"; done)
    [ -z "$left" ] && break
    sleep 0.1
done
[ -z "$left" ] || fail "left behind: $left"
ask "after the wall"
finish
