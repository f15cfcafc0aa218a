# A Rust program: threads, channels, child processes, a panic that is caught.
. "$(dirname "$0")/lib.sh"
rustc=$(command -v rustc) || skip "there is no rustc"
cat >"$WORK/t.rs" <<'R'
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{mpsc, Arc, Mutex};
use std::{fs, thread, time::Duration};

fn main() {
    let sum = Arc::new(Mutex::new(0u64));
    let threads: Vec<_> = (0..50)
        .map(|n| {
            let sum = sum.clone();
            thread::spawn(move || for _ in 0..200 { *sum.lock().unwrap() += n; })
        })
        .collect();
    for t in threads { t.join().unwrap(); }
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || { thread::sleep(Duration::from_millis(20)); tx.send("sent").unwrap(); });
    println!("hello {} {}", sum.lock().unwrap(), rx.recv().unwrap());
    let mut c = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    c.stdin.take().unwrap().write_all(b"through cat").unwrap();
    let mut s = String::new();
    c.stdout.take().unwrap().read_to_string(&mut s).unwrap();
    println!("{} {:?}", s, c.wait().unwrap());
    fs::write("f", "text").unwrap();
    println!("{:?} {:?}", fs::read_to_string("f"), fs::read("none").map_err(|e| e.kind()));
    std::panic::set_hook(Box::new(|_| {})); // its message names the thread's number
    let r = std::panic::catch_unwind(|| { let v: Vec<i32> = vec![]; v[std::env::args().count()] });
    println!("{}", r.is_err());
    std::process::exit(8);
}
R
(cd "$WORK" && "$rustc" -O -o t t.rs) || skip "rustc does not build a program"
same_as_native "$WORK/t"
expect_native 'hello 245000 sent'
finish
