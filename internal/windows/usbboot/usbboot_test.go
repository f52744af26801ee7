package usbboot

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

var (
	windows7 = pe.Version{Major: 6, Minor: 1, Build: 7601}
	windows8 = pe.Version{Major: 6, Minor: 2, Build: 9200}
	server22 = pe.Version{Major: 10, Build: 20348}
)

// enable returns the hive as it is then, and what was noted.
func enable(t *testing.T, tr *tree.Tree, v pe.Version) (after []byte, notes []string) {
	t.Helper()
	after = systemhive.Apply(t, tr, func(r *registry.Registry) error {
		return Enable(Image{tr, r, v, func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }})
	})
	return after, notes
}

var old = []string{"usbehci", "usbohci", "usbuhci", "usbhub", "usbccgp", "USBSTOR"}

// On Windows 7 all that is needed starts at boot, as others read it, and nothing else changes.
func TestWindows7AsOthersReadIt(t *testing.T) {
	image := systemhive.Windows7
	tr, before := image.Tree(t)
	after, notes := enable(t, tr, windows7)
	systemhive.Check(t, before, after, func(h oracle.Hive) {
		for _, set := range image.Sets {
			systemhive.Key(t, h, set+`\Control`)["BootDriverFlags"] = systemhive.DWord(6)
			for _, s := range old {
				k := systemhive.Key(t, h, set+`\Services\`+s)
				k["Start"], k["Group"] = systemhive.DWord(0), systemhive.Text("Boot Bus Extender")
			}
		}
	})
	for _, set := range image.Sets {
		systemhive.GetValue(t, after, set+`\Control`, "BootDriverFlags", "6")
		systemhive.GetValue(t, after, set+`\Services\usbehci`, "Start", "0")
		systemhive.GetValue(t, after, set+`\Services\USBSTOR`, "Group", "Boot Bus Extender")
		systemhive.GetValue(t, after, set+`\Services\vhdmp`, "BootFlags", "2")
	}
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "Windows 6.1 has no driver for USB 3") {
		t.Error(notes)
	}
}

// Windows 8 and later needs nothing but the masks of machines that it has run on.
func TestLaterAsOthersReadIt(t *testing.T) {
	for _, image := range []systemhive.Image{systemhive.Windows81, systemhive.Dirty10, systemhive.Windows10, systemhive.StandIn} {
		t.Run(image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := image.Tree(t)
			after, notes := enable(t, tr, server22)
			changed := 0
			systemhive.Check(t, before, after, func(h oracle.Hive) {
				for key, values := range h {
					if _, ok := values["BootDriverFlags"]; ok && strings.HasPrefix(key, `HardwareConfig\`) {
						values["BootDriverFlags"] = systemhive.DWord(0x1C)
						changed++
					}
				}
			})
			if len(notes) > 0 || (changed == 0) != (image.Name == systemhive.StandIn.Name) {
				t.Error(changed, notes)
			}
			systemhive.GetValue(t, after, `ControlSet001\Control`, "BootDriverFlags", "28")
		})
	}
}

// The stand-in of Windows 7 is changed as the real one is.
func TestStandInOfWindows7(t *testing.T) {
	tr, err := standin.Windows(standin.Options{Files: 1, Build: 7601})
	if err != nil {
		t.Fatal(err)
	}
	before := systemhive.Read(t, tr)
	after, notes := enable(t, tr, windows7)
	if len(notes) != 1 || !strings.Contains(notes[0], "USB 3") {
		t.Error(notes)
	}
	systemhive.Check(t, before, after, func(h oracle.Hive) {
		h[`ControlSet001\Control`]["BootDriverFlags"] = systemhive.DWord(6)
		for _, s := range old {
			k := h[`ControlSet001\Services\`+s]
			k["Start"], k["Group"] = systemhive.DWord(0), systemhive.Text("Boot Bus Extender")
		}
	})
}

// change makes a stand-in with another registry.
func change(t *testing.T, build int, f func(*registry.Registry) error) *tree.Tree {
	t.Helper()
	tr, err := standin.Windows(standin.Options{Files: 1, Build: build})
	if err != nil {
		t.Fatal(err)
	}
	r := registry.Open(tr)
	if err := errors.Join(f(r), r.Flush()); err != nil {
		t.Fatal(err)
	}
	return tr
}

const set = `HKLM\SYSTEM\ControlSet001`

// What an administrator or Windows has turned off is turned on again.
func TestWhatForbids(t *testing.T) {
	tr := change(t, 20348, func(r *registry.Registry) error {
		_, err := r.DeleteValue(set+`\Services\USBHUB3`, "BootFlags")
		return errors.Join(err,
			r.Set(set+`\Control`, regf.DWord("BootDriverFlags", 1)),
			r.Set(set+`\Services\USBSTOR`, regf.DWord("Start", 4)),
			r.Set(set+`\Services\USBXHCI\StartOverride`, regf.DWord("0", 3), regf.DWord("1", 3)),
			r.Set(set+`\Services\UASPStor\StartOverride`, regf.DWord("0", 0)),
			r.Set(set+`\Services\stornvme\StartOverride`, regf.DWord("0", 3)))
	})
	before := systemhive.Read(t, tr)
	after, notes := enable(t, tr, windows8)
	systemhive.Check(t, before, after, func(h oracle.Hive) {
		h[`ControlSet001\Control`]["BootDriverFlags"] = systemhive.DWord(0x1D)
		h[`ControlSet001\Services\USBHUB3`]["BootFlags"] = systemhive.DWord(0x10)
		h[`ControlSet001\Services\USBSTOR`]["Start"] = systemhive.DWord(3)
		delete(h[`ControlSet001\Services\USBXHCI\StartOverride`], "0")
	})
	if len(notes) != 1 || !strings.Contains(notes[0], "USBSTOR was disabled in the image, and is enabled: without it Windows cannot start from USB.") {
		t.Error(notes)
	}
	again, notes := enable(t, tr, windows8)
	if string(again) != string(after) || len(notes) > 0 {
		t.Error("a second time changes something:", notes)
	}
}

// What is missing is noted and not invented.
func TestMissing(t *testing.T) {
	tr := change(t, 20348, func(r *registry.Registry) error {
		for _, s := range services {
			if _, err := r.DeleteKey(set + `\Services\` + s.name); err != nil {
				return err
			}
		}
		return nil
	})
	before := systemhive.Read(t, tr)
	after, notes := enable(t, tr, server22)
	if string(before) != string(after) {
		t.Error("the hive has changed")
	}
	for _, part := range []string{"no service USBXHCI: Windows cannot start from a port of a USB 3", "no service USBSTOR", "no service vhdmp: Windows cannot start from a virtual disk"} {
		if !strings.Contains(strings.Join(notes, "\n"), part) {
			t.Errorf("%q lacks %s", notes, part)
		}
	}
	if len(notes) != 10 {
		t.Errorf("%d notes", len(notes))
	}
}

// A driver without a file must not start at boot, and a device that Windows 7 does not know is noted.
func TestMissingOnWindows7(t *testing.T) {
	tr := change(t, 7601, func(r *registry.Registry) error {
		const devices = set + `\Control\CriticalDeviceDatabase\`
		_, err := r.DeleteKey(devices + "USB#ROOT_HUB20")
		_, err2 := r.DeleteValue(set+`\Services\usbehci`, "ImagePath")
		return errors.Join(err, err2, r.Set(devices+`PCI#CC_0C0330`, regf.String("Service", "vendor")),
			r.Set(devices+`USB#COMPOSITE`, regf.String("Service", "other")),
			r.Set(set+`\Services\usbhub`, regf.ExpandString("ImagePath", `%systemroot%\system32\DRIVERS\usbhub.sys`)),
			r.Set(set+`\Services\usbuhci`, regf.ExpandString("ImagePath", `system32\DRIVERS\usbuhci.sys`)))
	})
	tr.Unlink(tr.Find("Windows/System32/drivers/usbohci.sys"))
	after, notes := enable(t, tr, windows7)
	if len(notes) != 2 || !strings.Contains(notes[0], "usbohci has no file Windows/System32/drivers/usbohci.sys") ||
		!strings.Contains(notes[1], "lacks USB#ROOT_HUB20 (usbhub), USB#COMPOSITE (usbccgp): Windows may stop with 0x7B") {
		t.Errorf("%q", notes)
	}
	for s, start := range map[string]string{"usbohci": "3", "usbehci": "0", "usbhub": "0", "usbuhci": "0"} {
		systemhive.GetValue(t, after, `ControlSet001\Services\`+s, "Start", start)
	}
}
