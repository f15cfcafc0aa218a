# Walks of big trees see what the host has: names, kinds, sizes, modes.
. "$(dirname "$0")/lib.sh"
same_as_native sh -c 'find /usr -xdev | wc -l; find /etc /bin /sbin /lib /opt -xdev | sort | sha256sum'
expect_native '[0-9][0-9][0-9]'
# owners: an ordinary user's namespaces can't tell foreign owners from each other
same_as_native sh -c 'f="%p %m %s"; [ "$(id -u)" = 0 ] && f="$f %u %g"; find /usr/share /usr/include /etc -xdev -type f ! -path /etc/hosts -printf "$f\n" 2>/dev/null | sort | sha256sum; du -s --apparent-size /usr/include; ls -lR /usr/lib/gcc | wc -l'
if [ "$LONG" = 1 ]; then
    # what other programs change meanwhile can't be compared
    LIMIT=280 same_as_native sh -c 'find / -xdev \( -path /tmp -o -path /var -o -path /run -o -path /work -o -path "$HOME" -o -path /root -o -path /home \) -prune -o -print | wc -l'
fi
finish
