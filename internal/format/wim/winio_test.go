//go:build windows || linux

package wim

import (
	"crypto/sha1"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	winio "github.com/Microsoft/go-winio/wim"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestGoWinio compares our reading of an LZX file with that of Microsoft's Go package, which takes
// no other format.
func TestGoWinio(t *testing.T) {
	oracle.Need(t, wimlib)
	tr := sampleTree(t)
	// wimlib gives a junction an empty list of children, at which go-winio stops.
	if err := tr.Remove("Documents and Settings"); err != nil {
		t.Fatal(err)
	}
	plain := writeTemp(t, WriteOptions{}, ImageSource{tr, sampleImage("x")})
	path := filepath.Join(t.TempDir(), "x.wim")
	oracle.Run(t, wimlib, "export", plain, "1", path, "--compress=LZX")

	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := winio.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	root, err := r.Image[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]string{}
	listWinio(t, theirs, "", root)
	ours := mustTree(t, mustOpen(t, path), 1)
	compareWinio(t, theirs, "", ours, &tree.Entry{Node: ours.Root})
	for p, e := range ours.Walk() {
		compareWinio(t, theirs, p, ours, e)
	}
	for p, line := range theirs {
		t.Errorf("%q should not be there: %s", p, line)
	}
}

func listWinio(t *testing.T, all map[string]string, path string, f *winio.File) {
	t.Helper()
	line := fmt.Sprintf("%q %#x %x %s %s", f.ShortName, f.Attributes, f.SecurityDescriptor,
		f.CreationTime.Time().UTC(), f.LastWriteTime.Time().UTC())
	line += fmt.Sprintf(" tag %#x %s", f.ReparseTag, sumStream(t, f.Size, f.Open))
	for _, s := range f.Streams {
		line += fmt.Sprintf(" %q %s", s.Name, sumStream(t, s.Size, s.Open))
	}
	all[path] = line
	if !f.IsDir() {
		return
	}
	children, err := f.Readdir()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range children {
		listWinio(t, all, strings.TrimPrefix(path+"/"+c.Name, "/"), c)
	}
}

func sumStream(t *testing.T, size int64, open func() (io.ReadCloser, error)) string {
	t.Helper()
	h := sha1.New()
	if size > 0 {
		r, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := io.Copy(h, r); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%d:%.8x", size, h.Sum(nil))
}

func compareWinio(t *testing.T, theirs map[string]string, path string, tr *tree.Tree, e *tree.Entry) {
	t.Helper()
	n := e.Node
	line := fmt.Sprintf("%q %#x %x %s %s", e.Short, n.Attributes, tr.Descriptor(n), n.Created.Time(), n.Modified.Time())
	data, tag := n.Data, uint32(0)
	if r := n.Reparse(); r != nil {
		data, tag = tree.Bytes(r.Data), r.Tag
	}
	line += fmt.Sprintf(" tag %#x %s", tag, sumOf(t, data))
	for _, s := range n.Streams {
		line += fmt.Sprintf(" %q %s", s.Name, sumOf(t, s.Data))
	}
	key := strings.ToValidUTF8(path, "\ufffd") // they replace unpaired surrogates
	if theirs[key] != line {
		t.Errorf("%q:\ngo-winio %s\nours     %s", path, theirs[key], line)
	}
	delete(theirs, key)
}
