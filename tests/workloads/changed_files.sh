# Files that are open for reading while this process and others change them: what fstat, lseek and read say, and what is left open.
. "$(dirname "$0")/lib.sh"
need python3
prepare() {
    for f in a b c d e f g; do
        seq 1 5000 >$f
    done
    cat >t.py <<'P'
import os, sys
def look(what, fd):
    s = os.fstat(fd)
    print(what, s.st_size, oct(s.st_mode), s.st_nlink, os.lseek(fd, 0, os.SEEK_CUR), os.pread(fd, 5, 0), os.pread(fd, 5, s.st_size - 3))
def reader(name):
    fd = os.open(name, os.O_RDONLY)
    os.lseek(fd, 7, os.SEEK_SET)
    look("opened", fd)
    return fd
def in_child(change):
    pid = os.fork()
    if pid == 0:
        change()
        os._exit(0)
    os.waitpid(pid, 0)
def write(name, flags, data):
    fd = os.open(name, flags)
    os.write(fd, data)
    os.close(fd)
changes = {
    "a": [lambda: os.chmod("a", 0o600), lambda: os.link("a", "a2"), lambda: os.unlink("a2"), lambda: os.rename("a", "a3"), lambda: os.unlink("a3")],
    "b": [lambda: write("b", os.O_RDWR, b"HELLO"), lambda: os.truncate("b", 3), lambda: os.truncate("b", 9000)],
    "c": [lambda: write("c", os.O_WRONLY | os.O_APPEND, b"the end"), lambda: write("c", os.O_WRONLY | os.O_TRUNC, b"short")],
    "d": [lambda: write("d", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, b""), lambda: write("d", os.O_WRONLY, b"again")],
    "e": [lambda: os.rename("f", "e")],
}
for run in (lambda change: change(), in_child):
    for name, list_of in changes.items():
        if run is in_child:
            name += ""  # the same names: made anew, they live in memory
            for other in (name, "f"):
                if not os.path.exists(other):
                    write(other, os.O_WRONLY | os.O_CREAT, b"new and long enough\n" * 100)
        fd = reader(name)
        for change in list_of:
            run(change)
            look(name, fd)
        data = os.read(fd, 100000)
        print(len(data), data[-5:], os.read(fd, 10), os.lseek(fd, 0, os.SEEK_CUR))
        os.close(fd)
# every number is free again, and the positions of what is shared are kept
fds = [os.open("g", os.O_RDONLY) for i in range(100)]
for i, fd in enumerate(fds):
    os.lseek(fd, i, os.SEEK_SET)
def share():
    for i, fd in enumerate(fds):
        assert os.lseek(fd, 0, os.SEEK_CUR) == i
        os.lseek(fd, 10 * i, os.SEEK_SET)
        os.close(fd)
in_child(share)
print([os.lseek(fd, 0, os.SEEK_CUR) for fd in fds][-3:])
for fd in fds:
    os.close(fd)
print([os.open("g", os.O_RDONLY) - fds[0] for i in range(100)] == [fd - fds[0] for fd in fds], len(os.listdir("/proc/self/fd")) - 100 > 0)
P
}
same_as_native python3 t.py
finish
