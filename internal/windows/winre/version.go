package winre

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Info describes a Winre.wim.
type Info struct {
	Version pe.Version // of the Windows in it, 10.0.20348.2201: what the best of its parts says
	Arch    string     // x86, amd64, arm, arm64
	Name    string     // of the image in the WIM
	Size    int64      // of the file

	// Kernel, Registry and XML are the three witnesses, the best first: the version resource of
	// ntoskrnl.exe, CurrentBuild and UBR of the SOFTWARE hive, and what the WIM says of its image, which
	// is what DISM prints. Zero: it says nothing.
	Kernel, Registry, XML pe.Version
	// Notes are whole sentences about what the witnesses disagree on or lack.
	Notes []string
}

const (
	kernelFile     = "Windows/System32/ntoskrnl.exe"
	currentVersion = `Microsoft\Windows NT\CurrentVersion`
	// maxKernel bounds the kernel; real ones have 12 MiB.
	maxKernel = 64 << 20
)

// Inspect reads the Winre.wim of size bytes in r: what the WIM says of its image, and what is in the
// image. The version is the kernel's, because that is the code which runs; the registry's if there is no
// kernel, and the WIM's own if there is neither. A version that its parts do not agree on is a note. A
// file that is no WIM, is damaged where it is read, or has no Windows in it, is an error.
func Inspect(r io.ReaderAt, size int64) (Info, error) {
	f, err := wim.NewFile(r, size, wimName)
	if err != nil {
		return Info{}, err
	}
	image, err := f.Image(max(1, f.BootIndex()))
	if err != nil {
		return Info{}, fault.In(wimName, fault.Corruptf(fault.NoOffset, "has no image that could start"))
	}
	inside, err := f.Tree(image.Index)
	if err != nil {
		return Info{}, err
	}
	info := Info{Size: size, Arch: image.Arch, Name: image.Name, XML: xmlVersion(image.Version)}
	if err := info.ask(inside); err != nil {
		return Info{}, fault.In(wimName, err)
	}
	return info, fault.In(wimName, info.settle())
}

// ask hears the witnesses inside the image.
func (i *Info) ask(inside *tree.Tree) error {
	program, err := kernel(inside)
	if err != nil {
		return err
	}
	i.Kernel = program.Version
	if program.Machine != 0 {
		i.Arch = program.Machine.Processor()
	}
	i.Registry, err = registered(inside)
	return err
}

// settle takes the best witness, and notes what the others say.
func (i *Info) settle() error {
	type witness struct {
		name    string
		version pe.Version
	}
	var heard, silent []witness
	for _, w := range []witness{{"its kernel (ntoskrnl.exe)", i.Kernel}, {"its registry (CurrentBuild, UBR)", i.Registry}, {"the WIM's own description", i.XML}} {
		if w.version == (pe.Version{}) {
			silent = append(silent, w)
		} else {
			heard = append(heard, w)
		}
	}
	if len(heard) == 0 {
		return fault.Corruptf(fault.NoOffset, "says nowhere which Windows it holds: it has no %s with a version, no version in its registry and none in its description, so it is no recovery environment", kernelFile)
	}
	best := heard[0]
	i.Version = best.version
	for _, w := range heard[1:] {
		if w.version != best.version {
			i.Notes = append(i.Notes, fmt.Sprintf("Winre.wim: %s says %v, but %s says %v; %v is taken.", w.name, w.version, best.name, best.version, best.version))
		}
	}
	for _, w := range silent {
		i.Notes = append(i.Notes, fmt.Sprintf("Winre.wim: %s says no version; that of %s is taken.", w.name, best.name))
	}
	return nil
}

// xmlVersion is a WIM's version if it is one that a program can have.
func xmlVersion(v wim.Version) pe.Version {
	const limit = 1 << 16
	if v.Major >= limit || v.Minor >= limit || v.Build >= limit || v.SPBuild >= limit || v.Build == 0 {
		return pe.Version{}
	}
	return pe.Version{Major: uint16(v.Major), Minor: uint16(v.Minor), Build: uint16(v.Build), Revision: uint16(v.SPBuild)}
}

// kernel reads the whole kernel, so that its SHA-1 is checked. The zero Info: there is none.
func kernel(t *tree.Tree) (pe.Info, error) {
	e := t.Find(kernelFile)
	if e == nil || e.Node.IsDir() {
		return pe.Info{}, nil
	}
	data, err := tree.ReadAll(e.Node.Data, maxKernel)
	if err != nil {
		return pe.Info{}, fault.In(kernelFile, err)
	}
	info, err := pe.Read(bytes.NewReader(data))
	return info, fault.In(kernelFile, err)
}

// registered is the version in a tree's SOFTWARE hive; zero if there is none.
func registered(t *tree.Tree) (pe.Version, error) {
	hive, _, err := registry.Load(t, registry.SoftwareHive)
	if errors.Is(err, registry.ErrNoHive) {
		return pe.Version{}, nil
	}
	if err != nil {
		return pe.Version{}, err
	}
	k := hive.Root.Subkey(currentVersion)
	if k == nil {
		return pe.Version{}, nil
	}
	build, err := strconv.ParseUint(text(k, "CurrentBuild"), 10, 16)
	revision, ok := integer(k, "UBR")
	if err != nil || !ok {
		return pe.Version{}, nil //nolint:nilerr // a value that is missing or strange is no version
	}
	v := pe.Version{Build: uint16(build), Revision: revision}
	if v.Major, ok = integer(k, "CurrentMajorVersionNumber"); ok {
		v.Minor, _ = integer(k, "CurrentMinorVersionNumber")
		return v, nil
	}
	if _, err := fmt.Sscanf(text(k, "CurrentVersion"), "%d.%d", &v.Major, &v.Minor); err != nil {
		return pe.Version{}, nil //nolint:nilerr // as above
	}
	return v, nil
}

func text(k *regf.Key, name string) string {
	v, _ := k.Value(name)
	s, _ := v.Text()
	return s
}

// integer is a number value that fits into a part of a version.
func integer(k *regf.Key, name string) (uint16, bool) {
	v, ok := k.Value(name)
	if !ok {
		return 0, false
	}
	n, err := v.Integer()
	return uint16(n), err == nil && n < 1<<16
}
