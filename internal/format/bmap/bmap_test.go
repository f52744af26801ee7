package bmap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// pieces are what the image of the tests holds: offset and length.
var pieces = []bmap.Range{{Offset: 0, Length: 512}, {Offset: 1 << 20, Length: 300_000}, {Offset: 5_000_003, Length: 1}, {Offset: 8 << 20, Length: 4096 * 3}, {Offset: imageSize - 700, Length: 700}}

const imageSize = 10_000_000 // the last block is cut off

// newImage writes a sparse image of random pieces.
func newImage(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(imageSize); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, p := range pieces {
		b := make([]byte, p.Length)
		for i := range b {
			b[i] = byte(random.Uint32() | 1)
		}
		if _, err := f.WriteAt(b, p.Offset); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func create(t *testing.T, f *os.File) *bmap.Map {
	t.Helper()
	backwards := slices.Clone(pieces)
	slices.Reverse(backwards)
	m, err := bmap.Create(context.Background(), f, imageSize, slices.Values(append(backwards, pieces...)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func marshal(t *testing.T, m *bmap.Map) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	m := create(t, newImage(t))
	var got []string
	for _, b := range m.Blocks {
		got = append(got, fmt.Sprintf("%d+%d", b.Offset, b.Length))
	}
	if want := "[0+4096 1048576+303104 4997120+4096 8388608+12288 9998336+1664]"; fmt.Sprint(got) != want {
		t.Errorf("blocks %s, want %s", got, want)
	}
	b := marshal(t, m)
	again, err := bmap.Parse(b)
	if err != nil || !reflect.DeepEqual(m, again) {
		t.Errorf("read back: %+v, %v", again, err)
	}
}

// TestBmaptoolCopies has bmaptool copy an image with our map: to a disk that held something else, whose
// unmapped blocks it leaves alone.
func TestBmaptoolCopies(t *testing.T) {
	oracle.Need(t, "bmaptool")
	f := newImage(t)
	m := create(t, f)
	path := f.Name() + bmap.Suffix
	write(t, path, marshal(t, m))
	target := filepath.Join(t.TempDir(), "target")
	write(t, target, bytes.Repeat([]byte{0xA5}, imageSize))
	if out, err := bmaptool(f.Name(), target); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, image := read(t, target), read(t, f.Name())
	end := int64(0)
	for _, b := range m.Blocks {
		if rest := got[end:b.Offset]; bytes.Count(rest, []byte{0xA5}) != len(rest) && bytes.Count(rest, []byte{0}) != len(rest) {
			t.Errorf("something was written before %d", b.Offset)
		}
		if end = b.End(); !bytes.Equal(got[b.Offset:end], image[b.Offset:end]) {
			t.Errorf("the blocks at %d differ", b.Offset)
		}
	}

	// The judge can fail, on the image and on the map.
	if _, err := f.WriteAt([]byte{image[1<<20+5] ^ 1}, 1<<20+5); err != nil {
		t.Fatal(err)
	}
	if out, err := bmaptool(f.Name(), target); err == nil || !strings.Contains(out, "checksum mismatch") {
		t.Errorf("bmaptool copies a changed image: %v\n%s", err, out)
	}
	write(t, path, bytes.Replace(marshal(t, m), []byte("<Range"), []byte("<Range "), 1))
	if out, err := bmaptool(f.Name(), target); err == nil || !strings.Contains(out, "checksum mismatch for bmap file") {
		t.Errorf("bmaptool takes a changed map: %v\n%s", err, out)
	}
}

func bmaptool(from, to string) (string, error) {
	out, stderr, err := oracle.Try("bmaptool", "copy", "--bmap", from+bmap.Suffix, from, to)
	return out + stderr, err
}

// TestBmaptoolCreates compares the map that bmaptool makes of a sparse file with ours of the same file.
func TestBmaptoolCreates(t *testing.T) {
	oracle.Need(t, "bmaptool")
	f := newImage(t)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	theirs, err := bmap.Parse([]byte(oracle.Run(t, "bmaptool", "create", f.Name())))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := bmap.Create(context.Background(), f, imageSize, func(yield func(bmap.Range) bool) {
		for e := range image.Extents(f, imageSize) {
			if !yield(bmap.Range(e)) {
				return
			}
		}
	}, nil)
	if err != nil || !reflect.DeepEqual(ours, theirs) {
		t.Errorf("%v\nbmaptool %+v\nours     %+v", err, theirs, ours)
	}
}

func TestRefusals(t *testing.T) {
	good := string(marshal(t, create(t, newImage(t))))
	for name, test := range map[string]struct {
		text  string
		class error
	}{
		"empty":            {"", fault.ErrCorrupt},
		"cut off":          {good[:len(good)-20], fault.ErrCorrupt},
		"another document": {"<html></html>", fault.ErrCorrupt},
		"something behind": {good + "<bmap/>", fault.ErrCorrupt},
		"old version":      {strings.Replace(good, `"2.0"`, `"1.3"`, 1), fault.ErrUnsupported},
		"other checksums":  {strings.Replace(good, "sha256", "sha512", 1), fault.ErrUnsupported},
		"changed":          {strings.Replace(good, "<Range", "<Range ", 1), fault.ErrCorrupt},
		"twice the size":   {resum(strings.Replace(good, "<BlockSize>", "<ImageSize>1</ImageSize><BlockSize>", 1)), fault.ErrCorrupt},
		"other size":       {resum(strings.Replace(good, "10000000", "90000000", 1)), fault.ErrCorrupt},
		"other count":      {resum(strings.Replace(good, "> 80 <", "> 81 <", 1)), fault.ErrCorrupt},
		"beyond the end":   {resum(strings.Replace(good, "> 2441 <", "> 2442 <", 1)), fault.ErrCorrupt},
		"overlap":          {resum(strings.Replace(good, "> 1220 <", "> 300 <", 1)), fault.ErrCorrupt},
		"negative":         {resum(strings.Replace(good, "> 0 <", "> -1 <", 1)), fault.ErrCorrupt},
		"backwards":        {resum(strings.Replace(good, "> 256-329 <", "> 329-256 <", 1)), fault.ErrCorrupt},
		"no checksum":      {resum(strings.Replace(good, "chksum=", "checksum=", 1)), fault.ErrCorrupt},
		"block size":       {resum(strings.Replace(good, "> 4096 <", "> 0 <", 1)), fault.ErrCorrupt},
	} {
		if test.text == good {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := bmap.Parse([]byte(test.text)); !errors.Is(err, test.class) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	if _, err := bmap.Parse([]byte(resum(good))); err != nil {
		t.Errorf("resum: %v", err)
	}
}

func TestCreateFails(t *testing.T) {
	f := newImage(t)
	all := slices.Values([]bmap.Range{{Offset: 0, Length: imageSize}})
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := bmap.Create(ctx, f, imageSize, all, func(int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := f.Truncate(imageSize / 2); err != nil {
		t.Fatal(err)
	}
	if _, err := bmap.Create(context.Background(), f, imageSize, all, nil); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("cut off: %v", err)
	}
	if _, err := bmap.Create(context.Background(), f, 100, all, nil); !errors.Is(err, fault.ErrBug) {
		t.Errorf("beyond the end: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	m := &bmap.Map{Size: 10_000, BlockSize: 4096, Blocks: []bmap.Block{{Range: bmap.Range{Offset: 0, Length: 4096}}, {Range: bmap.Range{Offset: 8192, Length: 1808}}}}
	b, err := m.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(strings.Replace(string(b), "> 0 <", "> 0-1 <", 1)))
	f.Add([]byte("<bmap version='2.0'><ImageSize>1</ImageSize></bmap>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := bmap.Parse([]byte(resum(string(b))))
		if err != nil {
			return
		}
		out, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := bmap.Parse(out)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v, read back %+v, %v", m, again, err)
		}
	})
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTooLarge refuses a map before its XML takes memory.
func TestTooLarge(t *testing.T) {
	if _, err := bmap.Parse(make([]byte, bmap.MaxFile+1)); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "more than 4 MiB") {
		t.Error(err)
	}
}
