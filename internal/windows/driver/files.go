package driver

import (
	"path"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

const (
	windowsFolder = "Windows"
	system32      = windowsFolder + "/System32"
	driverStore   = system32 + "/DriverStore/FileRepository"
	infFolder     = windowsFolder + "/INF"
	// catalogFolder holds the catalogs of what is installed, in the subsystem of driver signatures.
	catalogFolder = system32 + "/CatRoot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}"
	// looseFolder has packages of Windows 7, whose driver store has an index of a secret format.
	looseFolder = windowsFolder + "/Drivers"
)

// Flags of a file that is copied ("INF CopyFiles Directive").
const (
	copyNoOverwrite = 0x10
	copyReplaceOnly = 0x400
)

// directories are the folders that INF files give numbers to, and that exist in an image. Dirids of
// users, printers and the like are not among them.
var directories = map[int]string{
	inf.DirWindows: windowsFolder,
	inf.DirSystem:  system32,
	inf.DirDrivers: system32 + "/drivers",
	17:             infFolder,
	18:             windowsFolder + "/Help",
	20:             windowsFolder + "/Fonts",
	24:             "",
	30:             "",
	50:             windowsFolder + "/System",
	51:             system32 + "/spool",
	52:             system32 + "/spool/drivers",
	54:             "",
	55:             system32 + "/spool/prtprocs",
	16422:          "Program Files",                    // CSIDL_PROGRAM_FILES
	16426:          "Program Files (x86)",              // CSIDL_PROGRAM_FILESX86
	16427:          "Program Files/Common Files",       // CSIDL_PROGRAM_FILES_COMMON
	16428:          "Program Files (x86)/Common Files", // CSIDL_PROGRAM_FILES_COMMONX86
}

// packageFolder is where the package's files are in the image.
func (in *injector) packageFolder() string {
	if in.database == "" {
		return looseFolder + "/" + in.folder
	}
	return driverStore + "/" + in.folder
}

// storePackage puts the package's files into their folder.
func (in *injector) storePackage() error {
	for _, f := range in.files {
		if err := in.write(in.packageFolder()+"/"+f.path, f.content); err != nil {
			return err
		}
	}
	return nil
}

// copyFiles puts files where the install sections want them.
func (in *injector) copyFiles() error {
	for _, install := range in.installs {
		for _, c := range install.Copies {
			dest, ok := in.destination(c)
			if !ok {
				in.note("%s goes to a folder (dirid %d) that Windows finds when it installs the device; it is in the package", c.Name, c.Dir)
				continue
			}
			f, err := in.source(c)
			if f == nil || err != nil || c.Dir == inf.DirPackage {
				if err != nil {
					return err
				}
				continue
			}
			exists := in.t.Find(dest) != nil
			if exists && c.Flags&copyNoOverwrite != 0 || !exists && c.Flags&copyReplaceOnly != 0 {
				continue
			}
			if err := in.write(dest, f.content); err != nil {
				return err
			}
		}
	}
	return nil
}

// source is the package's file that a line copies, nil where Windows itself has it.
func (in *injector) source(c inf.Copy) (*file, error) {
	name, _, err := in.inf.Source(c.Source, in.os.Arch)
	if err != nil {
		return nil, err
	}
	return in.byPath[strings.ToLower(name)], nil
}

// destination is the path in the image that a file is copied to; false where an image has no such
// folder. Files that stay in the package are there already.
func (in *injector) destination(c inf.Copy) (string, bool) {
	folder, ok := directories[c.Dir]
	if c.Dir == inf.DirPackage {
		folder, ok = in.packageFolder(), true
	}
	if !ok {
		return "", false
	}
	// Rooted, the path cannot leave its folder.
	below := path.Clean("/" + strings.ReplaceAll(c.Subdir+`\`+c.Name, `\`, "/"))
	return strings.TrimPrefix(folder+below, "/"), true
}

// publish copies the INF file and the catalog to where Windows keeps those of installed packages. The
// compiled .PNF beside it is made by Windows itself.
func (in *injector) publish() error {
	if err := in.write(infFolder+"/"+in.published, in.byPath[strings.ToLower(in.Name())].content); err != nil {
		return err
	}
	if in.version.Catalog == "" {
		return nil
	}
	catalog := in.byPath[strings.ToLower(in.version.Catalog)]
	if catalog == nil {
		return fault.Bugf("no catalog %s among the files of %s", in.version.Catalog, in.Path)
	}
	return in.write(catalogFolder+"/"+strings.TrimSuffix(in.published, ".inf")+".cat", catalog.content)
}

// Classes of PnpLockdownFiles, seen with PnpLockdown=1 in the INF and without.
const (
	lockedDown    = 4
	notLockedDown = 5
)

// lockDown records whose the copied files are, as Windows 10 does, so that they go when the package
// goes.
func (in *injector) lockDown() error {
	const key = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\PnpLockdownFiles`
	if ok, err := in.hasHive(key); err != nil || !ok || in.os.Major < 10 {
		return err
	}
	class := uint32(notLockedDown)
	if in.version.Lockdown {
		class = lockedDown
	}
	for _, install := range in.installs {
		for _, c := range install.Copies {
			dest, ok := in.destination(c)
			f, err := in.source(c)
			if err != nil {
				return err
			}
			below, inWindows := strings.CutPrefix(dest, windowsFolder+"/")
			if !ok || f == nil || !inWindows || c.Dir == inf.DirPackage {
				continue
			}
			path := key + `\%SystemRoot%/` + below
			if err := in.put(path, regf.DWord("Class", class), regf.ExpandString("Source", windowsPath(in.packageFolder()+"/"+f.path, `%SystemRoot%`))); err != nil {
				return err
			}
			if err := in.putFirst(path, "Owners", in.published); err != nil {
				return err
			}
		}
	}
	return nil
}

// windowsPath writes a path of the image as Windows does; root stands for the Windows folder, and drive
// C: for everything else.
func windowsPath(p, root string) string {
	below, ok := strings.CutPrefix(p, windowsFolder)
	if !ok {
		root, below = "C:", "/"+p
	}
	return root + strings.ReplaceAll(below, "/", `\`)
}
