package lzx

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

func TestRelativeTarget(t *testing.T) {
	for _, c := range []struct {
		name   string
		target int32
		pos    int
		want   int32
	}{
		{"absolute", 1000, 400, 600},
		{"absolute, backwards", 100, 400, -300},
		{"last inside the file", callFileSize - 1, 400, callFileSize - 401},
		{"first outside the file", callFileSize, 400, callFileSize},
		{"pushed out of the way", -400, 400, callFileSize - 400},
		{"never changed", -401, 400, -401},
		{"at the start", -1, 0, -1},
	} {
		if got := int32(relativeTarget(uint32(c.target), c.pos)); got != c.want {
			t.Errorf("%s: %d at %d becomes %d, want %d", c.name, c.target, c.pos, got, c.want)
		}
	}
}

// makeCalls is the translation an encoder does, straight from the specification's description.
func makeCalls(chunk []byte) {
	for i := 0; i < len(chunk)-callTail; i++ {
		if chunk[i] != callOpcode {
			continue
		}
		rel := int32(binary.LittleEndian.Uint32(chunk[i+1:]))
		if rel >= int32(-i) && rel < callFileSize {
			abs := rel + int32(i)
			if abs >= callFileSize {
				abs = rel - callFileSize
			}
			binary.LittleEndian.PutUint32(chunk[i+1:], uint32(abs))
		}
		i += 4
	}
}

func TestUndoCalls(t *testing.T) {
	dense := bytes.Repeat([]byte{0xe8, 1, 2, 0, 0, 0xe8, 0xfe, 0xff, 0xff, 0xff, 0x90, 0xe8}, 40)
	for _, chunk := range [][]byte{dense, codectest.Machine(MinWindow, 5), codectest.Noise(1<<20, 6)} {
		for n := range 30 {
			short := bytes.Clone(chunk[:n]) // around the tail in which nothing changes
			makeCalls(short)
			undoCalls(short)
			if !bytes.Equal(short, chunk[:n]) {
				t.Errorf("chunk of %d bytes: % x became % x", n, chunk[:n], short)
			}
		}
		whole := bytes.Clone(chunk)
		makeCalls(whole)
		if bytes.Equal(whole, chunk) {
			t.Error("nothing to undo")
		}
		undoCalls(whole)
		if !bytes.Equal(whole, chunk) {
			t.Error("undoing the translation did not restore the chunk")
		}
	}
}

// TestCallTail: a call that begins ten bytes before the end is not translated, one before that is.
func TestCallTail(t *testing.T) {
	for n, changed := range map[int]bool{10: false, 11: true} {
		chunk := make([]byte, 100+n)
		chunk[100] = callOpcode
		chunk[101] = 200
		undoCalls(chunk)
		if (chunk[101] == 100) != changed {
			t.Errorf("call %d bytes before the end: target became %d", n, chunk[101])
		}
	}
}
