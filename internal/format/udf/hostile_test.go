package udf_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/udf"
)

// What no disc may cost, however it is damaged.
const (
	maxTime   = time.Second
	maxMemory = 256 << 20
)

// look reads all that a disc has, of large files the start and the end, and returns the first error.
func look(r io.ReaderAt, size int64) error {
	v, err := udf.Open(r, size)
	if err != nil {
		return err
	}
	return fs.WalkDir(v, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := v.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		c, err := f.(*disc.File).Content()
		if err != nil {
			return err
		}
		b := make([]byte, min(c.Size(), 1<<16))
		for _, off := range []int64{0, c.Size() - int64(len(b))} {
			if n, err := c.ReadAt(b, off); n < len(b) {
				return err
			}
		}
		return nil
	})
}

// bounded runs look, and fails the test if it takes too long or too much, or gives an error of no
// class.
func bounded(t testing.TB, what string, r io.ReaderAt, size int64) error {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := look(r, size)
	if d := time.Since(start); d > maxTime {
		t.Errorf("%s: %v", what, d)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > maxMemory {
		t.Errorf("%s: %d MiB", what, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
	if err != nil && !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("%s: an error of no class: %v", what, err)
	}
	return err
}

// small is a disc with little on it: sources at block 3, install.wim at 4 or later.
func small(s style) *image {
	return write(s, 2<<20, item{name: "sources", children: []item{{name: "install.wim", data: make([]byte, 5*block+1)}, {name: "a", data: []byte("a")}}})
}

// TestHostile damages one thing each, and gives what is damaged its checksums again.
func TestHostile(t *testing.T) {
	const sources, wim = 3, 4
	for _, c := range []struct {
		name   string
		says   string
		class  error
		style  style
		change func(*image)
	}{
		{"no anchor", "anchor", fault.ErrCorrupt, style{}, func(m *image) { clear(m.at(256)); clear(m.at(m.size/block - 1)) }},
		{"volume descriptors that lead to themselves", "no logical volume", fault.ErrCorrupt, style{}, func(m *image) {
			for _, at := range []uint32{mainAt, reserveAt} {
				b := m.at(int64(at))
				clear(b)
				le.PutUint32(b[20:], 16*block)
				le.PutUint32(b[24:], at)
				seal(b, 3, at, 512)
			}
		}},
		{"volume descriptors beyond the end", "beyond the end", fault.ErrCorrupt, style{}, func(m *image) {
			b := m.at(256)
			le.PutUint32(b[20:], 1<<31)
			le.PutUint32(b[28:], 1<<31)
			seal(b, 2, 256, 512)
		}},
		{"block size", "blocks of 512", fault.ErrUnsupported, style{}, volume(func(b []byte) { le.PutUint32(b[212:], 512) })},
		{"virtual partition", "*UDF Virtual Partition", fault.ErrUnsupported, style{}, identified("*UDF Virtual Partition")},
		{"sparable partition", "*UDF Sparable Partition", fault.ErrUnsupported, style{}, identified("*UDF Sparable Partition")},
		{"metadata partition", "*UDF Metadata Partition", fault.ErrUnsupported, style{}, identified("*UDF Metadata Partition")},
		{"many partition maps", "end in the middle", fault.ErrCorrupt, style{}, volume(func(b []byte) { le.PutUint32(b[268:], 1<<31) })},
		{"long partition maps", "partition maps of", fault.ErrCorrupt, style{}, volume(func(b []byte) { le.PutUint32(b[264:], 1<<31) })},
		{"empty partition map", "middle of one", fault.ErrCorrupt, style{}, volume(func(b []byte) { b[441] = 0 })},
		{"unknown partition", "no partition 7", fault.ErrCorrupt, style{}, volume(func(b []byte) { b[444] = 7 })},
		{"file set in partition 9", "partition 9", fault.ErrCorrupt, style{}, volume(func(b []byte) { b[256] = 9 })},
		{"root is a file", "it is a file", fault.ErrCorrupt, style{}, entry(rootAt, func(b []byte) { b[27] = 5 })},
		{"folder in itself", "somewhere else", fault.ErrCorrupt, style{form: embedded}, target(sources, 0, sources)},
		{"folder in the root's place", "somewhere else", fault.ErrCorrupt, style{form: embedded}, target(rootAt, 0, rootAt)},
		{"file that is a folder", "disagree", fault.ErrCorrupt, style{form: embedded}, entry(sources+1, func(b []byte) { b[27] = 4 })},
		{"folder that is a file", "is of type 5", fault.ErrCorrupt, style{form: embedded}, entry(sources, func(b []byte) { b[27] = 5 })},
		{"entry at no entry", "tag is", fault.ErrCorrupt, style{form: embedded}, func(m *image) { m.at(partitionAt + sources)[4]++ }},
		{"moved entry", "says that it is in block 99", fault.ErrCorrupt, style{}, func(m *image) {
			b := m.at(partitionAt + sources)
			seal(b, 261, 99, 16+int(le.Uint16(b[10:])))
		}},
		{"strategy 4096", "strategy 4096", fault.ErrUnsupported, style{}, entry(sources, func(b []byte) { le.PutUint16(b[20:], 4096) })},
		{"indirect entry", "indirect", fault.ErrUnsupported, style{}, func(m *image) {
			b := m.at(partitionAt + sources)
			seal(b, 259, sources, 16+int(le.Uint16(b[10:])))
		}},
		{"extended allocation descriptors", "form 2", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) { b[34] = 2 })},
		{"attributes", "bytes of attributes", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) { le.PutUint32(b[168:], 1<<32-4) })},
		{"allocation descriptors", "allocation descriptors", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) { le.PutUint32(b[172:], 1<<32-4) })},
		{"huge folder", "a folder of", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) {
			le.PutUint64(b[56:], 1<<29)
			le.PutUint32(b[176:], unallocated<<30|1<<29)
		})},
		{"negative size", "a file of", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) { le.PutUint64(b[56:], 1<<63) })},
		{"size without room", "in its middle", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) { le.PutUint64(b[56:], 1<<62) })},
		{"size of a file without room", "there is room for", fault.ErrCorrupt, style{}, entry(wim, func(b []byte) {
			le.PutUint64(b[56:], 1<<62)
			le.PutUint32(b[176:], 6*block)
		})},
		{"extent out of the partition", "reach out of the partition", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) { le.PutUint32(b[180:], 1<<32-1) })},
		{"zeros for a folder", "version 0", fault.ErrCorrupt, style{}, entry(sources, func(b []byte) { b[179] |= unallocated << 6 })},
		{"chain that goes around", "do not end", fault.ErrCorrupt, style{}, func(m *image) {
			const at = 500
			m.at(partitionAt + at)
			entry(wim, func(b []byte) {
				le.PutUint32(b[176:], nextExtent<<30|block)
				le.PutUint32(b[180:], at)
			})(m)
			b := m.at(partitionAt + at)
			le.PutUint32(b[20:], 8)
			copy(b[24:], descriptor(short, nextExtent, block, at))
			seal(b, 258, at, 32)
		}},
		{"name with a slash", `"a/b"`, fault.ErrCorrupt, style{form: embedded}, name("\x08a/b")},
		{"parent's name", `".."`, fault.ErrCorrupt, style{form: embedded}, name("\x08..")},
		{"name of 9 bits", "9 bits", fault.ErrCorrupt, style{form: embedded}, name("\x09ab")},
		{"odd name", "16 bits", fault.ErrCorrupt, style{form: embedded}, name("\x10abc")},
		{"no name", "no name", fault.ErrCorrupt, style{form: embedded}, name("\x08")},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := small(c.style)
			c.change(m)
			err := bounded(t, c.name, m, m.size)
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error: %v", err)
			}
		})
	}
}

