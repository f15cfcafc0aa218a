# A static program that is many: a shell with applets, pipes, and text tools.
. "$(dirname "$0")/lib.sh"
need busybox
same_as_native busybox sh -c '
busybox seq 1 2000 | busybox awk "{s += \$1} END {print s}"
for i in a b c; do echo $i; done | busybox sort -r | busybox tr a-z A-Z
mkdir -p x/y && echo hello >x/y/f && busybox find x | busybox sort && busybox md5sum x/y/f
busybox ls /usr | busybox wc -l; busybox cat /no/such; echo $?'
expect_native 2001000
finish
