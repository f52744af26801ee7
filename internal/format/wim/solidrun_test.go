package wim

import (
	"bytes"
	"crypto/sha1"
	"testing"
)

// solidRunFile is an ESD without images whose run of count solid resources holds a byte each, with a blob each.
func solidRunFile(count int) []byte {
	h := header{
		HeaderSize: headerSize, Version: versionSolid, Part: 1, Parts: 1,
		Flags: flagCompressed | flagLZMS, ChunkSize: 1 << 15,
	}
	copy(h.Magic[:], magic)
	b := make([]byte, headerSize)
	var table []byte
	for i := range count {
		e := blobEntry{Resource: resourceHeader{Stored: 21, Flags: resSolid | resCompressed, Offset: uint64(len(b)), Size: solidMark}, Part: 1, Refs: 1}
		table = e.append(table)
		b = le.AppendUint64(b, 1)                  // bytes
		b = le.AppendUint32(b, 1<<15)              // chunk
		b = le.AppendUint32(b, uint32(LZMS))       // format
		b = append(le.AppendUint32(b, 1), byte(i)) // of one chunk, stored as it is
	}
	for i := range count {
		var sum [4]byte
		le.PutUint32(sum[:], uint32(i))
		e := blobEntry{Resource: resourceHeader{Stored: 1, Flags: resSolid | resCompressed, Offset: uint64(i)}, Part: 1, Refs: 1, Hash: sha1.Sum(sum[:])}
		table = e.append(table)
	}
	h.Table = resourceHeader{Stored: uint64(len(table)), Offset: uint64(len(b)), Size: uint64(len(table))}
	copy(b, h.marshal())
	return append(b, table...)
}

// TestSolidRun finds each blob in its own of a hundred thousand resources. It ends soon, as none is looked for one
// by one.
func TestSolidRun(t *testing.T) {
	const count = 100_000
	b := solidRunFile(count)
	f, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.esd")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < count; i += 997 {
		got := make([]byte, 1)
		if err := f.blobs[i].res.readFull(got, 0); err != nil || got[0] != byte(i) {
			t.Fatalf("blob %d: %d, %v", i, got[0], err)
		}
	}
}
