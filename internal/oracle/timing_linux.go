package oracle

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// watchPeak looks after a new process; the function that it returns gives the peak of its memory in
// bytes, when it has ended.
//
// Linux lets a process that is started inherit ru_maxrss from the one that starts it (exec(2) carries
// the peak of the old memory over). So the answer of rusage counts only where it is more than our
// own peak; else it is VmHWM, read every few milliseconds, which belongs to the process alone.
func watchPeak(pid int) func(*os.ProcessState) int64 {
	var own syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &own)
	done, polled := make(chan struct{}), make(chan int64)
	go func() {
		var peak int64
		for {
			peak = max(peak, highWater(pid))
			select {
			case <-done:
				polled <- peak
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func(p *os.ProcessState) int64 {
		close(done)
		peak := <-polled
		if r, ok := p.SysUsage().(*syscall.Rusage); ok && r.Maxrss > own.Maxrss {
			return max(peak, int64(r.Maxrss)<<10)
		}
		return peak
	}
}

// highWater reads the peak of a running process's resident memory, in bytes; 0 if it runs no more.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(line)), " kB"), 10, 64)
	return kib << 10
}
