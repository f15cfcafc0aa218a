# node: JIT, worker threads, child processes, streams, timers, file system promises.
. "$(dirname "$0")/lib.sh"
need node
prepare() {
    cat >t.js <<'J'
const { execFileSync, spawn } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const fs = require("fs"), crypto = require("crypto");
if (!isMainThread) {
    let s = 0;
    for (let i = 0; i < 3e6; i++) s = (s + i * workerData) % 1000003;
    parentPort.postMessage(s);
} else (async () => {
    console.log(execFileSync("sh", ["-c", "echo child; seq 1 10 | wc -l"]).toString());
    console.log(await Promise.all([1, 2, 3, 4].map(n => new Promise((ok, no) => {
        const w = new Worker(__filename, { workerData: n });
        w.on("message", ok); w.on("error", no);
    }))));
    await fs.promises.writeFile("f", Buffer.alloc(300000, "ab"));
    const h = crypto.createHash("sha256");
    for await (const c of fs.createReadStream("f")) h.update(c);
    console.log(h.digest("hex"), (await fs.promises.stat("f")).size);
    const cat = spawn("cat"); let got = 0;
    cat.stdout.on("data", d => got += d.length);
    cat.stdin.end(Buffer.alloc(500000));
    await new Promise(r => cat.on("close", r));
    console.log(got, fs.readdirSync(".").sort());
    setTimeout(() => { console.log("timer"); process.exit(9); }, 20);
})();
J
}
same_as_native node -e 'console.log([1, 2, 3].map(x => x * 2), process.arch)'
same_as_native node t.js
expect_native timer
finish
