# A Go program: its own scheduler, threads, signals for preemption, futexes, epoll.
. "$(dirname "$0")/lib.sh"
go=$(command -v go || PATH=$PATH:/usr/local/go/bin:/usr/lib/go/bin command -v go) || skip "there is no go"
mkdir "$WORK/src"
cat >"$WORK/src/t.go" <<'G'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

func main() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for i := 0; i < 200; i++ {
		wg.Add(1)
		go func(n int) {
			defer wg.Done()
			if n%10 == 0 {
				runtime.LockOSThread()
			}
			for k := 0; k < 100; k++ {
				mu.Lock()
				sum += n
				mu.Unlock()
				runtime.Gosched()
			}
		}(i)
	}
	wg.Wait()
	spin := true
	go func() { for spin {} }()
	c := make(chan int)
	go func() { time.Sleep(30 * time.Millisecond); c <- 7 }()
	fmt.Println("hello", sum, <-c)
	out, err := exec.Command("sh", "-c", "echo from go; exit 3").CombinedOutput()
	fmt.Printf("%q %v\n", out, err)
	r, w, _ := os.Pipe()
	go func() { w.Write(make([]byte, 200000)); w.Close() }()
	buf, total := make([]byte, 4096), 0
	for {
		n, e := r.Read(buf)
		total += n
		if e != nil {
			break
		}
	}
	runtime.GC()
	fmt.Println(total, os.WriteFile("f", buf, 0600))
	os.Exit(6)
}
G
(cd "$WORK/src" && HOME=$WORK GOCACHE=$WORK/cache GO111MODULE=off CGO_ENABLED=0 "$go" build -o "$WORK/t" t.go) || skip "go does not build a program"
same_as_native "$WORK/t"
expect_native 'hello 1990000 7'
finish
