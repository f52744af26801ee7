package bootprog

import (
	"bytes"
	"debug/pe"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// The committed binaries are what build.sh makes of the sources.
func TestBuild(t *testing.T) {
	oracle.Need(t, "sh", "nasm")
	dir := t.TempDir()
	oracle.Run(t, "sh", "build.sh", dir)
	for name, got := range map[string][]byte{"bootmgr.bin": bootmgr, "efi.bin": efi} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what build.sh makes: run go generate", name)
		}
	}
}

func TestBOOTMGR(t *testing.T) {
	b := BOOTMGR()
	if len(b) != Size || b[0] != 0xE9 {
		t.Errorf("%d bytes that start with %#x", len(b), b[0])
	}
	if !bytes.Equal(b, BOOTMGR()) {
		t.Error("not the same twice")
	}
	if MinSize() > 600 {
		t.Errorf("the smallest is %d bytes, too many for a file record", MinSize())
	}
}

func TestInvalid(t *testing.T) {
	for _, c := range []struct {
		name string
		size int
	}{
		{"ok", MinSize() - 4},
		{"ok", Size + 2},
		{strings.Repeat("x", MaxName+1), Size},
		{"caf\u00e9", Size},
		{"tab\t", Size},
	} {
		if _, err := NewBOOTMGR(c.name, c.size); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("NewBOOTMGR(%q, %d): %v", c.name, c.size, err)
		}
	}
	if _, err := NewEFI("caf\u00e9"); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("NewEFI: %v", err)
	}
}

// An outside reader of PE files agrees with the header.
func TestEFIHeader(t *testing.T) {
	f, err := pe.NewFile(bytes.NewReader(EFI()))
	if err != nil {
		t.Fatal(err)
	}
	h, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 || h.Subsystem != pe.IMAGE_SUBSYSTEM_EFI_APPLICATION {
		t.Fatalf("machine %#x, header %T", f.Machine, f.OptionalHeader)
	}
	end := uint32(0x1000)
	for _, s := range f.Sections {
		if s.VirtualAddress != end || s.VirtualSize > 0x1000 || s.Offset%h.FileAlignment != 0 {
			t.Errorf("section %s is at %#x, in the file at %#x", s.Name, s.VirtualAddress, s.Offset)
		}
		const write, execute = pe.IMAGE_SCN_MEM_WRITE, pe.IMAGE_SCN_MEM_EXECUTE
		if s.Characteristics&(write|execute) == write|execute {
			t.Errorf("section %s is writable and executable", s.Name)
		}
		end += 0x1000
	}
	if len(f.Sections) != 3 || h.SizeOfImage != end {
		t.Errorf("%d sections, image of %#x bytes", len(f.Sections), h.SizeOfImage)
	}
}
