package spool_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/spool"
	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// blob is bytes that say what they hash to.
type blob struct {
	tree.Bytes
	sum [sha1.Size]byte
}

func (b *blob) SHA1() [sha1.Size]byte { return b.sum }
func (b *blob) Position() int64       { return 0 }
func (b *blob) ChunkSize() int64      { return 1 }

func newBlob(b []byte) *blob { return &blob{b, sha1.Sum(b)} }

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// TestCompress compresses contents of odd lengths with every algorithm; a decoder that shares
// nothing with the encoders reads them.
func TestCompress(t *testing.T) {
	oracle.Need(t, "python3")
	var contents []tree.Content
	for _, b := range codectest.Materials() {
		contents = append(contents, newBlob(b[:min(len(b), 150_000)]))
	}
	large := bytes.Repeat([]byte("what repeats itself a lot is decoded fast; "), 60_000)[:2<<20+77]
	contents = append(contents, newBlob(large), tree.Bytes(noise(100_000)), tree.Bytes(noise(100_000)), tree.Bytes(large[:1<<20-1]), tree.Bytes(large[5:6]))
	for _, a := range []wof.Algorithm{wof.XPRESS4K, wof.LZX, wof.XPRESS8K, wof.XPRESS16K} {
		t.Run(a.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			s, err := spool.Create(dir, "x.partial")
			if err != nil {
				t.Fatal(err)
			}
			var progress int64
			got, err := s.Compress(t.Context(), a, contents, shorter, func(n int64) { progress += n })
			if err != nil {
				t.Fatal(err)
			}
			var total, position int64
			for i, c := range contents {
				total += c.Size()
				checkStored(t, fmt.Sprint("content ", i), a, c, got[i])
				if got[i] != nil {
					if p := tree.Position(got[i]); p <= position {
						t.Errorf("content %d is at %d, after %d", i, p, position)
					} else {
						position = p
					}
				}
			}
			if progress != total {
				t.Errorf("progress is %d of %d bytes", progress, total)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left (%v)", dir, err)
			}
		})
	}
}

func shorter(c tree.Content, stored int64) bool { return stored < c.Size() }

func checkStored(t *testing.T, name string, a wof.Algorithm, c, stored tree.Content) {
	t.Helper()
	want, err := tree.ReadAll(c, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if stored == nil {
		if layout := (wof.Layout{Algorithm: a, Size: c.Size()}); layout.Chunks() > 20 && c.Size() != 100_000 {
			t.Errorf("%s: %d bytes did not become shorter", name, c.Size())
		}
		return
	}
	raw, err := tree.ReadAll(stored, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	got, err := oracle.DecodeWOF(raw, c.Size(), int(a))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: the stream of %d bytes decodes to something else (%v)", name, len(raw), err)
	}
}

// TestWrongContent has a blob that is not what it says.
func TestWrongContent(t *testing.T) {
	s, err := spool.Create(t.TempDir(), "x.partial")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bad := newBlob(noise(2 << 20))
	bad.sum[0]++
	_, err = s.Compress(t.Context(), wof.LZX, []tree.Content{newBlob(noise(10)), bad}, shorter, func(int64) {})
	var c *tree.ContentError
	if !errors.Is(err, fault.ErrCorrupt) || !errors.As(err, &c) || c.Content != tree.Content(bad) {
		t.Errorf("got %v", err)
	}
}
