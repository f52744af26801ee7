package lzx

import (
	"bytes"
	"testing"
)

// FuzzDecode decodes anything, and compares: a used decoder with a new one, decodeFast with
// decodeTail. What lies behind dst must stay as it is.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors[:3] {
		f.Add(v.Load(f, "LZX", false)[:600], uint16(len(v.Want)), false)
	}
	for _, c := range streams {
		s := newStream(c.window)
		c.write(s)
		f.Add(s.done(), uint16(s.size), c.window != MinWindow)
	}
	used := [2]*Decoder{newDecoder(f, MinWindow), newDecoder(f, 1<<16)}
	f.Fuzz(func(t *testing.T, src []byte, size uint16, large bool) {
		n, d := int(size)%(MinWindow+1), used[0]
		if large {
			n, d = int(size), used[1]
		}
		room := bytes.Repeat([]byte{0xa5}, n+64)
		err := d.Decode(room[:n], src)
		if err != nil {
			wantCorrupt(t, err, "")
		}
		if bytes.Trim(room[n:], "\xa5") != nil {
			t.Fatal("wrote behind the end")
		}
		again := make([]byte, n)
		err2 := decodeCarefully(newDecoder(t, d.window), again, src)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("Decode: %v, but carefully: %v", err, err2)
		}
		if err == nil && !bytes.Equal(room[:n], again) {
			t.Fatal("decodeFast and decodeTail disagree")
		}
	})
}
