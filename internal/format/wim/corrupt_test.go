package wim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

var le = binary.LittleEndian

// smallFile returns a WIM of a few hundred bytes: a file and a folder.
func smallFile(t testing.TB) []byte {
	t.Helper()
	b := &builder{t: t, tree: tree.New(sampleTime)}
	b.dir("d", "").Security = tree.NoSecurity
	b.file("d/f", "", tree.Bytes("content")).Security = tree.NoSecurity
	out, err := os.ReadFile(writeTemp(t, WriteOptions{Integrity: true}, ImageSource{b.tree, Image{Name: "n"}}))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCorruptFiles(t *testing.T) {
	good := smallFile(t)
	table := le.Uint64(good[0x38:])
	xmlAt := le.Uint64(good[0x50:])
	for _, c := range []struct {
		name string
		edit func(b []byte) []byte
		want error
		text string
	}{
		{"empty", func(b []byte) []byte { return nil }, fault.ErrCorrupt, "too few"},
		{"magic", func(b []byte) []byte { b[0] = 'X'; return b }, fault.ErrCorrupt, "not a WIM"},
		{"pipable", func(b []byte) []byte { copy(b, magicPipable); return b }, fault.ErrUnsupported, "pipable"},
		{"header size", func(b []byte) []byte { b[8] = 200; return b }, fault.ErrCorrupt, "200 bytes"},
		{"version", func(b []byte) []byte { b[0xc] = 1; return b }, fault.ErrUnsupported, "version"},
		{"split", func(b []byte) []byte { b[0x2a] = 2; return b }, fault.ErrUnsupported, "part 1 of a split WIM of 2 parts, without the others"},
		{"second part", func(b []byte) []byte { b[0x28], b[0x2a] = 2, 2; return b }, fault.ErrInvalid, "part 2 of a split WIM of 2 parts; give the first one"},
		{"part", func(b []byte) []byte { b[0x28] = 2; return b }, fault.ErrCorrupt, "part 2 of 1"},
		{"resource only", func(b []byte) []byte { b[0x10] |= flagResourceOnly; return b }, fault.ErrUnsupported, "no image"},
		{"metadata only", func(b []byte) []byte { b[0x10] |= flagMetadataOnly; return b }, fault.ErrUnsupported, "no file contents"},
		{"images", func(b []byte) []byte { b[0x2f] = 1; return b }, fault.ErrCorrupt, "images"},
		{"fewer images", func(b []byte) []byte { b[0x2c] = 2; return b }, fault.ErrCorrupt, "counts 2 images"},
		{"boot index", func(b []byte) []byte { b[0x78] = 2; return b }, fault.ErrCorrupt, "boot index 2"},
		{"truncated", func(b []byte) []byte { return b[:len(b)-40] }, fault.ErrCorrupt, "truncated"},
		{"not finished", func(b []byte) []byte { b[0x10] |= flagInProgress; clear(b[0x30:0x48]); return b }, fault.ErrCorrupt, "not finished"},
		{"chunk size", func(b []byte) []byte { b[0x10] |= flagCompressed; b[0x12] |= flagLZX >> 16; return b }, fault.ErrCorrupt, "LZX with chunks of 0 bytes"},
		{"two compressions", func(b []byte) []byte { b[0x10] |= flagCompressed; b[0x12] |= 6; return b }, fault.ErrUnsupported, "compression flags"},
		{"LZMS", func(b []byte) []byte { b[0x10] |= flagCompressed; b[0x12] |= 8; b[0x15] = 2; return b }, fault.ErrCorrupt, "LZMS with chunks of 512 bytes"},
		{"blob in header", func(b []byte) []byte { le.PutUint64(b[table+8:], 100); return b }, fault.ErrCorrupt, "blob table at offset 0x0: resource: it starts at 0x64, inside the file's header"},
		{"blob outside", func(b []byte) []byte { le.PutUint64(b[table+50+8:], 1<<40); return b }, fault.ErrCorrupt, "blob table at offset 0x32: resource"},
		{"blob overflow", func(b []byte) []byte { le.PutUint64(b[table+8:], 1<<64-2); return b }, fault.ErrCorrupt, "truncated or damaged"},
		{"blob size", func(b []byte) []byte { le.PutUint64(b[table+16:], 8); return b }, fault.ErrCorrupt, "7 bytes are stored for 8"},
		{"absurd size", func(b []byte) []byte { le.PutUint64(b[table+16:], 1<<63); return b }, fault.ErrCorrupt, "absurd"},
		{"compressed", func(b []byte) []byte { b[table+7] |= resCompressed; return b }, fault.ErrCorrupt, "names no compression"},
		{"solid", func(b []byte) []byte { le.PutUint32(b[0xc:], versionSolid); b[table+7] |= resSolid; return b }, fault.ErrCorrupt, "in none of its 0 solid resources"},
		{"XML", func(b []byte) []byte { b[xmlAt+2] = '>'; return b }, fault.ErrCorrupt, "XML data at offset"},
		{"table place", func(b []byte) []byte { le.PutUint64(b[0x38:], 1<<50); return b }, fault.ErrCorrupt, "place of the blob table"},
	} {
		b := c.edit(bytes.Clone(good))
		_, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.wim")
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "x.wim") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestEveryTruncation makes sure that no shorter file is taken for a whole one.
func TestEveryTruncation(t *testing.T) {
	good := smallFile(t)
	for n := range good {
		f, err := NewFile(bytes.NewReader(good[:n]), int64(n), "x.wim")
		if err == nil {
			_, err = f.Tree(1)
		}
		if !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%d bytes of %d: %v", n, len(good), err)
		}
	}
}

// TestEveryFlippedByte makes sure that Verify finds damage wherever the integrity table looks.
func TestEveryFlippedByte(t *testing.T) {
	good := smallFile(t)
	end := int(le.Uint64(good[0x38:]) + le.Uint64(good[0x30:])&(1<<56-1))
	for i := headerSize; i < end; i++ {
		b := bytes.Clone(good)
		b[i] ^= 0x40
		f, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.wim")
		if err == nil {
			err = f.Verify(context.Background(), nil)
		}
		if !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("byte %#x: %v", i, err)
		}
	}
}

