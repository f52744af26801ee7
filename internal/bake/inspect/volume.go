package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// bootFiles are the programs that start Windows, and the images that install media hold.
var (
	bootFiles = []string{
		"bootmgr", "bootmgr.efi", "BOOTNXT", "Boot/bootvhd.dll", "EFI/Boot/bootx64.efi", "EFI/Boot/bootia32.efi", "EFI/Boot/bootaa64.efi",
		"EFI/Microsoft/Boot/bootmgfw.efi", "Windows/System32/winload.exe", "Windows/System32/winload.efi", "Windows/System32/ntoskrnl.exe",
	}
	mediaFiles = []string{"sources/install.wim", "sources/install.esd", "sources/install.swm", "sources/boot.wim"}
	wimFile    = winre.Folder + "/Winre.wim"
	stagedFile = winre.Staging + "/Winre.wim"
)

// windowsFiles are what describeWindows and reagent read.
var windowsFiles = slices.Concat(boot.Programs(), registry.Files(), []string{winre.StateFile})

// maxProgram bounds a boot program that is read; the largest, ntoskrnl.exe, has 12 MiB.
const maxProgram = 64 << 20

func (v *Volume) problem(where string, err error) {
	const most = 20
	if err != nil && len(v.Problems) < most {
		v.Problems = append(v.Problems, fmt.Sprintf("%s: %v", where, err))
	}
}

// volume describes a volume.
func (w *walker) volume(v *volumes.Volume) *Volume {
	out := &Volume{FileSystem: v.FileSystem}
	if w.reports == nil {
		w.reports = map[*volumes.Volume]*Volume{}
	}
	w.reports[v] = out
	first := make([]byte, 512)
	if n, _ := v.R.ReadAt(first, 0); n == len(first) {
		out.BootCode = bootcode.IdentifyVolume(first)
	}
	if v.Err != nil {
		out.problem("file system", v.Err)
		return out
	}
	switch {
	case v.NTFS != nil:
		out.ntfs(v)
	case v.FAT != nil:
		out.fat(v)
	default:
		return out
	}
	out.bootFiles(v)
	for _, path := range volumes.Stores {
		s, err := v.Store(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		out.Stores = append(out.Stores, w.store(v, tree.Split(path), s, err))
	}
	if found, err := hasWindows(v); err != nil {
		out.problem("Windows", err)
	} else if found {
		t, err := v.Part(windowsFiles...)
		out.problem("Windows", err)
		out.Windows = describeWindows(t)
		out.Windows.ReAgent = w.reagent(t, out)
	}
	for _, path := range []string{stagedFile, wimFile} {
		if c, err := v.Content(path); err == nil {
			out.WinRE = append(out.WinRE, describeWinRE(path, c))
		} else if !errors.Is(err, fs.ErrNotExist) {
			out.problem(path, err)
		}
	}
	for _, path := range mediaFiles {
		w.note(v, path)
	}
	return out
}

func (v *Volume) ntfs(from *volumes.Volume) {
	n := from.NTFS
	v.Label, v.Serial, v.ClusterSize, v.Size = n.Label(), fmt.Sprintf("%016x", n.Serial()), n.ClusterSize(), n.Size()
	v.Dirty, v.Warnings = n.Dirty(), n.Warnings()
	free, err := n.Free()
	v.room(free, err)
}

func (v *Volume) fat(from *volumes.Volume) {
	f := from.FAT
	v.FileSystem = fmt.Sprintf("FAT%d", f.Bits())
	v.ClusterSize, v.Size = f.ClusterSize(), f.Size()
	var err error
	v.Label, err = f.Label()
	v.problem("label", err)
	serial, err := f.Serial()
	v.problem("serial number", err)
	v.Serial = fmt.Sprintf("%08x", serial)
	v.Dirty, err = f.Dirty()
	v.problem("FAT", err)
	free, err := f.Free()
	v.room(free, err)
}

func (v *Volume) room(free int64, err error) {
	v.problem("free space", err)
	if err == nil {
		v.Free = &free
	}
}

func (v *Volume) bootFiles(on *volumes.Volume) {
	for _, path := range bootFiles {
		found, err := on.Lookup(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && found.Dir {
			continue
		}
		if err != nil {
			v.problem(path, err)
			continue
		}
		c := found.Content
		if c == nil {
			c = tree.Bytes(nil)
		}
		f := BootFile{Path: found.Path, Size: c.Size()}
		// Not all are programs that say a version: BOOTMGR begins with code for the BIOS.
		if data, err := tree.ReadAll(c, maxProgram); err == nil {
			if info, err := pe.Read(bytes.NewReader(data)); err == nil {
				f.Arch = info.Machine.Processor()
				if info.Version != (pe.Version{}) {
					f.Version = info.Version.String()
				}
			}
		} else {
			v.problem(path, err)
		}
		v.BootFiles = append(v.BootFiles, f)
	}
}

// describeWinRE looks into a Winre.wim.
func describeWinRE(path string, c tree.Content) *WinRE {
	out := &WinRE{Path: path, Size: c.Size()}
	info, err := winre.Inspect(c, c.Size())
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Version, out.Arch = info.Version.String(), info.Arch
	return out
}

// reagent tells of ReAgent.xml in short, with the partition that it points to.
func (w *walker) reagent(t *tree.Tree, out *Volume) *ReAgent {
	r, err := winre.State(t)
	out.problem(winre.StateFile, err)
	if r == nil || err != nil {
		return nil
	}
	a := &ReAgent{Enabled: r.Installed, Staged: r.Staged, Location: r.Location.Path, Offset: r.Location.Offset}
	if !r.BCD.IsZero() {
		a.Loader = r.BCD.Braced()
	}
	if id := w.disk.Identity; id != nil && a.Location != "" && (id.GPT && r.Location.Disk.GUID == id.ID || !id.GPT && r.Location.Disk.Signature == id.Signature) {
		for _, v := range w.disk.Volumes {
			if v.Offset == r.Location.Offset {
				a.Partition = v.Number
			}
		}
	}
	return a
}
