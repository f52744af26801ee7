package unattend

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// privateHex is the descriptor field by field, as [MS-DTYP] 2.4 lays it out.
const privateHex = "01000490" + "48000000" + "58000000" + "00000000" + "14000000" + // SE_SELF_RELATIVE, SE_DACL_PROTECTED, SE_DACL_PRESENT
	"0200" + "3400" + "0200" + "0000" + // ACL: 2 entries
	"0000" + "1400" + "ff011f00" + "0101000000000005" + "12000000" + // allow S-1-5-18 everything
	"0000" + "1800" + "ff011f00" + "0102000000000005" + "2000000020020000" + // allow S-1-5-32-544 everything
	"0102000000000005" + "2000000020020000" + // owner S-1-5-32-544
	"0101000000000005" + "12000000" // group S-1-5-18

// windows is a volume whose files are readable for everybody.
func windows(t *testing.T, files map[string]string) *tree.Tree {
	t.Helper()
	tr := tree.New(0x01DA000000000000)
	tr.Root.Security = tr.AddSecurity(secdesc.Build(secdesc.Administrators, secdesc.LocalSystem,
		secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: secdesc.FullControl, SID: secdesc.Everyone}))
	for path, text := range files {
		write(t, tr, path, text)
	}
	return tr
}

func write(t *testing.T, tr *tree.Tree, path, text string) {
	t.Helper()
	if _, err := tr.WriteFile(path, tree.Bytes(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, tr *tree.Tree, path string) string {
	t.Helper()
	e := tr.Find(path)
	if e == nil {
		t.Fatalf("no %s", path)
	}
	data, err := tree.ReadAll(e.Node.Data, 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func isPrivate(t *testing.T, tr *tree.Tree, path string) {
	t.Helper()
	if got := hex.EncodeToString(tr.Descriptor(tr.Find(path).Node)); got != privateHex {
		t.Errorf("%s: security %s", path, got)
	}
}

func TestInstall(t *testing.T) {
	tr := windows(t, map[string]string{
		"Windows/Panther/Unattend.xml":              "old",
		"Windows/Panther/Unattend/autounattend.xml": "preferred",
		"Windows/System32/Sysprep/unattend.xml":     "last resort",
	})
	other, err := tr.MkdirAll("Other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Link(other, "link.xml", "", tr.Find(Path).Node); err != nil {
		t.Fatal(err)
	}
	data := must(t)(New(full(), amd64))
	want := string(data)
	notes, err := Install(tr, data)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "Windows/Panther/Unattend/autounattend.xml") {
		t.Errorf("%q, %v", notes, err)
	}
	data[0] = 'X' // the tree must not share it
	if got := read(t, tr, Path); got != want {
		t.Errorf("%s", got)
	}
	isPrivate(t, tr, Path)
	if tr.Find("Windows/Panther/Unattend/Autounattend.xml") != nil {
		t.Error("what Windows prefers is still there")
	}
	if read(t, tr, "Other/link.xml") != "old" || read(t, tr, "Windows/System32/Sysprep/unattend.xml") != "last resort" {
		t.Error("other files changed")
	}
	if notes, err := Install(tr, []byte(want)); err != nil || len(notes) != 0 {
		t.Errorf("again: %q, %v", notes, err)
	}
	if _, err := Install(tr, make([]byte, maxSize+1)); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestRead(t *testing.T) {
	given := string(input(t, "given.xml"))
	for name, c := range map[string]struct{ text, want, problem string }{
		"present":   {given, given, ""},
		"processed": {string(input(t, "processed.xml")), "", ""},
		"broken":    {"<unattend", "", "Windows/Panther/unattend.xml: ends in"},
		"long":      {strings.Repeat("x", maxSize+1), "", "Windows/Panther/unattend.xml: content of"},
	} {
		data, err := Read(windows(t, map[string]string{Path: c.text}))
		if string(data) != c.want || (err == nil) != (c.problem == "") || err != nil && !strings.HasPrefix(err.Error(), c.problem) {
			t.Errorf("%s: %.100q, %v", name, data, err)
		}
	}
	if data, err := Read(windows(t, nil)); data != nil || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// On a volume, ntfs-3g sees the entries and that they are protected; a file beside it has Everyone's.
func TestSecurityOnVolume(t *testing.T) {
	tr := windows(t, map[string]string{"Windows/Panther/other.txt": "x"})
	if _, err := Install(tr, must(t)(New(full(), amd64))); err != nil {
		t.Fatal(err)
	}
	if err := InstallSetupComplete(tr, []byte("echo x")); err != nil {
		t.Fatal(err)
	}
	plan, err := ntfs.NewPlan(tr, ntfs.Options{Size: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "volume.img")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(volume.Write(f, plan), f.Truncate(16<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	oracle.NTFSSecAudit(t, oracle.WholeFile(image))
	const (
		everyone  = "S-1-1-0"
		protected = "DACL cannot be modified by inheritable ACEs"
	)
	for path, open := range map[string]bool{"/Windows/Panther/unattend.xml": false, "/Windows/Setup/Scripts/SetupComplete.cmd": false, "/Windows/Panther/other.txt": true} {
		said := oracle.NTFSSecurity(t, image, path)
		if strings.Contains(said, everyone) != open || strings.Contains(said, protected) == open || strings.Contains(said, "ACE cnt  2") == open {
			t.Errorf("%s: %s", path, said)
		}
	}
}

func TestSetupComplete(t *testing.T) {
	tr := windows(t, nil)
	install := func(script string) {
		t.Helper()
		if err := InstallSetupComplete(tr, []byte(script)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want map[string]string) {
		t.Helper()
		dir, err := tr.Lookup(scriptFolder)
		if err != nil || dir.Len() != len(want) {
			t.Errorf("%d files, want %d, %v", dir.Len(), len(want), err)
		}
		for name, text := range want {
			if got := read(t, tr, scriptFolder+"/"+name); got != text {
				t.Errorf("%s: %q", name, got)
			}
			isPrivate(t, tr, scriptFolder+"/"+name)
		}
	}
	install("\xEF\xBB\xBFecho 1\nexit")
	expect(map[string]string{"SetupComplete.cmd": "echo 1\r\nexit\r\n"})
	install("echo 1\r\nexit\r\n")
	expect(map[string]string{"SetupComplete.cmd": "echo 1\r\nexit\r\n"})
	const two = `@"%ComSpec%" /d /c call "%~dp0SetupComplete-1.cmd" & "%ComSpec%" /d /c call "%~dp0SetupComplete-2.cmd"`
	install("echo 2")
	expect(map[string]string{"SetupComplete.cmd": two + "\r\n", "SetupComplete-1.cmd": "echo 1\r\nexit\r\n", "SetupComplete-2.cmd": "echo 2\r\n"})
	install("echo 3")
	install("echo 1\nexit")
	install("echo 3\n")
	expect(map[string]string{
		"SetupComplete.cmd":   two + ` & "%ComSpec%" /d /c call "%~dp0SetupComplete-3.cmd"` + "\r\n",
		"SetupComplete-1.cmd": "echo 1\r\nexit\r\n", "SetupComplete-2.cmd": "echo 2\r\n", "SetupComplete-3.cmd": "echo 3\r\n",
	})
	for i := 4; i <= maxScripts; i++ {
		install("echo again " + strings.Repeat("x", i))
	}
	if len(read(t, tr, setupComplete)) > 8000 {
		t.Error("the line is too long for cmd.exe")
	}
	if err := InstallSetupComplete(tr, []byte("one more")); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

// A script of the image's own stays as it is, byte for byte, with its security.
func TestSetupCompleteOfImage(t *testing.T) {
	const vendor = "@echo off\nrem no CR\n"
	tr := windows(t, map[string]string{"Windows/Setup/Scripts/SETUPCOMPLETE.CMD": vendor})
	before := bytes.Clone(tr.Descriptor(tr.Find(setupComplete).Node))
	if err := InstallSetupComplete(tr, []byte("echo mine")); err != nil {
		t.Fatal(err)
	}
	if read(t, tr, scriptFolder+"/SetupComplete-1.cmd") != vendor || read(t, tr, scriptFolder+"/SetupComplete-2.cmd") != "echo mine\r\n" {
		t.Error("scripts changed")
	}
	if !bytes.Equal(before, tr.Descriptor(tr.Find(scriptFolder+"/SetupComplete-1.cmd").Node)) {
		t.Error("security changed")
	}
	isPrivate(t, tr, setupComplete)
}

func TestSetupCompleteRefuses(t *testing.T) {
	for script, class := range map[string]error{
		"": fault.ErrInvalid, " \r\n\t": fault.ErrInvalid, "\xEF\xBB\xBF": fault.ErrInvalid,
		"\xFF\xFEe\x00": fault.ErrInvalid, secret + "\x00": fault.ErrInvalid, strings.Repeat("x", maxScript+1): fault.ErrInvalid,
	} {
		err := InstallSetupComplete(windows(t, nil), []byte(script))
		if !errors.Is(err, class) || strings.Contains(err.Error(), secret) {
			t.Errorf("%.20q: %v", script, err)
		}
	}
	for name, files := range map[string]map[string]string{
		"directory":   {setupComplete + "/x": ""},
		"part 1":      {setupComplete: "a", scriptFolder + "/SetupComplete-1.cmd": "b"},
		"part 2":      {setupComplete: "a", scriptFolder + "/SetupComplete-2.cmd": "b"},
		"part 3":      {setupComplete: string(caller(2)), scriptFolder + "/SetupComplete-1.cmd": "b", scriptFolder + "/SetupComplete-3.cmd": "c"},
		"long script": {setupComplete: strings.Repeat("x", maxScript+1)},
	} {
		tr := windows(t, files)
		if err := InstallSetupComplete(tr, []byte(secret)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
		for path, text := range files {
			if read(t, tr, path) != text {
				t.Errorf("%s: %s changed", name, path)
			}
		}
	}
}
