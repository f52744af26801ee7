package baker

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
)

// GeneratedNames are the variables that provisioners and post-processors find in "build".
var GeneratedNames = []string{
	"ImageName", "Edition", "InstallationType", "WindowsVersion", "Architecture", "Languages", "Firmware", "OutputDirectory",
}

// generatedData are their values: strings only, since Packer passes on nothing with structure.
func generatedData(w bake.WindowsInfo, c *bake.Config) map[string]string {
	return map[string]string{
		"ImageName":        w.Name,
		"Edition":          w.Edition,
		"InstallationType": w.Installation,
		"WindowsVersion":   w.Version,
		"Architecture":     w.Architecture,
		"Languages":        strings.Join(w.Languages, ","),
		"Firmware":         string(c.Firmware),
		"OutputDirectory":  c.OutputDir,
	}
}

// generatedLabels is what HCP Packer shows of every image, besides its tags.
func generatedLabels(m *bake.Manifest) map[string]string {
	labels := map[string]string{
		"windows_name":    m.Windows.Name,
		"windows_edition": m.Windows.Edition,
		"windows_version": m.Windows.Version,
		"architecture":    m.Windows.Architecture,
		"firmware":        string(m.Disk.Firmware),
		"build_tool":      m.Tool,
	}
	for _, a := range m.WinRE.Advisories {
		labels["winre_"+a.ID] = string(a.Status)
	}
	return labels
}

// describe names a Windows in one line.
func describe(w bake.WindowsInfo) string {
	var details []string
	for _, s := range []string{w.Version, w.Architecture} {
		if s != "" {
			details = append(details, s)
		}
	}
	name := w.Name
	if name == "" {
		name = fmt.Sprintf("image %d", w.Index)
	}
	if len(details) == 0 {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(details, ", "))
}

func base(path string) string { return filepath.Base(path) }

// qemuFormats are QEMU's names for the formats.
var qemuFormats = map[bake.Format]string{
	bake.Raw: "raw", bake.VHD: "vpc", bake.VHDDynamic: "vpc", bake.VHDX: "vhdx", bake.QCOW2: "qcow2",
}

// TryOut says how to see the image run.
func TryOut(r *bake.Result) string { return tryOut("The image is ready", "if=ide", "", r) }

// TryOutStick says how to see a stick's image run, as a stick.
func TryOutStick(r *bake.Result) string {
	return tryOut("The image of the stick is ready", "if=none,id=stick", " -device qemu-xhci -device usb-storage,drive=stick", r)
}

// tryOut says that something is ready, and how to have QEMU start it. options are of the drive.
func tryOut(ready, options, devices string, r *bake.Result) string {
	if len(r.Manifest.Files) == 0 || len(r.Files) == 0 {
		return ready + "."
	}
	format, known := qemuFormats[r.Manifest.Files[0].Format]
	arch := r.Manifest.Windows.Architecture
	if !known || arch != "amd64" && arch != "x86" {
		return ready + ": " + r.Files[0]
	}
	drive := strings.ReplaceAll(r.Files[0], ",", ",,") // QEMU's own way to quote a comma
	firmware := ""
	if r.Manifest.Disk.Firmware == layout.UEFI {
		firmware = " -bios /usr/share/ovmf/OVMF.fd"
	}
	return ready + ". To see it start, without changing it:\n" +
		"  qemu-system-x86_64 -machine q35 -accel kvm -accel tcg -m 4096 -smp 2 -snapshot" + firmware +
		" -drive " + quote("file="+drive+",format="+format+","+options) + devices
}

// quote makes one word of a shell command.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=,./:+", r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
