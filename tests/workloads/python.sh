# Python: subprocesses, threads, asyncio, multiprocessing, temporary files, mmap, sqlite3.
. "$(dirname "$0")/lib.sh"
need python3
prepare() {
    cat >t.py <<'P'
import asyncio, json, mmap, multiprocessing, os, select, signal, subprocess, sys, tempfile, threading, time
print(json.dumps({"a": [1, 2.5, None], "b": "\u00e9"}, sort_keys=True))
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
print(subprocess.check_output("seq 1 1000 | wc -l", shell=True))
total, lock = 0, threading.Lock()
def work():
    global total
    for _ in range(1000):
        with lock:
            total += 1
threads = [threading.Thread(target=work) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
print(total)
async def tick(n):
    await asyncio.sleep(0.01 * n)
    return n
async def main():
    p = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = await p.communicate(b"through cat")
    return out, p.returncode, await asyncio.gather(*(tick(i) for i in range(10)))
print(asyncio.run(main()))
with tempfile.TemporaryDirectory(dir=".") as d:
    with open(d + "/f", "w+b") as f:
        f.truncate(8192)
        m = mmap.mmap(f.fileno(), 8192)
        m[4096:4101] = b"hello"
        m.flush()
        f.seek(4096)
        print(f.read(5), os.fstat(f.fileno()).st_size)
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(w, b"x" * 100000 if False else b"child")
    os._exit(7)
print(os.read(r, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
seen = []
signal.signal(signal.SIGALRM, lambda *a: seen.append(a[0]))
signal.setitimer(signal.ITIMER_REAL, 0.02)
time.sleep(0.1)
print(seen)
def square(x):
    return x * x
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as p:
        print(sum(p.map(square, range(200))))
    import sqlite3
    c = sqlite3.connect("t.db")
    c.execute("create table t (a)"); c.executemany("insert into t values (?)", ((i,) for i in range(500)))
    c.commit(); print(c.execute("select sum(a) from t").fetchone())
    sys.exit(5)
P
}
same_as_native /usr/bin/python3 t.py
expect_native '^20000$'
finish
