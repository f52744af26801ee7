package boot

import (
	"regexp"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Folders in the image that both kinds of firmware take.
const (
	fontsFolder     = "Windows/Boot/Fonts"
	resourcesFolder = "Windows/Boot/Resources" // from Windows 8 on
)

// The files signed with the CA of 2023.
const (
	exFolder      = "Windows/Boot/EFI_EX"
	exManager     = exFolder + "/bootmgfw_EX.efi"
	exFontsFolder = "Windows/Boot/Fonts_EX"
)

// Attributes as bcdboot leaves them on a BIOS system partition (read from real ones by
// jpz4085/BCD-SYS).
const (
	managerAttributes = tree.AttrReadOnly | tree.AttrHidden | tree.AttrSystem | tree.AttrArchive
	nextAttributes    = tree.AttrHidden | tree.AttrSystem | tree.AttrArchive
	folderAttributes  = tree.AttrHidden | tree.AttrSystem
)

// statusSize is the only size that the boot manager accepts of its log. It starts the log anew at
// every boot, unless told to preserve it, so that what is in it at first does not matter: zeros
// ("The Boot Status Data Log", http://www.geoffchappell.com/notes/windows/boot/bsd.htm).
const statusSize = 64 << 10

// copyFiles brings everything but the store to the system partition.
func copyFiles(windows, system *tree.Tree, o Options) error {
	s := o.Firmware.scheme()
	if err := copyManager(windows, system, o); err != nil {
		return err
	}
	if err := copyFolder(windows, system, fontsFolder, s.target+"/Fonts"); err != nil {
		return err
	}
	if err := copyFolder(windows, system, resourcesFolder, s.target+"/Resources"); err != nil {
		return err
	}
	if o.EX {
		if err := copyEX(windows, system, s.target); err != nil {
			return err
		}
	}
	if _, err := system.WriteFile(s.target+"/BOOTSTAT.DAT", tree.Bytes(make([]byte, statusSize))); err != nil {
		return err
	}
	folder, err := system.Lookup(s.target)
	if err != nil {
		return err
	}
	makePlain(system, folder)
	if o.Firmware == UEFI {
		return copyFallback(system)
	}
	folder.Attributes |= folderAttributes
	return nil
}

// copyManager copies the folder with the boot manager. On BIOS two of its files go to the root.
func copyManager(windows, system *tree.Tree, o Options) error {
	s := o.Firmware.scheme()
	if o.Firmware == UEFI {
		return copyFolder(windows, system, s.source, s.target)
	}
	folder, err := windows.Lookup(s.source)
	if err != nil {
		return err
	}
	for _, e := range windows.Entries(folder) {
		switch name := strings.ToLower(e.Name); {
		case e.Node.IsDir():
			err = system.CopyInto(s.target+"/"+e.Name, windows, e.Node)
		case name == "bootmgr":
			err = copyToRoot(windows, system, e.Node, "bootmgr", managerAttributes)
		case name == "bootnxt":
			err = copyToRoot(windows, system, e.Node, "BOOTNXT", nextAttributes)
		default:
			_, err = system.CopyFile(s.target+"/"+e.Name, windows, e.Node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyToRoot copies a file that the boot sector, or the boot manager early on, reads from the root
// directory. It must not be compressed.
func copyToRoot(windows, system *tree.Tree, src *tree.Node, name string, attributes uint32) error {
	n, err := system.CopyFile(name, windows, src)
	if err != nil {
		return err
	}
	n.Attributes = attributes
	return nil
}

// copyFolder copies a folder with everything in it. One that the image does not have is passed
// over: fonts, resources and languages only make the menu prettier.
func copyFolder(windows, system *tree.Tree, from, to string) error {
	folder, err := windows.Lookup(from)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return system.CopyInto(to, windows, folder)
}

// exSuffix is what names in the EX folders have and their targets have not.
var exSuffix = regexp.MustCompile(`(?i)_EX(\.|$)`)

// copyEX puts the files signed with the CA of 2023 over the others.
func copyEX(windows, system *tree.Tree, target string) error {
	if err := copyRenamed(windows, system, exFolder, target); err != nil {
		return err
	}
	return copyRenamed(windows, system, exFontsFolder, target+"/Fonts")
}

// copyRenamed copies a folder of EX files over the others.
func copyRenamed(windows, system *tree.Tree, from, to string) error {
	folder, err := windows.Lookup(from)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range windows.Entries(folder) {
		target := to + "/" + exSuffix.ReplaceAllString(e.Name, "$1")
		if e.Node.IsDir() {
			err = copyRenamed(windows, system, from+"/"+e.Name, target)
		} else {
			_, err = system.CopyFile(target, windows, e.Node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makePlain takes away the attributes that would make a writer compress files that boot programs
// read, or leave holes in them.
func makePlain(t *tree.Tree, dir *tree.Node) {
	for _, e := range t.Entries(dir) {
		e.Node.Attributes &^= tree.AttrCompressed | tree.AttrSparse
		if e.Node.IsDir() {
			makePlain(t, e.Node)
		}
	}
}

var fallbackNames = map[pe.Machine]string{
	pe.AMD64: "bootx64.efi", pe.ARM64: "bootaa64.efi", pe.I386: "bootia32.efi", pe.ARM: "bootarm.efi",
}

// copyFallback puts the boot manager where firmware looks that has no boot entry: \EFI\Boot, under
// the name for its processor (UEFI 2.10, 3.5.1.1).
func copyFallback(system *tree.Tree) error {
	path := UEFI.scheme().target + "/" + UEFI.scheme().manager
	n, err := system.Lookup(path)
	if err != nil {
		return err
	}
	info, err := pe.Read(contentOf(n))
	if err != nil {
		return fault.In(path, err)
	}
	name, ok := fallbackNames[info.Machine]
	if !ok {
		return fault.In(path, fault.Unsupportedf(fault.NoOffset, "it is for %v, which no Windows runs on", info.Machine))
	}
	_, err = system.CopyFile("EFI/Boot/"+name, system, n)
	return err
}

func contentOf(n *tree.Node) tree.Content {
	if n.Data == nil {
		return tree.Bytes(nil)
	}
	return n.Data
}
