package pe

import (
	"bytes"
	"testing"
)

// TestChecksum gives a program the checksum that it has, as a linker does, and then changes a byte.
func TestChecksum(t *testing.T) {
	for _, extra := range []int{0, 1, 64<<10 - 1, 64 << 10, 200_001} {
		b := append(Stub(AMD64, server2022), bytes.Repeat([]byte{0xA5, 0xFF, 0x01}, extra)[:extra]...)
		size := int64(len(b))
		_, actual, err := Checksum(bytes.NewReader(b), size)
		if err != nil {
			t.Fatal(err)
		}
		le.PutUint32(b[int(le.Uint32(b[newHeaderAt:]))+checksumAt:], actual)
		if stated, again, err := Checksum(bytes.NewReader(b), size); err != nil || stated != actual || again != actual {
			t.Errorf("%d bytes: stated %#x, then %#x, expected %#x (%v)", size, stated, again, actual, err)
		}
		b[len(b)-1] ^= 1
		if _, changed, _ := Checksum(bytes.NewReader(b), size); changed == actual {
			t.Errorf("%d bytes: a changed byte changes nothing", size)
		}
	}
}

func FuzzChecksum(f *testing.F) {
	f.Add(Stub(AMD64, server2022))
	f.Add(make([]byte, 64))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _, _ = Checksum(bytes.NewReader(data), int64(len(data)))
	})
}
