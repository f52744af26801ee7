package lz

import (
	"bytes"
	"testing"
)

// TestCopies compares both ways to copy with copying byte by byte.
func TestCopies(t *testing.T) {
	history := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	for off := 1; off <= len(history); off++ {
		for length := range 300 {
			pos := len(history)
			want := bytes.Clone(history)
			for range length {
				want = append(want, want[len(want)-off])
			}
			got := append(bytes.Clone(history), make([]byte, length+Slack)...)
			Copy(got, pos, off, length)
			if !bytes.Equal(got, append(want, make([]byte, Slack)...)) {
				t.Fatalf("Copy of %d bytes from %d back: %q", length, off, got)
			}
			if off >= Near {
				continue
			}
			got = append(bytes.Clone(history), make([]byte, length+Slack)...)
			Repeat(got, pos, off, length)
			if !bytes.Equal(got[:len(want)], want) {
				t.Fatalf("Repeat of %d bytes from %d back: %q", length, off, got)
			}
		}
	}
}