func TestVerifyFindsBlobs(t *testing.T) {
	path := writeTemp(t, WriteOptions{}, ImageSource{sampleTree(t), Image{}})
	f := mustOpen(t, path)
	var calls, last, total int64
	if err := f.Verify(context.Background(), func(d, n int64) { calls, last, total = calls+1, d, n }); err != nil || calls == 0 || last != total {
		t.Errorf("%d calls, %d of %d (%v)", calls, last, total, err)
	}
	bad := mustOpen(t, flip(t, path, f.blobs[3].res.offset))
	want := fmt.Sprintf("blob at offset %#x", f.blobs[3].res.offset)
	if err := bad.Verify(context.Background(), nil); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := mustOpen(t, flip(t, path, f.metadata[0].res.offset)).Tree(1); !errors.Is(err, fault.ErrCorrupt) {
		t.Error(err)
	}
}

// Offsets in the metadata of smallFile: no descriptors, the root, the end of its list, d, ...
const (
	atRoot  = 8
	atD     = atRoot + 104 + 8
	lenD    = 112 // 102 and 4 for the name, rounded up
	atF     = atD + lenD + 8
	sizeAll = atF + lenD + 8
)

func TestCorruptMetadata(t *testing.T) {
	good := smallFile(t)
	f, err := NewFile(bytes.NewReader(good), int64(len(good)), "x.wim")
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := f.readMetadata(1)
	if err != nil || len(metadata) != sizeAll {
		t.Fatalf("%d bytes (%v)", len(metadata), err)
	}
	for _, c := range []struct {
		name string
		edit func(b []byte) []byte
		text string // "" when the metadata is good
	}{
		{"nothing", func(b []byte) []byte { return b }, ""},
		{"no root", func(b []byte) []byte { return b[:8] }, "no directory entry can be here"},
		{"no end", func(b []byte) []byte { return b[:len(b)-8] }, `directory "d" at offset 0x160`},
		{"no bytes", func(b []byte) []byte { return nil }, "metadata of 0 bytes"},
		{"zero security", func(b []byte) []byte { b[0] = 0; return b }, ""},
		{"security length", func(b []byte) []byte { b[2] = 1; return b }, "security descriptors in"},
		{"security count", func(b []byte) []byte { b[4] = 1; return b }, "1 security descriptors in 8 bytes"},
		{"root is a file", func(b []byte) []byte { b[atRoot+8] = 0x20; return b }, "not a directory"},
		{"entry too short", func(b []byte) []byte { b[atD] = 96; return b }, "entry of 96 bytes"},
		{"entry too long", func(b []byte) []byte { b[atD+2] = 1; return b }, "directory entry of"},
		{"entry length overflows", func(b []byte) []byte { le.PutUint64(b[atD:], 1<<64-1); return b }, "directory entry of"},
		{"odd name", func(b []byte) []byte { b[atD+0x64] = 3; return b }, "names of 3 and 0 bytes"},
		{"long name", func(b []byte) []byte { b[atD+0x64] = 200; return b }, "names of 200 and 0 bytes"},
		{"no name", func(b []byte) []byte { b[atD+0x64] = 0; return b }, "empty file name"},
		{"dot", func(b []byte) []byte { b[atD+0x66] = '.'; return b }, "would leave its directory"},
		{"slash", func(b []byte) []byte { b[atD+0x66] = '/'; return b }, "separator or NUL"},
		{"NUL", func(b []byte) []byte { b[atD+0x66] = 0; return b }, "separator or NUL"},
		{"security id", func(b []byte) []byte { le.PutUint32(b[atD+0xc:], 0); return b }, "security id 0 of 0"},
		{"negative security id", func(b []byte) []byte { le.PutUint32(b[atD+0xc:], 1<<32-2); return b }, "security id -2"},
		{"missing content", func(b []byte) []byte { b[atF+0x40]++; return b }, "not in the file's blob table"},
		{"empty hash", func(b []byte) []byte { copy(b[atF+0x40:], emptyHash[:]); return b }, ""},
		{"directory with data", func(b []byte) []byte { copy(b[atD+0x40:], b[atF+0x40:atF+0x54]); return b }, "unnamed data stream"},
		{"loop", func(b []byte) []byte { le.PutUint64(b[atD+0x10:], atD); return b }, "share their list"},
		{"children outside", func(b []byte) []byte { le.PutUint64(b[atD+0x10:], 1<<63); return b }, "no directory entry can be here"},
		{"children unaligned", func(b []byte) []byte { le.PutUint64(b[atD+0x10:], atF+4); return b }, "no directory entry can be here"},
		{"children of a file", func(b []byte) []byte { le.PutUint64(b[atF+0x10:], atD); return b }, ""},
		{"no children", func(b []byte) []byte { le.PutUint64(b[atD+0x10:], 0); return b }, ""},
		{"short end mark", func(b []byte) []byte { b[len(b)-8] = 8; return b }, ""},
		{"stream entry", func(b []byte) []byte { b[atF+0x60] = 1; return b }, "stream entry, but only 8 bytes are left"},
		{"encrypted", func(b []byte) []byte { b[atF+9] |= 0x40; return b }, "encrypted (EFS)"},
	} {
		tr, err := f.parseMetadata(c.edit(bytes.Clone(metadata)))
		switch {
		case c.text == "" && (err != nil || tr == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestOverlappingLists gives many directories lists that overlap without starting at one place, so
// that reading them all would take the square of the metadata's size.
func TestOverlappingLists(t *testing.T) {
	const count = 2000
	b := le.AppendUint64(nil, 8)
	b = (&dentry{Length: 104, Attributes: tree.AttrDirectory, Security: noSecurity, Subdir: 8 + 104 + 8}).append(b)
	b = append(pad8(b), make([]byte, 8)...)
	files := uint64(len(b) + count*lenD + 8)
	for i := range 2 * count {
		d := dentry{Length: lenD, Security: noSecurity, NameLen: 2}
		if i < count {
			d.Attributes, d.Subdir = tree.AttrDirectory, files+uint64(i*lenD)
		}
		b = pad8(append(d.append(b), byte('a'+i%26), byte(1+i/26), 0, 0))
		if i%count == count-1 {
			b = append(b, make([]byte, 8)...)
		}
	}
	good := smallFile(t)
	f, err := NewFile(bytes.NewReader(good), int64(len(good)), "x.wim")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.parseMetadata(b); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "overlap") {
		t.Error(err)
	}
}

// TestOverlappingStreams gives many files stream entries that overlap: each file lies in the padding of an
// entry of the one before, so that all of them together would have the square of the metadata's streams.
func TestOverlappingStreams(t *testing.T) {
	const count, lenS, lenEntry = 400, 40, 2*lenD + 40
	b := le.AppendUint64(nil, 8)
	b = (&dentry{Length: 104, Attributes: tree.AttrDirectory, Security: noSecurity, Subdir: 8 + 104 + 8}).append(b)
	b = append(pad8(b), make([]byte, 8)...)
	files := uint64(len(b) + count*lenD + 8)
	for i := range count { // directories with a file each
		d := dentry{Length: lenD, Security: noSecurity, NameLen: 2, Attributes: tree.AttrDirectory, Subdir: files + uint64(i*lenEntry)}
		b = pad8(append(d.append(b), byte('a'+i%26), byte(1+i/26), 0, 0))
	}
	b = append(b, make([]byte, 8)...)
	for i := range count { // a file, and the entry of the file before that holds the next one
		d := dentry{Length: lenD, Security: noSecurity, NameLen: 2, Streams: uint16(count - i)}
		b = pad8(append(d.append(b), 'f', 0, 0, 0))
		s := streamEntry{Length: lenEntry, NameLen: 2}
		b = append(s.append(b), byte('a'+i%26), byte(1+i/26))
		b = append(b, make([]byte, lenEntry-lenD-lenS)...)
	}
	b = append(b, make([]byte, 2*lenEntry)...)
	good := smallFile(t)
	f, err := NewFile(bytes.NewReader(good), int64(len(good)), "x.wim")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.parseMetadata(b); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "overlap") {
		t.Error(err)
	}
}

// TestManyReparsePoints gives thousands of names one reparse blob: little in the file, much in memory.
func TestManyReparsePoints(t *testing.T) {
	b := &builder{t: t, tree: tree.New(sampleTime)}
	data := bytes.Repeat([]byte{1}, 16000)
	for i := range maxReparseTotal/len(data) + 1 {
		n := b.tree.NewFile(nil)
		n.Attributes |= tree.AttrReparsePoint
		n.Ensure().Reparse = &tree.Reparse{Tag: 0xA000000C, Data: data}
		if _, err := b.tree.Link(b.tree.Root, fmt.Sprint(i), "", n); err != nil {
			t.Fatal(err)
		}
	}
	f := mustOpen(t, writeTemp(t, WriteOptions{}, ImageSource{b.tree, Image{}}))
	if _, err := f.Tree(1); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "reparse points hold more") {
		t.Error(err)
	}
}

// TestManyDescribedImages has XML data whose images would take a hundred times its size in memory.
func TestManyDescribedImages(t *testing.T) {
	many := utf16From([]byte("<WIM>" + strings.Repeat("<IMAGE/>", maxImages+1) + "</WIM>"))
	if _, err := parseXML(many); err == nil || !strings.Contains(err.Error(), "65536 images are described") {
		t.Error(err)
	}
}

// TestDeepDirectories nests directories as deep as Windows can follow them, and one deeper.
func TestDeepDirectories(t *testing.T) {
	for _, c := range []struct {
		depth int
		want  error
	}{{maxPath / 2, nil}, {maxPath/2 + 1, fault.ErrCorrupt}} {
		tr := tree.New(0)
		dir := tr.Root
		for range c.depth {
			n := tr.NewDirectory()
			if _, err := tr.Link(dir, "a", "", n); err != nil {
				t.Fatal(err)
			}
			dir = n
		}
		f := mustOpen(t, writeTemp(t, WriteOptions{}, ImageSource{tr, Image{}}))
		if _, err := f.Tree(1); !errors.Is(err, c.want) {
			t.Errorf("depth %d: %v", c.depth, err)
		}
	}
}

// TestBrokenGroups follows the rule of Windows for hard link groups that hold different files.
func TestBrokenGroups(t *testing.T) {
	b := &builder{t: t, tree: tree.New(0)}
	one := b.file("a", "", tree.Bytes("1"))
	b.put("b", "", one)
	two := b.file("c", "", tree.Bytes("2"))
	b.put("d", "", two)
	path := writeTemp(t, WriteOptions{}, ImageSource{b.tree, Image{}})
	f := mustOpen(t, path)
	metadata, err := f.readMetadata(1)
	if err != nil {
		t.Fatal(err)
	}
	for off := 8 + 104 + 8; off+104 < len(metadata); off += lenD {
		metadata[off+0x58] = 9
	}
	tr, err := f.parseMetadata(metadata)
	if err != nil {
		t.Fatal(err)
	}
	node := func(name string) *tree.Node { return tr.Find(name).Node }
	if node("a") != node("b") || node("c") != node("d") || node("a") == node("c") {
		t.Error("groups are not split by content")
	}
}

// TestRefusals has wimlib write what is recognised and refused.
func TestRefusals(t *testing.T) {
	oracle.Need(t, wimlib)
	plain := writeTemp(t, WriteOptions{}, ImageSource{sampleTree(t), Image{Name: "x"}})
	dir := t.TempDir()
	oracle.Run(t, wimlib, "export", plain, "1", filepath.Join(dir, "pipable.wim"), "--pipable")
	big := filepath.Join(dir, "big.esd")
	oracle.Run(t, wimlib, "export", plain, "1", big, "--solid", "--solid-compress=LZMS", "--solid-chunk-size=128M")
	oracle.Run(t, wimlib, "split", plain, filepath.Join(dir, "split.swm"), "0.3")
	for name, text := range map[string]string{
		"pipable.wim": "pipable", "split2.swm": "part 2 of a split", "big.esd": "LZMS with chunks of 134217728 bytes",
	} {
		_, err := Open(filepath.Join(dir, name))
		if !errors.Is(err, fault.ErrUnsupported) && !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), text) || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncryptedESD(t *testing.T) {
	b := smallFile(t)
	doc := utf16From([]byte(`<WIM><ESD><ENCRYPTED/></ESD></WIM>`))
	le.PutUint64(b[0x48:], uint64(len(doc)))
	le.PutUint64(b[0x50:], uint64(len(b)))
	le.PutUint64(b[0x58:], uint64(len(doc)))
	b = append(b, doc...)
	if _, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.esd"); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "encrypted ESD") {
		t.Error(err)
	}
}
