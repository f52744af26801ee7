package lzms

import (
	"bytes"
	"testing"
)

// FuzzDecode decodes anything, and compares a used decoder with a new one. What lies behind dst must
// stay as it is.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors[:4] {
		src := v.Load(f, "LZMS", false)
		f.Add(src[:len(src)&^1], uint16(len(v.Want)))
	}
	f.Add([]byte{0, 0, 0, 0}, uint16(2))
	f.Add(bytes.Repeat([]byte{0xff}, 64), uint16(3000))
	used := newDecoder(f, MinChunk)
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		n := int(size) % (MinChunk + 1)
		room := bytes.Repeat([]byte{0xa5}, n+64)
		err := used.Decode(room[:n], src)
		if err != nil {
			wantCorrupt(t, err, "LZMS")
		}
		if bytes.Trim(room[n:], "\xa5") != nil {
			t.Fatal("wrote behind the end")
		}
		again := make([]byte, n)
		err2 := newDecoder(t, MinChunk).Decode(again, src)
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(room[:n], again) {
			t.Fatalf("a used decoder says %v, a new one %v", err, err2)
		}
	})
}
