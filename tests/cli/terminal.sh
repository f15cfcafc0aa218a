# On a terminal: Ctrl-C and Ctrl-Z reach the program, and the shell sees its job stop; settings and job
# control work inside.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
cat >drive.py <<'P'
import os, pty, select, sys, time

def run(command, steps, want_status, want_text):
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    out = b""

    def read_until(pattern, seconds):
        nonlocal out
        end = time.time() + seconds
        seen = len(out)
        while time.time() < end and (pattern is None or pattern not in out[seen:]):
            if select.select([fd], [], [], 0.05)[0]:
                try:
                    data = os.read(fd, 4096)
                except OSError:
                    return
                if not data:
                    return
                out += data

    for wait_for, text in steps:
        read_until(wait_for, 5)
        time.sleep(0.3)
        os.write(fd, text)
    read_until(None, 5)
    for _ in range(50):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        time.sleep(0.1)
    else:
        os.kill(pid, 9)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != want_status or want_text not in out:
        print("FAIL:", command, "status", status, "output", out)
        sys.exit(1)

s = os.environ["SANDBOX"]
run([s, "exec", "--", "sh", "-c", "echo ready; sleep 100"], [(b"ready", b"\x03")], 130, b"ready")
run([s, "exec", "--", "sh", "-c", "trap 'echo caught' INT; echo ready; read x; read x; echo [$x]"],
    [(b"ready", b"\x03"), (b"^C", b"a\n"), (b"a", b"b\n")], 0, b"[b]")
run([s, "exec", "--", "sh", "-c", "stty -echo; stty -a | grep -o -e -echo; stty echo"], [], 0, b"-echo")
run([s, "exec", "--", "bash", "--norc", "-i"],
    [(b"# " if os.getuid() == 0 else b"$ ", b"sleep 100\n"), (b"100", b"\x1a"), (b"Stopped", b"kill %1\n"),
     (b"Terminated", b"exit 3\n")], 3, b"Stopped")
run(["bash", "--norc", "-i"],
    [(b"# " if os.getuid() == 0 else b"$ ", b"%s exec -- sh -c 'echo re''ady; sleep 100'\n" % s.encode()),
     (b"ready", b"\x1a"), (b"Stopped", b"fg\n"), (b"sleep", b"\x03"), (b"^C", b"echo st=$?\n"), (b"st=", b"exit\n")],
    0, b"st=130")
P
SANDBOX=$SANDBOX timeout 100 python3 drive.py || fail "terminal"
finish
