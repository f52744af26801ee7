package lzms

import (
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// wantCorrupt checks that err is of class corrupt, and says what.
func wantCorrupt(t testing.TB, err error, what string) {
	t.Helper()
	if err == nil || !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), what) {
		t.Errorf("error is %v, want corrupt input: %q", err, what)
	}
}

// newDecoder is NewDecoder for a chunk size that must be valid.
func newDecoder(t testing.TB, chunk int) *Decoder {
	t.Helper()
	d, err := NewDecoder(chunk)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ramps are what delta matches are for: tables of numbers, of 1 to 8 bytes each, that grow evenly.
func ramps(n int) []byte {
	out := make([]byte, 0, n+16)
	for i := 0; len(out) < n; i++ {
		width, step := 1<<(i%4), uint64(3+i*7%50)
		for v := uint64(i) * 1000; v < uint64(i)*1000+step*40; v += step {
			for b := range width {
				out = append(out, byte(v>>(8*b)))
			}
		}
		out = append(out, codectest.Noise(i%9, uint64(i))...)
	}
	return out[:n]
}
