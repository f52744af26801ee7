package verify_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

var le = binary.LittleEndian

// scene is a file in which places are looked for, with as little of winbake's own readers as will do.
type scene struct {
	t    testing.TB
	r    io.ReaderAt
	size int64
}

func openScene(t testing.TB, path string) *scene {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &scene{t, f, info.Size()}
}

func (s *scene) read(off, n int64) []byte {
	s.t.Helper()
	b := make([]byte, n)
	if _, err := s.r.ReadAt(b, off); err != nil {
		s.t.Fatalf("reading %d bytes at %#x: %v", n, off, err)
	}
	return b
}

func (s *scene) u32(off int64) int64 { return int64(le.Uint32(s.read(off, 4))) }

func (s *scene) u64(off int64) int64 { return int64(le.Uint64(s.read(off, 8))) }

// find returns where some bytes are, from off on.
func (s *scene) find(off, n int64, what []byte) int64 {
	s.t.Helper()
	i := bytes.Index(s.read(off, n), what)
	if i < 0 {
		s.t.Fatalf("no %q from %#x on", what, off)
	}
	return off + int64(i)
}

// partition is a partition by its number.
func (s *scene) partition(number int) disk.Partition {
	s.t.Helper()
	list, err := disk.Read(s.r, s.size)
	if err != nil {
		s.t.Fatal(err)
	}
	return list[number-1]
}

// ntfs is a volume of the scene.
func (s *scene) ntfs(number int) *ntfsScene {
	s.t.Helper()
	p := s.partition(number)
	cluster := int64(s.read(p.Offset+13, 1)[0]) * 512
	v := &ntfsScene{s, p.Offset, p.Size, cluster, 0}
	v.mft = p.Offset + s.u64(p.Offset+0x30)*cluster
	return v
}

// ntfsScene is an NTFS volume; all places are those of the disk.
type ntfsScene struct {
	*scene
	at, length, cluster, mft int64
}

const recordSize = 1024

func (v *ntfsScene) record(n int64) int64 { return v.mft + n*recordSize }

// named finds the record of a file by its name.
func (v *ntfsScene) named(name string) int64 {
	v.t.Helper()
	for n := int64(16); n < 4096; n++ {
		b := v.read(v.record(n), recordSize)
		if string(b[:4]) != "FILE" || b[0x16]&1 == 0 {
			continue
		}
		for i := int64(le.Uint16(b[0x14:])); le.Uint32(b[i:]) <= 0x30; i += int64(le.Uint32(b[i+4:])) {
			if value := b[i+int64(le.Uint16(b[i+20:])):]; le.Uint32(b[i:]) == 0x30 && utf16le.Decode(value[0x42:0x42+2*int64(value[64])]) == name {
				return n
			}
		}
	}
	v.t.Fatalf("no record of %s", name)
	return 0
}

// attribute finds an attribute of a record.
func (v *ntfsScene) attribute(record int64, typ uint32, name string) int64 {
	v.t.Helper()
	at := v.record(record)
	b := v.read(at, recordSize)
	for i := int64(le.Uint16(b[0x14:])); le.Uint32(b[i:]) != 1<<32-1; i += int64(le.Uint32(b[i+4:])) {
		n := int64(le.Uint16(b[i+10:]))
		if le.Uint32(b[i:]) == typ && utf16le.Decode(b[i+n:i+n+2*int64(b[i+9])]) == name {
			return at + i
		}
	}
	v.t.Fatalf("record %d has no attribute %#x:%s", record, typ, name)
	return 0
}

// value is where the value of a resident attribute is, or the first run of another one.
func (v *ntfsScene) value(record int64, typ uint32, name string) int64 {
	a := v.attribute(record, typ, name)
	b := v.read(a, 80)
	if b[8] == 0 {
		return a + int64(le.Uint16(b[20:]))
	}
	runs := v.read(a+int64(le.Uint16(b[32:])), 16)
	n, m := runs[0]&15, runs[0]>>4
	lcn := int64(0)
	for i := range m {
		lcn |= int64(runs[1+n+i]) << (8 * i)
	}
	return v.at + lcn*v.cluster
}

// content is where the content of a file begins, that has clusters.
func (v *ntfsScene) content(path string) int64 {
	v.t.Helper()
	n, err := ntfs.Open(io.NewSectionReader(v.r, v.at, v.length), v.length)
	if err != nil {
		v.t.Fatal(err)
	}
	f, err := n.Lookup(path)
	if err != nil || f.Runs == 0 {
		v.t.Fatalf("%s: %v", path, err)
	}
	return v.at + tree.Position(f.Content)
}

// fatScene is a FAT32 volume.
type fatScene struct {
	*scene
	at, first, second, data, cluster int64 // of the disk: the FATs, cluster 2
}

func (s *scene) fat(number int) *fatScene {
	at := s.partition(number).Offset
	reserved, sectors := int64(le.Uint16(s.read(at+14, 2)))*512, s.u32(at+0x24)*512
	return &fatScene{s, at, at + reserved, at + reserved + sectors, at + reserved + 2*sectors, int64(s.read(at+13, 1)[0]) * 512}
}

// entry finds a directory entry by its name as it is stored.
func (f *fatScene) entry(name string) int64 {
	f.t.Helper()
	return f.find(f.data, 4<<20, []byte(name))
}

// firstOf is the first cluster of an entry.
func (f *fatScene) firstOf(name string) int64 {
	b := f.read(f.entry(name), 32)
	return int64(le.Uint16(b[26:])) | int64(le.Uint16(b[20:]))<<16
}

// content is where a file begins.
func (f *fatScene) content(name string) int64 { return f.data + (f.firstOf(name)-2)*f.cluster }

// hive is where the records of a hive are, of which the file begins at a place of the disk.
type hive struct {
	*scene
	at int64
}

// key is the record of the first key with a name.
func (h hive) key(name string) int64 {
	h.t.Helper()
	const nameAt = 76
	bins := h.u32(h.at + 0x28)
	b := h.read(h.at+4096, bins)
	for i := 0; ; i++ {
		j := bytes.Index(b[i:], []byte(name))
		if j < 0 {
			h.t.Fatalf("no key %s", name)
		}
		if i += j; i >= nameAt && string(b[i-nameAt:i-nameAt+2]) == "nk" && int(le.Uint16(b[i-nameAt+72:])) == len(name) {
			return h.at + 4096 + int64(i-nameAt)
		}
	}
}

// cell is where a cell is that a record names.
func (h hive) cell(at int64) int64 { return h.at + 4096 + h.u32(at) + 4 }

// flipped is a file with one bit or more of one byte flipped.
type flipped struct {
	io.ReaderAt
	at  int64
	xor byte
}

func (f flipped) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, off)
	if i := f.at - off; i >= 0 && i < int64(n) {
		p[i] ^= f.xor
	}
	return n, err
}

func be64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

func utf16(s string) []byte { return utf16le.Encode(s) }
