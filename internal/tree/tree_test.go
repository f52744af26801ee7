package tree

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func paths(t *Tree) []string {
	var out []string
	for p := range t.Walk() {
		out = append(out, p)
	}
	return out
}

func TestLookupIgnoresCase(t *testing.T) {
	tr := New(1)
	n := must[*Node](t)(tr.WriteFile("Windows/System32/Ünï.txt", Bytes("x")))
	for _, path := range []string{"windows/SYSTEM32/üNÏ.TXT", "/Windows/System32/Ünï.txt/", "WINDOWS/system32/Ünï.TXT"} {
		if got, err := tr.Lookup(path); err != nil || got != n {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n.Path() != "Windows/System32/Ünï.txt" {
		t.Errorf("path %q", n.Path())
	}
}

func TestExactMatchWins(t *testing.T) {
	tr := New(1)
	a, b := tr.NewFile(Bytes("a")), tr.NewFile(Bytes("b"))
	must[*Entry](t)(tr.Link(tr.Root, "Makefile", "", a))
	must[*Entry](t)(tr.Link(tr.Root, "makefile", "", b))
	if tr.Find("makefile").Node != b || tr.Find("Makefile").Node != a || tr.Find("MAKEFILE") == nil {
		t.Error("names that differ in case are mixed up")
	}
	tr.Unlink(tr.Find("Makefile"))
	if tr.Find("Makefile").Node != b || tr.Root.Len() != 1 {
		t.Error("the twin is gone")
	}
}

func TestEntriesAreInCollationOrder(t *testing.T) {
	tr := New(1)
	for _, name := range []string{"b", "A", "a b", "Z", "_", "ab", "É", "e", "aB2"} {
		must[*Node](t)(tr.WriteFile(name, nil))
	}
	if got := strings.Join(paths(tr), " | "); got != "A | a b | ab | aB2 | b | e | Z | _ | É" {
		t.Error(got)
	}
}

func TestHardLinks(t *testing.T) {
	tr := New(1)
	n := must[*Node](t)(tr.WriteFile("a/file", Bytes("x")))
	dir := must[*Node](t)(tr.MkdirAll("b"))
	must[*Entry](t)(tr.Link(dir, "other", "", n))
	if len(n.Names) != 2 || len(tr.Nodes()) != 4 {
		t.Errorf("%d names, %d nodes", len(n.Names), len(tr.Nodes()))
	}
	if err := tr.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if len(n.Names) != 1 || n.Path() != "b/other" {
		t.Errorf("after the removal: %q", n.Path())
	}
	if _, err := tr.Link(tr.Root, "again", "", dir); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("second name of a directory: %v", err)
	}
}

func TestReplaceKeepsMetadata(t *testing.T) {
	tr := New(100)
	n := must[*Node](t)(tr.WriteFile("f", Bytes("old")))
	n.Attributes |= AttrHidden | AttrReparsePoint
	n.Security = tr.AddSecurity([]byte("sd"))
	n.Ensure().Reparse = &Reparse{Tag: 1}
	tr.Now = 200
	again := must[*Node](t)(tr.WriteFile("F", Bytes("new")))
	if again != n || n.Names[0].Name != "f" || n.Security != 0 || n.Created != 100 || n.Modified != 200 {
		t.Errorf("%+v", n)
	}
	if n.Attributes&AttrHidden == 0 || n.Attributes&AttrReparsePoint != 0 || n.Reparse() != nil {
		t.Errorf("attributes %#x", n.Attributes)
	}
}

func TestNamesCannotLeaveTheTree(t *testing.T) {
	tr := New(1)
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "a\x00b", strings.Repeat("x", 256), strings.Repeat("😀", 128)} {
		if _, err := tr.Link(tr.Root, name, "", tr.NewFile(nil)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	for _, path := range []string{"a/../b", "con:", "a?", "dot.", "space ", "tab\t"} {
		if _, err := tr.WriteFile(path, nil); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := tr.Link(tr.Root, "a:b?", "", tr.NewFile(nil)); err != nil {
		t.Errorf("a name that only Win32 forbids: %v", err)
	}
	if _, err := tr.Link(tr.Root, "a:b?", "", tr.NewFile(nil)); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("the same name twice: %v", err)
	}
}

func TestMissing(t *testing.T) {
	tr := New(1)
	must[*Node](t)(tr.MkdirAll("Windows"))
	if _, err := tr.Lookup("Windows/Nope/x"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `no "Nope" in /Windows`) {
		t.Error(err)
	}
	if err := tr.Remove("nope"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := tr.Remove("/"); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	must[*Node](t)(tr.WriteFile("file", nil))
	if _, err := tr.MkdirAll("file/dir"); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	if _, err := tr.WriteFile("Windows", nil); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
}

func TestCopyInto(t *testing.T) {
	from := New(1)
	n := must[*Node](t)(from.WriteFile("EFI/en-US/boot.mui", Bytes("mui")))
	n.Security = from.AddSecurity([]byte("sd"))
	to := New(2)
	to.AddSecurity([]byte("another"))
	must[*Node](t)(to.WriteFile("Dest/en-us/BOOT.MUI", Bytes("old")))
	if err := to.CopyInto("Dest", from, must[*Node](t)(from.Lookup("EFI"))); err != nil {
		t.Fatal(err)
	}
	got := to.Find("dest/en-US/boot.mui")
	if string(got.Node.Data.(Bytes)) != "mui" || got.Name != "boot.mui" || string(to.Descriptor(got.Node)) != "sd" {
		t.Errorf("%+v", got)
	}
	if len(n.Names) != 1 {
		t.Error("the source has got another name")
	}
}

type blob struct {
	Bytes
	sum [sha1.Size]byte
}

func (b blob) SHA1() [sha1.Size]byte { return b.sum }
func (blob) Position() int64         { return 0 }
func (blob) ChunkSize() int64        { return 1 }

func TestBlobsAreChecked(t *testing.T) {
	data := bytes.Repeat([]byte("content"), 10000)
	good := blob{data, sha1.Sum(data)}
	bad := blob{data, sha1.Sum(nil)}
	if got, err := io.ReadAll(NewReader(good)); err != nil || !bytes.Equal(got, data) {
		t.Error(err)
	}
	if _, err := io.ReadAll(NewReader(bad)); !errors.Is(err, fault.ErrCorrupt) {
		t.Error(err)
	}
	if _, err := ReadAll(bad, 1<<20); !errors.Is(err, fault.ErrCorrupt) {
		t.Error(err)
	}
	if _, err := ReadAll(good, 10); !errors.Is(err, fault.ErrUnsupported) {
		t.Error(err)
	}
}

func TestHostFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := must[*HostFile](t)(OpenHostFile(path))
	if got, err := ReadAll(f, 100); err != nil || string(got) != "0123456789" {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Truncate(path, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAll(f, 100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that shrank: %v", err)
	}
	if _, err := OpenHostFile(t.TempDir()); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("a directory: %v", err)
	}
}
