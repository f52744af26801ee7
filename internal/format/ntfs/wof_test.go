package ntfs_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof/chunk"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// wofFormats are the algorithms of the reparse point, as wimlib names them.
var wofFormats = []struct {
	algorithm   byte
	compression string
	chunk       int
}{{0, "XPRESS", 4096}, {1, "LZX", 32768}, {2, "XPRESS", 8192}, {3, "XPRESS", 16384}}

// wofReparse is the reparse point of a compressed file.
func wofReparse(provider, algorithm byte) *tree.Reparse {
	return &tree.Reparse{Tag: 0x80000017, Data: []byte{1, 0, 0, 0, provider, 0, 0, 0, 1, 0, 0, 0, algorithm, 0, 0, 0}}
}

// wofStreamOf is the stream for a blob of a WIM: a table of offsets, and the same chunks.
func wofStreamOf(b codectest.WIMBlob) []byte {
	chunks := make([][]byte, len(b.Chunks))
	for i, c := range b.Chunks {
		chunks[i] = c.Data
	}
	return oracle.ChunkStream(chunks)
}

// packedMaterials has wimlib compress materials, and returns them and their streams by the names of
// files.
func packedMaterials(t *testing.T, compression string, chunk int) (plain, stored map[string][]byte) {
	t.Helper()
	materials := map[[20]byte][]byte{}
	for _, b := range codectest.Materials() {
		materials[sha1.Sum(b)] = b
	}
	plain, stored = map[string][]byte{}, map[string][]byte{}
	for i, blob := range codectest.Capture(t, compression, chunk, codectest.Materials()...) {
		if b, ok := materials[blob.SHA1]; ok { // else it is the WIM's own metadata
			name := fmt.Sprint("file ", i)
			plain[name], stored[name] = b, wofStreamOf(blob)
		}
	}
	if len(plain) < 10 {
		t.Fatalf("%d compressed files", len(plain))
	}
	return plain, stored
}

// TestReadWOF reads files compressed by wimlib's codecs and laid out as the Windows Overlay Filter
// does, whole, from several goroutines, and in odd pieces.
func TestReadWOF(t *testing.T) {
	for _, format := range wofFormats {
		t.Run(fmt.Sprint(format.compression, format.chunk), func(t *testing.T) {
			want, stored := packedMaterials(t, format.compression, format.chunk)
			tr := tree.New(anyTime)
			for name, stream := range stored {
				n := tr.NewFile(tree.Bytes(make([]byte, len(want[name]))))
				n.Streams = []tree.Stream{{Name: "other", Data: tree.Bytes("kept")}, {Name: "WofCompressedData", Data: tree.Bytes(stream)}}
				n.Ensure().Reparse = wofReparse(2, format.algorithm)
				link(t, tr, tr.Root, name, "", n)
			}
			_, got := read(t, build(t, tr, options(32<<20)))
			for name, b := range want {
				compareUnpacked(t, name, got.Find(name).Node, b)
			}
		})
	}
}

// TestReadSmallWOF reads compressed files whose stream is so short that it is in the MFT record, through the
// tree and by their paths, after the records of others were read.
func TestReadSmallWOF(t *testing.T) {
	tr := tree.New(anyTime)
	want := map[string][]byte{}
	for i := range 3000 { // more records than the loader reads in one go
		name, b := fmt.Sprint("file ", i), bytes.Repeat([]byte{byte(i), byte(i >> 8), 'x'}, 3000)
		stream, err := chunk.Append(wof.LZX, nil, b)
		if err != nil || len(stream) > 300 {
			t.Fatal(len(stream), err)
		}
		n := tr.NewFile(tree.Bytes(make([]byte, len(b))))
		n.Streams = []tree.Stream{{Name: "other", Data: tree.Bytes("kept")}, {Name: "WofCompressedData", Data: tree.Bytes(stream)}}
		n.Ensure().Reparse = wofReparse(2, 1)
		link(t, tr, tr.Root, name, "", n)
		want[name] = b
	}
	v, got := read(t, build(t, tr, options(64<<20)))
	found := map[string]*ntfs.File{}
	for name := range want {
		if b, err := tree.ReadAll(got.Find(name).Node.Data, 1<<20); err != nil || !bytes.Equal(b, want[name]) {
			t.Fatalf("%s: differs (%v)", name, err)
		}
		f, err := v.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = f
	}
	for name, f := range found {
		if b, err := tree.ReadAll(f.Content, 1<<20); err != nil || !bytes.Equal(b, want[name]) {
			t.Errorf("%s, by its path: differs (%v)", name, err)
		}
	}
}

