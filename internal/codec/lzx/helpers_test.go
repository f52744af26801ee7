package lzx

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

// newDecoder is NewDecoder for a window that must be valid.
func newDecoder(t testing.TB, window int) *Decoder {
	t.Helper()
	d, err := NewDecoder(window)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// far returns a chunk of the largest window whose two ends are the same.
func far() []byte {
	b := make([]byte, MaxWindow)
	copy(b, codectest.Noise(1500, 5))
	copy(b[MaxWindow-1500:], codectest.Noise(1500, 5))
	return b
}
