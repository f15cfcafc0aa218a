# A pseudo terminal inside: a shell with job control on it, window size, line editing, Ctrl-C and Ctrl-D.
. "$(dirname "$0")/lib.sh"
need python3 script stty
prepare() {
    cat >t.py <<'P'
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["PS1"] = "$ "
    os.execv("/bin/sh", ["sh"])
out = b""
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
def until(text, seconds=20):
    global out
    end = time.time() + seconds
    got = b""
    while time.time() < end and text not in got:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                d = os.read(fd, 4096)
            except OSError:
                break
            if not d:
                break
            got += d
    out += got
    if text not in got:
        print("missing:", text, got)
def send(data, wait):
    os.write(fd, data)
    until(wait)
until(b"$ ")
send(b"stty size\n", b"33 77\r\n$ ")
send(b"echo ab\x7fc\n", b"ac\r\n$ ")
send(b"tty | cut -c 1-8\n", b"/dev/pts\r\n$ ")
os.write(fd, b"sleep 100\n"); time.sleep(0.4)
send(b"\x03", b"$ ")
send(b"echo $?\n", b"130\r\n$ ")
os.write(fd, b"cat\n"); time.sleep(0.3)
send(b"one\n", b"one\r\none\r\n")
send(b"\x04", b"$ ")
send(b"stty -echo; stty -a | grep -o ' -echo '\n", b" -echo \r\n$ ")
send(b"exit 5\n", b"never") if False else os.write(fd, b"exit 5\n")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sys.stdout.write(out.decode())
P
}
same_as_native /usr/bin/python3 t.py
expect_native '33 77'
same_as_native sh -c 'script -qec "stty size; test -t 1 && echo terminal; exit 3" log; echo $?; test -s log && echo logged; tty; echo $?'
expect_native terminal
finish
