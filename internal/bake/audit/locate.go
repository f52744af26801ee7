package audit

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// currentVersion is where Windows notes the version of its recovery environment.
const currentVersion = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`

// describe says which Windows it is.
func (a *auditor) describe(t *tree.Tree) error {
	w, err := boot.Detect(t)
	if err != nil {
		return err
	}
	a.image.Windows = &Windows{
		Name: w.Description(), Product: w.ProductName, Edition: w.EditionID, Installation: w.Installation, Version: w.Version.String(),
		Build: int(w.Version.Build), Architecture: w.Arch.Processor(), Server: w.Server, Partition: a.windows.Number,
	}
	k, err := registry.Open(t).Key(currentVersion)
	if err != nil {
		a.image.find("registry-unreadable", Info, fmt.Sprintf("The registry cannot be read: %v.", err), "")
	}
	if k != nil {
		v, _ := k.Value(winre.VersionValue)
		a.image.WinRE.Registry, _ = v.Text()
	}
	return nil
}

// locate finds every Winre.wim of the image.
func (a *auditor) locate() {
	for _, v := range a.volumes {
		if v.exists(wimFile) {
			place := placeOther
			switch {
			case v == a.windows:
				place = placeWindows
			case v.Role == roleRecovery:
				place = placeRecovery
			}
			a.add(v, place, wimFile)
		}
		if v == a.windows && v.exists(stagedFile) {
			a.add(v, placeStaged, stagedFile)
		}
	}
}

// add inspects a Winre.wim.
func (a *auditor) add(v *volume, place, path string) {
	p := Place{Place: place, Partition: v.Number, Path: windowsPath(path)}
	info, err := inspectWIM(v, path)
	if err != nil {
		p.Problem = err.Error()
		a.image.find("winre-unreadable", Warning, fmt.Sprintf("%s on %s cannot be read: %v.", p.Path, v.name(), err),
			"Replace it by the Winre.wim of install media of the same build, or bake the image anew.")
	}
	p.info, p.Size, p.Name, p.Notes = info, info.Size, info.Name, info.Notes
	if info.Version != (pe.Version{}) {
		p.Version = info.Version.String()
	}
	a.image.WinRE.Locations = append(a.image.WinRE.Locations, p)
}

func inspectWIM(v *volume, path string) (winre.Info, error) {
	c, err := v.content(path)
	if err != nil {
		return winre.Info{}, err
	}
	size := c.Size()
	if size == 0 {
		return winre.Info{}, fault.Corruptf(fault.NoOffset, "it is empty")
	}
	info, err := winre.Inspect(c, size)
	info.Size = size
	return info, err
}

// recovery finds the recovery partition: the one with Winre.wim, or else the first that the table
// calls one.
func (a *auditor) recovery() {
	var best *volume
	for _, v := range a.volumes {
		if v.Role == roleRecovery && v != a.windows && (best == nil || !best.exists(wimFile) && v.exists(wimFile)) {
			best = v
		}
	}
	if best == nil {
		return
	}
	wim := best.exists(wimFile)
	a.image.Recovery = &Recovery{Partition: best.Number, Size: best.Size, Free: best.Free, Marked: best.recoveryType(), WIM: wim}
	if !best.recoveryType() {
		a.image.find("recovery-partition-type", Warning,
			fmt.Sprintf("Winre.wim is on %s, whose type %s is not that of a recovery partition: Windows Update may not find it, and users see it as a drive.", best.name(), best.Type),
			"Set the type with diskpart: de94bba4-06d1-4d40-a16a-bfd50179d6ac and the attributes 0x8000000000000001 on a GPT disk, 27 on an MBR disk.")
	}
}

// find returns the Winre.wim at a '/' path of a volume, or nil.
func (a *auditor) find(v *volume, path string) *Place {
	for i := range a.image.WinRE.Locations {
		p := &a.image.WinRE.Locations[i]
		if p.Partition == v.Number && equalPath(p.Path, path) {
			return p
		}
	}
	return nil
}
