package boot

import (
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

func TestCheckNativeBoot(t *testing.T) {
	both := []Firmware{BIOS, UEFI}
	for _, c := range []struct {
		name      string
		image     image
		firmwares []Firmware
		vhdx      bool
		loader    bool // whether there is a bootvhd.dll
		notes     int
		refused   bool
	}{
		{"2008 R2 from a VHD", server2008R2, []Firmware{BIOS}, false, false, 0, false},
		{"2008 R2 from the second partition", server2008R2, both, false, false, 1, false},
		{"2008 R2 from a VHDX", server2008R2, both, true, false, 0, true},
		{"2012 R2 from a VHDX", server2012R2, []Firmware{BIOS}, true, false, 0, false},
		{"2012 R2 on UEFI", server2012R2, []Firmware{UEFI}, true, false, 1, false},
		{"2022 without its loader", server2022, both, false, false, 1, false},
		{"2022 with its loader", server2022, both, true, true, 0, false},
		{"2022 on UEFI alone", server2022, []Firmware{UEFI}, false, false, 0, false},
	} {
		v := c.image.tree(t)
		if c.loader {
			if _, err := v.WriteFile(virtualDiskLoader, tree.Bytes("MZ")); err != nil {
				t.Fatal(err)
			}
		}
		notes, err := CheckNativeBoot(v, Windows{Version: c.image.version}, c.firmwares, c.vhdx)
		if len(notes) != c.notes || errors.Is(err, fault.ErrUnsupported) != c.refused || !c.refused && err != nil {
			t.Errorf("%s: %q, %v", c.name, notes, err)
		}
	}
}

// TestHypervisor has the loader's entry start the hypervisor if that is wanted.
func TestHypervisor(t *testing.T) {
	v := server2012R2.tree(t)
	if HasHypervisor(v) {
		t.Error("a hypervisor was found")
	}
	if _, err := v.WriteFile("Windows/System32/hvax64.exe", tree.Bytes("MZ")); err != nil {
		t.Fatal(err)
	}
	if !HasHypervisor(v) {
		t.Error("no hypervisor was found")
	}
	for _, on := range []bool{false, true} {
		o := biosOptions()
		o.Hypervisor = on
		s, err := NewStore(v, o)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := s.Print(&text, bcd.PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.ToLower(text.String()), "hypervisorlaunchtype"); got != on {
			t.Errorf("hypervisor %v:\n%s", on, text.String())
		}
	}
}