const (
	unallocated = 2
	nextExtent  = 3
)

// volume changes the logical volume descriptors.
func volume(change func(b []byte)) func(*image) {
	return func(m *image) {
		for _, at := range []uint32{mainAt + 2, reserveAt + 2} {
			b := m.at(int64(at))
			change(b)
			seal(b, 6, at, 440+64)
		}
	}
}

func identified(name string) func(*image) {
	return volume(func(b []byte) {
		le.PutUint32(b[264:], 64)
		b[440], b[441] = 2, 64
		copy(b[445:], name)
	})
}

// entry changes the file entry at a block.
func entry(at uint32, change func(b []byte)) func(*image) {
	return func(m *image) {
		b := m.at(partitionAt + int64(at))
		change(b)
		seal(b, le.Uint16(b), at, 16+int(le.Uint16(b[10:])))
	}
}

// target makes the n-th entry, not counting the parent, of an embedded folder a folder elsewhere.
func target(at uint32, n int, to uint32) func(*image) {
	return entry(at, func(b []byte) {
		list := b[176+40:]
		for range n {
			list = list[(38+int(list[19])+3)&^3:]
		}
		list[18] |= 2
		le.PutUint32(list[24:], to)
		seal(list, 257, 0, 16+int(le.Uint16(list[10:])))
	})
}

