package codectest

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// CompareSpeed measures d against libwim's decoder on the material of the benchmarks, compressed in chunks
// of a size, in pairs, and prints how fast it is: more than 1 is faster. What counts is processor time, at
// its best of three times each, since other work on the machine only adds to it. It judges nothing, and
// runs where WINBAKE_BENCH is set.
func CompareSpeed(t *testing.T, d Decoder, format string, size int) {
	t.Helper()
	if os.Getenv("WINBAKE_BENCH") == "" {
		t.SkipNow()
	}
	plain := Cut(BenchmarkMaterial(t), size)
	var chunks []oracle.Chunk
	var dst [][]byte
	total := 0
	for i, data := range oracle.WimlibEncode(t, format, size, 0, plain) {
		if data != nil {
			chunks = append(chunks, oracle.Chunk{Data: data, Size: len(plain[i])})
			dst = append(dst, make([]byte, len(plain[i])))
			total += len(plain[i])
		}
	}
	var ratios, speeds []float64
	for range 5 {
		ours := decodeTime(t, d, chunks, dst)
		ratios = append(ratios, float64(oracle.WimlibDecodeTime(t, format, size, chunks))/float64(ours))
		speeds = append(speeds, float64(total)/1e6/ours.Seconds())
	}
	fmt.Printf("%s, chunks of %d: %.0f MB/s, %v of wimlib's speed\n", format, size, oracle.SpreadOf(speeds).Median, oracle.SpreadOf(ratios))
}

func decodeTime(t *testing.T, d Decoder, chunks []oracle.Chunk, dst [][]byte) (best time.Duration) {
	t.Helper()
	runtime.GC() // not while it is measured
	for i := range 4 {
		start := processorTime()
		for i, c := range chunks {
			if err := d.Decode(dst[i], c.Data); err != nil {
				t.Fatal(err)
			}
		}
		if took := processorTime() - start; i == 0 || took < best {
			best = took
		}
	}
	return best
}

func processorTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
