package lzms
import ("testing";"os";"time";"fmt";"github.com/winbake/packer-plugin-winbake/internal/codec/codectest";"github.com/winbake/packer-plugin-winbake/internal/oracle")
func TestZZ(t *testing.T) {
	data, _ := os.ReadFile(os.Getenv("ZZ"))
	for _, size := range []int{1<<17, 1<<26} {
		plain := codectest.Cut(data, size)
		enc := oracle.WimlibEncode(t, "LZMS", size, 0, plain)
		d := newDecoder(t, size)
		dst := make([]byte, len(plain[0]))
		var sum time.Duration
			for i, e := range enc { if e != nil { best := time.Hour; for range 12 { t0 := time.Now(); if err := d.Decode(dst[:len(plain[i])], e); err != nil { t.Fatal(err) }; best = min(best, time.Since(t0)) }; sum += best } }
		fmt.Printf("ours %d %.1f MB/s\n", size, float64(len(data))/sum.Seconds()/1e6)
	}
}
