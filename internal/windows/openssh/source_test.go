package openssh

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
)

// Sources that are not what they should be are refused, and leave the image as it was.
func TestHostileSources(t *testing.T) {
	with := func(entries ...entry) string {
		return zipped(t, append(release("OpenSSH-Win64/", pe.AMD64), entries...))
	}
	header := func(change func(*zip.FileHeader)) string {
		return archive(t, func(w *zip.Writer) {
			for _, e := range release("", pe.AMD64) {
				h := &zip.FileHeader{Name: e.name, Method: zip.Store}
				if e.name == "moduli" {
					change(h)
				}
				f, err := w.CreateHeader(h)
				if err != nil {
					t.Fatal(err)
				}
				f.Write([]byte(e.data))
			}
		})
	}
	many := make([]entry, maxFiles+1)
	for i := range many {
		many[i].name = fmt.Sprintf("OpenSSH-Win64/%d", i)
	}
	file := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(file, []byte("no zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, source, part string }{
		{"slip", with(entry{"OpenSSH-Win64/../../evil.exe", "x"}), "would leave"},
		{"slip with backslashes", with(entry{`OpenSSH-Win64\..\..\evil.exe`, "x"}), "would leave"},
		{"absolute", with(entry{"/evil.exe", "x"}), "would leave"},
		{"drive", with(entry{`C:\evil.exe`, "x"}), "would leave"},
		{"stream", with(entry{`OpenSSH-Win64/sshd.exe:evil`, "x"}), "would leave"},
		{"network", with(entry{`\\host\share\evil.exe`, "x"}), "would leave"},
		{"outside", with(entry{"evil.exe", "x"}), "is not beside"},
		{"twice", with(entry{"OpenSSH-Win64/SSHD.EXE", "x"}), "twice"},
		{"device", with(entry{"OpenSSH-Win64/con.txt", "x"}), "device"},
		{"link", header(func(h *zip.FileHeader) { h.SetMode(0o777 | os.ModeSymlink) }), "neither a file nor a folder"},
		{"encrypted", header(func(h *zip.FileHeader) { h.Flags |= 1 }), "encrypted"},
		{"too many", with(many...), "more than"},
		{"another program", zipped(t, []entry{{"a/readme.txt", "x"}}), "no sshd.exe"},
		{"deep", zipped(t, release("a/b/", pe.AMD64)), "no sshd.exe"},
		{"another processor", zipped(t, release("OpenSSH-Win32/", pe.I386)), "OpenSSH-Win64.zip"},
		{"no program", zipped(t, []entry{{"sshd.exe", "text"}}), "sshd.exe"},
		{"no zip", file, "no zip"},
		{"nothing", filepath.Join(t.TempDir(), "none.zip"), "none.zip"},
		{"huge", patched(t, func(h []byte) { binary.LittleEndian.PutUint32(h[24:], 0xFFFFFFF0) }), "more than"},
		{"longer than it says", patched(t, func(h []byte) { binary.LittleEndian.PutUint32(h[24:], 3) }), "moduli"},
		{"wrong sum", patched(t, func(h []byte) { h[16] ^= 1 }), "moduli"},
		{"folder of another processor", folder(t, release("OpenSSH-ARM64/", pe.ARM64)), "arm64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr, _ := systemhive.StandIn.Tree(t)
			before := dump(t, tr)
			err := fails(t, tr, Settings{Source: test.source})
			if !strings.HasPrefix(err.Error(), "source: ") || !strings.Contains(err.Error(), test.part) {
				t.Errorf("%v, want %q", err, test.part)
			}
			if test.name != "device" && dump(t, tr) != before { // the tree's own rule, applied file by file
				t.Error("the image is changed all the same")
			}
		})
	}
}

// patched returns a zip in which the central directory's header of moduli is changed.
func patched(t *testing.T, change func([]byte)) string {
	t.Helper()
	path := zipped(t, release("", pe.AMD64))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte("moduli")) - 46 // the header's fixed part
	if string(b[at:at+4]) != "PK\x01\x02" {
		t.Fatal("no header")
	}
	change(b[at:])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFolderWithLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights there")
	}
	dir := folder(t, release("", pe.AMD64))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tr, _ := systemhive.StandIn.Tree(t)
	if err := fails(t, tr, Settings{Source: dir}); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "link") {
		t.Error(err)
	}
}
