package wim

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// solidFormats are the ways in which wimlib can make an ESD that we can read.
var solidFormats = []string{
	"LZMS/32768", "LZMS/131072", "LZMS/1048576", "LZMS/4194304", "LZMS/67108864",
	"LZX/32768", "LZX/262144", "LZX/2097152", "XPRESS/4096", "XPRESS/65536",
}

// exportSolid has wimlib make an ESD of image 1 of a WIM.
func exportSolid(t testing.TB, wim, format string, args ...string) string {
	t.Helper()
	oracle.Need(t, wimlib)
	compress, chunk, _ := strings.Cut(format, "/")
	path := filepath.Join(t.TempDir(), "install.esd")
	oracle.Run(t, wimlib, append([]string{"export", wim, "1", path, "--solid",
		"--compress=LZMS", "--solid-compress=" + compress, "--solid-chunk-size=" + chunk}, args...)...)
	return path
}

// TestSolid reads ESDs that wimlib made of our file. Content, tree and listing must be the same.
func TestSolid(t *testing.T) {
	oracle.Need(t, wimlib)
	want := bigTree(t)
	plain := writeTemp(t, WriteOptions{}, ImageSource{want, sampleImage("big")})
	for _, format := range solidFormats {
		t.Run(format, func(t *testing.T) {
			path := exportSolid(t, plain, format, "--check")
			f := mustOpen(t, path)
			sameTrees(t, mustTree(t, f, 1), want)
			for name, content := range map[string]tree.Bytes{"big.bin": bigData(), "exact.bin": text(1<<16, 12), "noise.bin": noise(200_000, 13)} {
				checkRanges(t, f, name, content)
			}
			compareListing(t, path, 1)
			if err := f.Verify(context.Background(), nil); err != nil {
				t.Error(err)
			}
			checkSolid(t, f)
		})
	}
}

// checkSolid makes sure that the file was solid, and that what a blob says of itself fits that.
func checkSolid(t *testing.T, f *File) {
	t.Helper()
	var last *Blob
	for _, b := range f.inOrder() {
		if b.res.solid == nil {
			continue
		}
		if b.ChunkSize() != 1 || b.Incompressible() || b.Position() < headerSize || b.Position() >= f.size {
			t.Errorf("blob at %d: chunk of %d, position %d", b.res.offset, b.ChunkSize(), b.Position())
		}
		if last != nil && (last.Position() > b.Position() || last.res.offset >= b.res.offset) {
			t.Errorf("blob at %d is before that at %d", last.res.offset, b.res.offset)
		}
		last = b
	}
	if last == nil {
		t.Error("nothing is in a solid resource")
	}
}