func compareUnpacked(t *testing.T, name string, n *tree.Node, want []byte) {
	t.Helper()
	if n.Reparse() != nil || n.Attributes&(tree.AttrReparsePoint|tree.AttrSparse) != 0 || len(n.Streams) != 1 {
		t.Errorf("%s: attributes %#x, reparse point %v, streams %v", name, n.Attributes, n.Reparse(), n.Streams)
	}
	if got, err := tree.ReadAll(n.Data, 1<<30); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: differs (%v)", name, err)
	}
	var wait sync.WaitGroup
	for g := range uint64(3) {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(g, 1))
			for range 20 {
				off := r.IntN(len(want))
				p := make([]byte, 1+r.IntN(min(len(want)-off, 50_000)))
				if _, err := n.Data.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, want[off:off+len(p)]) {
					t.Errorf("%s: %d bytes at %d differ (%v)", name, len(p), off, err)
				}
			}
		})
	}
	wait.Wait()
}

// TestReadWOFRefused has compressed files that cannot be read: each for its own reason.
func TestReadWOFRefused(t *testing.T) {
	raw := append(le.AppendUint32(nil, 4096), make([]byte, 5000)...)
	for name, c := range map[string]struct {
		reparse *tree.Reparse
		stream  []byte
		class   error
		want    string
	}{
		"algorithm":   {wofReparse(2, 4), raw, fault.ErrUnsupported, "algorithm 4"},
		"in a WIM":    {wofReparse(1, 0), raw, fault.ErrUnsupported, "WIMBoot"},
		"no stream":   {wofReparse(2, 0), nil, fault.ErrCorrupt, "WofCompressedData"},
		"short table": {wofReparse(2, 0), raw[:3], fault.ErrCorrupt, "stream of 3"},
		"offset":      {wofReparse(2, 0), append(le.AppendUint32(nil, 5001), raw[4:]...), fault.ErrCorrupt, "chunk 0"},
		"too long":    {wofReparse(2, 0), append(le.AppendUint32(nil, 4097), raw[4:]...), fault.ErrCorrupt, "4097 bytes for 4096"},
		"garbage":     {wofReparse(2, 0), append(le.AppendUint32(nil, 4095), raw[4:]...), fault.ErrCorrupt, "XPRESS"},
	} {
		tr := tree.New(anyTime)
		n := tr.NewFile(tree.Bytes(make([]byte, 5000)))
		if c.stream != nil {
			n.Streams = []tree.Stream{{Name: "WofCompressedData", Data: tree.Bytes(c.stream)}}
		}
		n.Ensure().Reparse = c.reparse
		link(t, tr, tr.Root, "file", "", n)
		m := build(t, tr, options(16<<20))
		if err := readAllOf(t, m); !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "MFT record 64") {
			t.Errorf("%s: %v", name, err)
		}
		v, err := ntfs.Open(bytes.NewReader(m), int64(len(m)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := v.Lookup("FILE")
		if err == nil {
			_, err = tree.ReadAll(f.Content, 1<<20)
		}
		if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, looked up: %v", name, err)
		}
	}
}

// TestWritePacked writes compressed files from what wimlib's codecs made, and reads them back: through
// the reader, as its checker sees the volume, and as ntfs-3g shows what is under the filter.
func TestWritePacked(t *testing.T) {
	for _, format := range wofFormats {
		t.Run(fmt.Sprint(format.compression, format.chunk), func(t *testing.T) {
			want, stored := packedMaterials(t, format.compression, format.chunk)
			tr := tree.New(anyTime)
			for name, stream := range stored {
				n := tr.NewFile(tree.Pack(tree.Bytes(want[name]), wof.Algorithm(format.algorithm), tree.Bytes(stream)))
				n.Streams = []tree.Stream{{Name: "other", Data: tree.Bytes("kept")}, {Name: "Xother", Data: tree.Bytes("kept")}}
				link(t, tr, tr.Root, name, "", n)
			}
			m := build(t, tr, options(32<<20))
			_, got := read(t, m)
			for name, b := range want {
				n := got.Find(name).Node
				n.Streams = n.Streams[:1]
				compareUnpacked(t, name, n, b)
			}
			image := saved(t, m)
			for _, j := range generalJudges {
				oracle.Need(t, j.program)
				if err := j.judge(image); err != nil {
					t.Error(err)
				}
			}
			for name, b := range stored {
				out, err := exec.Command("ntfscat", "-n", wof.StreamName, image, name).Output()
				if err != nil || !bytes.Equal(out, b) {
					t.Errorf("%s: ntfscat reads %d bytes of %s, %d are there (%v)", name, len(out), wof.StreamName, len(b), err)
				}
			}
		})
	}
}
