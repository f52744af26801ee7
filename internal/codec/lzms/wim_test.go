package lzms

import (
	"bytes"
	"flag"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

var update = flag.Bool("update", false, "have wimlib-imagex write the vectors in testdata anew")

// vectors are chunks of WIMs made by wimlib-imagex capture --compress=LZMS --chunk-size=..., see
// codectest.Capture.
var vectors = []codectest.Vector{
	{Name: "wimlib-calls.lzms", ChunkSize: MinChunk, Want: codectest.Machine(30_000, 7)},
	{Name: "wimlib-text.lzms", ChunkSize: MinChunk, Want: codectest.Text(MinChunk)},
	{Name: "wimlib-periods.lzms", ChunkSize: MinChunk, Want: codectest.Periods(8000)},
	{Name: "wimlib-ramps.lzms", ChunkSize: MinChunk, Want: ramps(20_000)},
	{Name: "wimlib-far.lzms", ChunkSize: 1 << 23, Want: far()},
}

// far returns a chunk of 8 MiB whose two ends are the same.
func far() []byte {
	b := make([]byte, 1<<23)
	copy(b, codectest.Noise(1500, 5))
	copy(b[len(b)-1500:], codectest.Noise(1500, 5))
	return b
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			src := v.Load(t, "LZMS", *update)
			d := newDecoder(t, v.ChunkSize)
			got := make([]byte, len(v.Want))
			for range 2 { // the second time with what the first one left behind
				if err := d.Decode(got, src); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, v.Want) {
					t.Fatal("decoded to something else")
				}
			}
			if n := testing.AllocsPerRun(5, func() { d.Decode(got, src) }); n != 0 {
				t.Errorf("Decode allocates %v times", n)
			}
		})
	}
}

// TestVectorsFlipped shows that the comparison above can fail, and that a damaged chunk is an error
// or other contents, nothing worse. Only the few bytes that end the range coder's stream may not matter.
func TestVectorsFlipped(t *testing.T) {
	for _, v := range vectors {
		tried, same := 0, 0
		src := v.Load(t, "LZMS", false)
		d := newDecoder(t, v.ChunkSize)
		got := make([]byte, len(v.Want))
		for i := 0; i < len(src); i += 1 + len(src)/100 {
			bad := bytes.Clone(src)
			bad[i] ^= 0x10
			tried++
			err := d.Decode(got, bad)
			if err != nil {
				wantCorrupt(t, err, "LZMS")
			} else if bytes.Equal(got, v.Want) {
				same++
			}
		}
		if same > 2 {
			t.Errorf("%s: %d of %d flipped bits change nothing", v.Name, same, tried)
		}
	}
}

// TestVectorsTruncated cuts the vectors short at either end: an error of the right class, or other
// contents.
func TestVectorsTruncated(t *testing.T) {
	for _, v := range vectors[:4] {
		src := v.Load(t, "LZMS", false)
		d := newDecoder(t, v.ChunkSize)
		got := make([]byte, len(v.Want))
		for n := 1; n < len(src); n += 1 + len(src)/150 {
			for _, bad := range [][]byte{src[:len(src)-n], src[n:]} {
				err := d.Decode(got, bad)
				if err != nil {
					wantCorrupt(t, err, "LZMS")
				} else if bytes.Equal(got, v.Want) {
					t.Errorf("%s: %d bytes less change nothing", v.Name, n)
				}
				if len(bad)%2 != 0 && err == nil {
					t.Errorf("%s: %d bytes were taken", v.Name, len(bad))
				}
			}
		}
	}
}

// encoded has libwim compress what exercises a decoder, in chunks of at most the given size. Of what
// does not become smaller there is none.
func encoded(t testing.TB, chunk int) (chunks []codectest.WIMChunk, want [][]byte) {
	t.Helper()
	contents := append(codectest.Materials(), codectest.Program(t, 3_000_000), ramps(600_000))
	var plain [][]byte
	for _, m := range contents {
		plain = append(plain, codectest.Cut(m, chunk)...)
	}
	for i, data := range oracle.WimlibEncode(t, "LZMS", chunk, 0, plain) {
		if data != nil {
			chunks, want = append(chunks, codectest.WIMChunk{Data: data, Size: len(plain[i])}), append(want, plain[i])
		}
	}
	return chunks, want
}

// TestWimlib decodes what libwim's encoder makes, with chunks of every size up to that of an ESD's.
func TestWimlib(t *testing.T) {
	for size := MinChunk; size <= 1<<26; size <<= 1 {
		d := newDecoder(t, size)
		chunks, want := encoded(t, size)
		for i, c := range chunks {
			got := make([]byte, c.Size)
			if err := d.Decode(got, c.Data); err != nil || !bytes.Equal(got, want[i]) {
				t.Fatalf("chunks of %d: chunk %d of %d differs (%v)", size, i, c.Size, err)
			}
		}
		t.Logf("chunks of %d: %d", size, len(chunks))
	}
}

// TestDamaged takes and refuses the same damaged chunks as libwim, and makes the same of them.
func TestDamaged(t *testing.T) {
	var small []codectest.WIMChunk
	for _, v := range vectors[:4] {
		small = append(small, codectest.WIMChunk{Data: v.Load(t, "LZMS", false), Size: len(v.Want)})
	}
	damaged := codectest.Mutate(small, 3000, 1)
	taken := codectest.CompareWithWimlib(t, newDecoder(t, MinChunk), "LZMS", MinChunk, damaged)
	t.Logf("%d of %d damaged chunks decode to something", taken, len(damaged))
	if taken == 0 || taken == len(damaged) {
		t.Error("the comparison has nothing to find")
	}
}

// BenchmarkDecode decodes real code in chunks of the sizes that WIMs have.
func BenchmarkDecode(b *testing.B) {
	contents := codectest.BenchmarkMaterial(b)
	for name, size := range map[string]int{"128K": 1 << 17, "64M": 1 << 26} {
		var chunks []codectest.WIMChunk
		plain := codectest.Cut(contents, size)
		for i, data := range oracle.WimlibEncode(b, "LZMS", size, 0, plain) {
			if data != nil {
				chunks = append(chunks, codectest.WIMChunk{Data: data, Size: len(plain[i])})
			}
		}
		b.Run(name, func(b *testing.B) { codectest.BenchmarkChunks(b, newDecoder(b, size), chunks) })
	}
}
