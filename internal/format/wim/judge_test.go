package wim

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const wimlib = "wimlib-imagex"

// TestWimlibVerifies has wimlib check everything we write, and shows that it would notice.
func TestWimlibVerifies(t *testing.T) {
	oracle.Need(t, wimlib)
	path := writeTemp(t, WriteOptions{Integrity: true, BootIndex: 1}, ImageSource{sampleTree(t), sampleImage("one")}, ImageSource{richTree(t), Image{Name: "two"}})
	out := oracle.Run(t, wimlib, "verify", path)
	if !strings.Contains(out, "Verifying integrity") || !strings.Contains(out, "metadata for image 2 of 2") {
		t.Errorf("wimlib verified something else: %s", out)
	}
	plain := writeTemp(t, WriteOptions{}, ImageSource{sampleTree(t), sampleImage("one")})
	f := mustOpen(t, plain)
	for name, off := range map[string]int64{
		"content":  f.blobs[0].res.offset + 1000,
		"metadata": f.metadata[0].res.offset + 200,
	} {
		flipped := flip(t, plain, off)
		if _, _, err := oracle.Try(wimlib, "verify", flipped); err == nil {
			t.Errorf("wimlib did not notice a flipped byte of the %s", name)
		}
	}
	if _, _, err := oracle.Try(wimlib, "verify", flip(t, path, headerSize+50)); err == nil {
		t.Error("wimlib did not notice a flipped byte under the integrity table")
	}
}

// flip returns the path of a copy with one byte changed.
func flip(t testing.TB, path string, off int64) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 0x10
	out := filepath.Join(t.TempDir(), "flipped.wim")
	if err := os.WriteFile(out, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWimlibInfo has wimlib read our header and XML data.
func TestWimlibInfo(t *testing.T) {
	oracle.Need(t, wimlib)
	opts := WriteOptions{GUID: [16]byte{0xAB, 0xCD}, BootIndex: 1, RPFix: true, Integrity: true}
	path := writeTemp(t, opts, ImageSource{sampleTree(t), sampleImage("Name & <Name>")})
	out := oracle.Run(t, wimlib, "info", path)
	for _, want := range []string{
		"0xabcd00", "Boot Index:     1", "Integrity info", "Relative path junction", "Name & <Name>",
		"Architecture:           x86_64", "Edition ID:             ServerStandard", "Installation Type:      Server Core",
		"Languages:              en-US de-DE", "Build:                  20348", "Service Pack Build:     587",
		"System Root:            WINDOWS", "HAL:                    acpiapic", "WIMBoot compatible:     yes",
		"Creation Time:          Sat May 08 08:15:30 2021 UTC", "Hard Link Bytes:        600002", "Default Language:       en-US",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("wimlib's info lacks %q:\n%s", want, out)
		}
	}
}

// TestWimlibDir compares our tree with wimlib's listing of the same file.
func TestWimlibDir(t *testing.T) {
	oracle.Need(t, wimlib)
	path := writeTemp(t, WriteOptions{}, ImageSource{richTree(t), Image{Name: "x"}})
	compareListing(t, path, 1)
}

// ourDir says of an image as we read it what oracle.WIMDir says of it as wimlib does.
func ourDir(t *testing.T, path string, index int) map[string]oracle.WIMEntry {
	t.Helper()
	tr := mustTree(t, mustOpen(t, path), index)
	all := map[string]oracle.WIMEntry{"/": ourEntry(tr, &tree.Entry{Node: tr.Root})}
	for p, e := range tr.Walk() {
		all["/"+p] = ourEntry(tr, e)
	}
	return all
}

func ourEntry(tr *tree.Tree, e *tree.Entry) oracle.WIMEntry {
	n := e.Node
	out := oracle.WIMEntry{
		ShortName: e.Short, Attributes: n.Attributes, Security: fmt.Sprintf("%x", tr.Descriptor(n)),
		Times:   [3]string{printTime(n.Created), printTime(n.Modified), printTime(n.Accessed)},
		Streams: map[string]oracle.WIMStream{"": ourStream(n.Data)},
	}
	for _, s := range n.Streams {
		out.Streams[s.Name] = ourStream(s.Data)
	}
	if r := n.Reparse(); r != nil {
		out.ReparseTag = fmt.Sprintf("%#x", r.Tag)
		out.Streams[oracle.ReparseStream] = oracle.WIMStream{SHA1: fmt.Sprintf("%x", sha1.Sum(r.Data)), Size: int64(len(r.Data))}
		if len(r.Data) == 0 {
			out.Streams[oracle.ReparseStream] = ourStream(nil)
		}
		delete(out.Streams, "") // which wimlib does not list for a reparse point
	}
	if n.Extra != nil && n.Extra.ObjectID != nil {
		out.ObjectID = fmt.Sprintf("0x%x", n.Extra.ObjectID[:16]) // the birth ids are not listed
	}
	if len(n.Names) > 1 {
		out.LinkGroup = firstPath(n)
	}
	return out
}

// firstPath returns the first of the paths that lead to a node, in the order of their bytes.
func firstPath(n *tree.Node) string {
	var paths []string
	for _, e := range n.Names {
		paths = append(paths, "/"+strings.TrimPrefix(e.Parent.Path()+"/"+e.Name, "/"))
	}
	return slices.Min(paths)
}

func ourStream(c tree.Content) oracle.WIMStream {
	if b, ok := c.(*Blob); ok {
		return oracle.WIMStream{SHA1: fmt.Sprintf("%x", b.SHA1()), Size: b.Size()}
	}
	return oracle.WIMStream{SHA1: strings.Repeat("0", 40)}
}

// printTime prints a time as wimlib does.
func printTime(ft filetime.Time) string { return ft.Time().Format("Mon Jan 02 15:04:05 2006") + " UTC" }

// compareListing compares image index of the WIM at path as we read it with what wimlib lists.
func compareListing(t *testing.T, path string, index int) {
	t.Helper()
	oracle.CompareWIMDirs(t, oracle.WIMDir(t, path, index), ourDir(t, path, index), nil)
}
