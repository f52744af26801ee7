package regf

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"
)

// softwareLike returns the image of a hive of about that many bytes whose keys and values are like
// those of a SOFTWARE hive: some hundred bytes of names and data for a key.
func softwareLike(t testing.TB, size int) []byte {
	h := New("CMI-CreateHive{winbake}")
	h.Minor = 5
	blob := pattern(400)
	for i := range size / 600 {
		k := create(t, h.Root, fmt.Sprintf(`Classes %d\CLSID %d\{%08x-0000-0000-C000-000000000046}`, i>>18, i>>9, i))
		k.Set(String("", `C:\Windows\System32\example.dll`))
		k.Set(String("ThreadingModel", "Apartment"))
		k.Set(DWord("Flags", uint32(i)))
		if i%2 == 0 {
			k.Set(Binary("Blob", blob))
		}
	}
	return marshal(t, h)
}

// cost is what a step took.
type cost struct {
	time  time.Duration
	heap  float64 // bytes in use afterwards, without garbage
	alloc float64 // bytes allocated on the way, garbage or not
}

// measure runs a step.
func measure(step func()) (c cost) {
	var before, stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	step()
	c.time = time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&stats)
	c.heap, c.alloc = float64(stats.HeapAlloc), float64(stats.TotalAlloc-before.TotalAlloc)
	return c
}

// TestLarge reads, rewrites, salvages and recovers a small hive and one of 200 MB. Time grows no
// faster than the hive does, with room for a busy machine (the square of the size would be sixteen
// times as much a byte), and the tree takes next to nothing until somebody looks at it: hive and copy
// together stay within 2.2 times the hive. Reading the copy piece by piece allocates half a hive.
// Salvage and Recover allocate no more than three, all their garbage included.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("large")
	}
	small := perByte(t, softwareLike(t, 12<<20))
	large := perByte(t, softwareLike(t, 200<<20))
	for step, n := range large {
		if n > 8*small[step] {
			t.Errorf("%s: %v ns a byte of a large hive, %v of a small one", step, n, small[step])
		}
	}
}

// perByte returns the nanoseconds that each step takes for a byte of the hive.
func perByte(t *testing.T, b []byte) map[string]float64 {
	t.Helper()
	size := float64(len(b))
	before := measure(func() {}).heap
	var h *Hive
	var out []byte
	p := measure(func() { h = parse(t, b) })
	m := measure(func() {
		var err error
		if out, err = h.Marshal(); err != nil {
			t.Fatal(err)
		}
	})
	tree, all := (p.heap-before)/size, 1+(m.heap-before)/size
	if tree > 0.1 || all > 2.2 {
		t.Errorf("the tree has %.2f times the size of the hive, with the hive and a copy %.2f", tree, all)
	}
	pieces := measure(func() {
		r, err := h.Reader()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(out)) {
			t.Errorf("%d bytes in pieces, %v", n, err)
		}
	})
	if pieces.alloc > size/2 {
		t.Errorf("Reader allocates %.2f times the size of the hive", pieces.alloc/size)
	}
	runtime.KeepAlive(h)
	h = nil
	s := measure(func() { _, _ = Salvage(b) })
	log := newLog(7, b[:2*baseSize], b[:2*baseSize])
	le.PutUint32(log[sectorSize+0x10:], uint32(len(b)-baseSize))
	sealEntry(log[sectorSize:])
	r := measure(func() {
		if _, _, err := Recover(seal(out, 8, 7), log); err != nil {
			t.Error(err)
		}
	})
	if s.alloc > 3*size || r.alloc > 3*size {
		t.Errorf("Salvage allocates %.2f times the size of the hive, Recover %.2f", s.alloc/size, r.alloc/size)
	}
	t.Logf("%d bytes: tree %.2f, with hive and copy %.2f times that, pieces %.2f, salvage %.2f, recover %.2f; parse %v, marshal %v, pieces %v, salvage %v, recover %v",
		len(b), tree, all, pieces.alloc/size, s.alloc/size, r.alloc/size, p.time, m.time, pieces.time, s.time, r.time)
	ns := func(c cost) float64 { return float64(c.time) / size }
	return map[string]float64{"Parse": ns(p), "Marshal": ns(m), "Reader": ns(pieces), "Salvage": ns(s)}
}