// name gives the only entry of the root folder, "\x08sources", another name, not longer than that.
func name(name string) func(*image) {
	return entry(rootAt, func(b []byte) {
		list := b[176+40:]
		list[19] = byte(len(name))
		clear(list[38:48])
		copy(list[38:], name)
		length := (38 + len(name) + 3) &^ 3
		seal(list, 257, 0, length)
		le.PutUint64(b[56:], uint64(40+length))
	})
}

// TestReserve reads a disc whose main volume descriptors, or first anchor, are damaged.
func TestReserve(t *testing.T) {
	for _, n := range []int64{mainAt, mainAt + 1, mainAt + 2, 256} {
		m := small(style{})
		m.at(n)[20] ^= 1
		if err := bounded(t, fmt.Sprint("sector ", n), m, m.size); err != nil {
			t.Errorf("sector %d: %v", n, err)
		}
	}
}

// TestTruncated cuts a disc anywhere.
func TestTruncated(t *testing.T) {
	m := small(style{})
	last := int64(0)
	for n := range m.blocks {
		if n != m.size/block-1 {
			last = max(last, n)
		}
	}
	for size := int64(0); size <= last*block; size += 1021 {
		if err := bounded(t, fmt.Sprint(size, " bytes"), m, size); err == nil && size <= (last-1)*block {
			t.Errorf("%d bytes: no error", size)
		}
	}
}

// flipped is an image with one bit changed.
type flipped struct {
	*image
	at  int64
	bit byte
}

func (f flipped) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.image.ReadAt(p, off)
	if f.at >= off && f.at < off+int64(n) {
		p[f.at-off] ^= f.bit
	}
	return n, err
}

// TestFlips changes every byte of a disc: it gives an error, or the same files with the same sizes.
// Contents have no checksum in UDF.
func TestFlips(t *testing.T) {
	for _, s := range []style{{form: embedded}, {extended: true, form: long, extent: block, scatter: true, chain: true}} {
		m := small(s)
		want := names(t, m, m.size)
		for n := range m.blocks {
			for i := int64(0); i < block; i++ {
				if i > 520 && i%61 != 0 { // mostly zeros that no checksum is of
					continue
				}
				f := flipped{m, n*block + i, 1 << (i % 8)}
				err := look(f, m.size)
				switch {
				case err == nil && names(t, f, m.size) != want:
					t.Errorf("byte %d of sector %d: the files are\n%s", i, n, names(t, f, m.size))
				case err != nil && !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported):
					t.Errorf("byte %d of sector %d: %v", i, n, err)
				}
			}
		}
	}
}

// names lists the files of a disc with their sizes.
func names(t testing.TB, r io.ReaderAt, size int64) string {
	t.Helper()
	v, err := udf.Open(r, size)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	err = fs.WalkDir(v, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintf(&text, "%s %d\n", path, info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// FuzzOpen changes bytes of a disc and, so that more than checksums is tried, seals what it changed:
// each six bytes of the input are a place in the blocks of the disc, and two bytes to write there.
func FuzzOpen(f *testing.F) {
	discs := []*image{small(style{form: embedded}), small(style{extended: true, form: long, extent: block, scatter: true, chain: true})}
	f.Add(false, []byte{})
	f.Add(true, []byte{2, 0, 0, 56, 0xFF, 0xFF})
	f.Add(false, []byte{3, 0, 0, 20, 0, 16, 4, 0, 0, 27, 4, 0})
	f.Fuzz(func(t *testing.T, chained bool, input []byte) {
		m := discs[0].copy()
		if chained {
			m = discs[1].copy()
		}
		places := slices.Sorted(maps.Keys(m.blocks))
		for ; len(input) >= 6; input = input[6:] {
			n := places[int(input[0])%len(places)]
			b := m.at(n)
			copy(b[int(le.Uint16(input[2:]))%(block-1):], input[4:6])
			if input[1]&1 == 0 {
				seal(b, le.Uint16(b), le.Uint32(b[12:]), 16+min(int(le.Uint16(b[10:])), block-16))
			}
		}
		bounded(t, "fuzz", m, m.size)
	})
}
