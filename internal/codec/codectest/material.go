package codectest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// Machine returns n bytes that resemble x86 code: a few hundred instruction patterns with skewed
// frequencies, calls among them, and every so often a table of addresses or some text. The same n
// and seed give the same bytes.
func Machine(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	ops := make([][]byte, 300)
	for i := range ops {
		ops[i] = make([]byte, 1+r.IntN(5))
		for j := range ops[i] {
			ops[i][j] = byte(r.NormFloat64()*40 + 0x60)
		}
	}
	targets := make([]uint32, 40)
	for i := range targets {
		targets[i] = uint32(r.IntN(1 << 20))
	}
	out := make([]byte, 0, n+16)
	for len(out) < n {
		switch k := r.IntN(1000); {
		case k < 60:
			out = append(out, 0xe8)
			out = binary.LittleEndian.AppendUint32(out, targets[r.IntN(len(targets))]-uint32(len(out)))
		case k < 62:
			for i := range r.IntN(60) {
				out = binary.LittleEndian.AppendUint32(out, 0x401000+uint32(i*16))
			}
		case k < 64:
			out = fmt.Appendf(out, "message %d: %x is not available\x00", r.IntN(100), r.IntN(1000))
		default:
			out = append(out, ops[int(r.ExpFloat64()*40)%len(ops)]...)
		}
	}
	return out[:n]
}

// Text returns n bytes of lines with numbers, which compress into many matches.
func Text(n int) []byte {
	out := make([]byte, 0, n+64)
	for i := 0; len(out) < n; i++ {
		out = fmt.Appendf(out, "Windows component %d.%d, state installed\r\n", i%97, i*i%1009)
	}
	return out[:n]
}

// Noise returns n bytes that do not compress. The same n and seed give the same bytes.
func Noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// Periods returns n bytes in runs that repeat with periods of 1 to 20 bytes: matches that overlap
// themselves.
func Periods(n int) []byte {
	out := make([]byte, 0, n+512)
	for i := 0; len(out) < n; i++ {
		period := Noise(1+i%20, uint64(i))
		for range 3 + i*7%23 {
			out = append(out, period...)
		}
	}
	return out[:n]
}

// Themes returns short contents for Variations.
func Themes() [][]byte {
	return [][]byte{{0}, []byte("abc"), Noise(100, 1), Machine(100, 1), Text(80), Periods(90)}
}

// Variations returns at most limit bytes that repeat theme, each time with another byte changed. Fuzz
// targets of encoders take short themes: a fuzzer spends its time on making long inputs shorter.
func Variations(theme []byte, repeat, limit int) (out []byte) {
	for i := range repeat + 1 {
		if len(theme) == 0 || len(out)+len(theme) > limit {
			break
		}
		out = append(out, theme...)
		out[len(out)-1-i*7%len(theme)] += byte(i)
	}
	return out
}

// Program returns the first n bytes of the test's own program: real machine code. They depend on the
// compiler and are for measuring.
func Program(t testing.TB, n int) []byte {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[:min(n, len(b))]
}

// BenchmarkMaterial returns the file that WINBAKE_BENCH_FILE names, or else two million bytes of the
// test's own program.
func BenchmarkMaterial(b testing.TB) []byte {
	b.Helper()
	path := os.Getenv("WINBAKE_BENCH_FILE")
	if path == "" {
		return Program(b, 2_000_000)
	}
	contents, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return contents
}
