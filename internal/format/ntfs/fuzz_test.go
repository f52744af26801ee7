package ntfs_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// readAllOf reads all of a volume: tree, streams, what Check looks at. It returns the first error.
func readAllOf(t testing.TB, m []byte) error {
	t.Helper()
	v, err := ntfs.Open(bytes.NewReader(m), int64(len(m)))
	if err != nil {
		return err
	}
	v.Check()
	tr, err := v.Tree()
	if err != nil {
		return err
	}
	for _, n := range tr.Nodes() {
		contents := []tree.Content{n.Data}
		for _, s := range n.Streams {
			contents = append(contents, s.Data)
		}
		for _, c := range contents {
			if err := readSome(t, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSome reads a content, of a huge one the start and the end.
func readSome(t testing.TB, c tree.Content) error {
	t.Helper()
	const limit = 1 << 20
	if tree.SizeOf(c) <= limit {
		_, err := tree.ReadAll(c, limit)
		return err
	}
	b := make([]byte, limit)
	for _, off := range []int64{0, c.Size() - limit} {
		if n, err := c.ReadAt(b, off); err != nil && (err != io.EOF || n < limit) {
			return err
		}
	}
	return nil
}

// fuzzVolume is a small volume with some of everything, and the places worth changing in it.
func fuzzVolume(t *testing.T) (memory, []spot) {
	r := rand.New(rand.NewPCG(15, 15))
	tr := randomTree(t, r, 25)
	n := tr.NewFile(tree.Bytes(make([]byte, 5000)))
	n.Streams = []tree.Stream{{Name: "WofCompressedData", Data: tree.Bytes(append(le.AppendUint32(nil, 4096), make([]byte, 5000)...))}}
	n.Ensure().Reparse = wofReparse(2, 0)
	link(t, tr, tr.Root, "compressed", "", n)
	for _, names := range []*tree.Tree{linksTree(t, 12), directoryTree(t, 90)} {
		if err := tr.CopyInto("more", names, names.Root); err != nil {
			t.Fatal(err)
		}
	}
	m := build(t, tr, options(4<<20))
	places := spots(check(t, m, tr), m)
	mft := int64(le.Uint64(m[0x30:])) * 4096
	for r := int64(64); r < 64+190; r++ {
		places = append(places, spot{"", mft + r*1024, mft + (r+1)*1024})
	}
	return m, append(places, spot{"", 0, 512})
}

// FuzzRead changes bytes of a volume: four bytes of input are a place, an offset in it, and what is
// added to the byte there. Whatever the volume becomes, reading it ends, and fails only in ways that
// have a class.
func FuzzRead(f *testing.F) {
	var m memory
	var places []spot
	f.Add([]byte{10, 0x18, 0, 1})
	f.Add([]byte{30, 0x40, 0, 0x80, 30, 0x41, 0, 3})
	f.Add([]byte{5, 0x18, 0, 9, 80, 0x14, 0, 8, 90, 0x3C, 1, 255})
	f.Fuzz(func(t *testing.T, changes []byte) {
		if m == nil {
			m, places = fuzzVolume(t)
		}
		readChanged(t, m, places, changes)
	})
}

// readChanged reads a volume with changes and takes them back.
func readChanged(t *testing.T, m memory, places []spot, changes []byte) {
	t.Helper()
	var undo [][2]int64
	for ; len(changes) >= 4 && len(undo) < 64; changes = changes[4:] {
		p := places[int(changes[0])%len(places)]
		at := p.start + (int64(changes[1])|int64(changes[2])<<8)%(p.end-p.start)
		undo = append(undo, [2]int64{at, int64(m[at])})
		m[at] += changes[3]
	}
	err := readAllOf(t, m)
	for i := len(undo) - 1; i >= 0; i-- {
		m[undo[i][0]] = byte(undo[i][1])
	}
	if err != nil && !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

// TestReadChanged does what FuzzRead does, at random, without its overhead.
func TestReadChanged(t *testing.T) {
	m, places := fuzzVolume(t)
	r := rand.New(rand.NewPCG(99, 98))
	for range 300 {
		var changes []byte
		for range 1 + r.IntN(3) {
			// Most bytes that matter are at the start of a record.
			changes = append(changes, byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(1+r.UintN(4))), byte(r.UintN(256)))
		}
		readChanged(t, m, places, changes)
	}
}
