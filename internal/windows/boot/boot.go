// Package boot makes a Windows volume bootable, from what lies in the volume itself: it does what
// bcdboot does, without Windows.
//
// Install copies the boot manager and its files from Windows\Boot to the system partition and
// writes a Boot Configuration Data store with an entry for the image. Which files there are is
// taken from the image, never from a list. The store's shared settings and the version's own
// defaults come from Windows\System32\config\BCD-Template of the image, as bcdboot takes them; an
// image without a usable template gets what Setup and bcdboot are known to write for its version
// (see defaults). Boot records (MBR, VBR) are internal/format/bootcode's business.
//
// Sources: https://learn.microsoft.com/windows-hardware/manufacture/desktop/bcdboot-command-line-options-techref-di,
// stores made by Setup and bcdboot on Windows 7 to 11 and Server 2008 R2 to 2022, and jpz4085/BCD-SYS.
package boot

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Firmware is what starts the boot manager.
type Firmware int

// Kinds of firmware. A disk for both gets Install twice.
const (
	BIOS Firmware = iota + 1
	UEFI
)

// String is "BIOS" or "UEFI".
func (f Firmware) String() string { return f.scheme().name }

// scheme is where things are for one kind of firmware. Paths with '/' are of trees, paths with '\'
// stand in the store.
type scheme struct {
	name    string
	source  string // the boot manager's folder in the image
	manager string // the file in it without which nothing boots
	target  string // the folder on the system partition
	memtest string // in both folders

	managerPath string // "" where the boot manager has none
	memtestPath string
	loader      string // in System32
	resume      string // in System32

	loaderPattern, resumePattern guid.GUID // in BCD-Template
}

var schemes = []scheme{
	{name: "no firmware"},
	{
		name: "BIOS", source: "Windows/Boot/PCAT", manager: "bootmgr", target: "Boot", memtest: "memtest.exe",
		memtestPath: `\boot\memtest.exe`, loader: "winload.exe", resume: "winresume.exe",
		loaderPattern: bcd.TemplateLoaderBIOS, resumePattern: bcd.TemplateResumeBIOS,
	},
	{
		name: "UEFI", source: "Windows/Boot/EFI", manager: "bootmgfw.efi", target: "EFI/Microsoft/Boot", memtest: "memtest.efi",
		managerPath: `\EFI\Microsoft\Boot\bootmgfw.efi`,
		memtestPath: `\EFI\Microsoft\Boot\memtest.efi`, loader: "winload.efi", resume: "winresume.efi",
		loaderPattern: bcd.TemplateLoaderUEFI, resumePattern: bcd.TemplateResumeUEFI,
	},
}

func (f Firmware) scheme() *scheme {
	if f != BIOS && f != UEFI {
		return &schemes[0]
	}
	return &schemes[f]
}

// StorePath is the path of the store on the system partition.
func (f Firmware) StorePath() string { return f.scheme().target + "/BCD" }

// RecoveryStorePath is the path of the second store that UEFI machines have, for the recovery
// environment.
const RecoveryStorePath = "EFI/Microsoft/Recovery/BCD"

// Options say how the image shall boot.
type Options struct {
	Firmware Firmware
	// System is the system partition: what holds the boot manager and the store.
	System bcd.Device
	// OS is where Windows will be found.
	OS Place
	// Windows is what the image is; zero to let Detect find out.
	Windows Windows
	// Locale and Description replace the image's own default language and name.
	Locale      string
	Description string
	// LoaderID and ResumeID are the identifiers of the image's two entries; see IDs.
	LoaderID, ResumeID guid.GUID
	// Recovery is the recovery environment that starts when Windows does not; nil for none.
	Recovery *Recovery
	// NoRecovery says in the entries that nothing is to start when Windows does not: `bcdedit /set
	// recoveryenabled no`. Without it and without Recovery they say nothing of it, which is how
	// bcdboot leaves them for Windows to set up its recovery environment itself.
	NoRecovery bool
	// Hypervisor has Hyper-V's hypervisor start before Windows, as the Hyper-V role sets it up:
	// `bcdedit /set hypervisorlaunchtype auto`. Without it the entry says nothing of it.
	Hypervisor bool
	// EX takes the boot files that are signed with the "Windows UEFI CA 2023", which images
	// serviced since 2024 hold beside the others (EFI_EX, Fonts_EX). Firmware that trusts only
	// the CA of 2011 refuses them.
	EX bool
	// Time is given to the keys of the store.
	Time filetime.Time
}

// IDs returns the identifiers of the loader's and the resume application's entries that a seed
// always gives.
func IDs(seed []byte) (loader, resume guid.GUID) {
	return guid.Derive(seed, "BCD loader"), guid.Derive(seed, "BCD resume")
}

// Place is where Windows is, from the boot manager's point of view. Make one with On, Search or
// InVHD.
type Place struct {
	device bcd.Device
	search bool
	vhd    string
}

// On is a volume: a bcd.Partition by its ids, or bcd.Boot if Windows is on the system partition.
func On(volume bcd.Device) Place { return Place{device: volume} }

// Search is the first volume that holds Windows, so that the store does not depend on ids of the
// disk. With several installations on a machine, which one is found is a matter of luck.
func Search() Place { return Place{search: true} }

// InVHD is in the VHD or VHDX file at path (`\dir\x.vhdx`) of a volume.
func InVHD(volume bcd.Device, path string) Place { return Place{device: volume, vhd: path} }

// holding returns the device where the path in the given element is.
func (p Place) holding(path bcd.ElementID) bcd.Device {
	switch {
	case p.search:
		return bcd.Locate{Element: path}
	case p.vhd != "":
		return bcd.NativeVHD(p.device, p.vhd, path)
	}
	return p.device
}

// Install makes windows bootable from system, which may be the same tree: it copies the boot files
// and writes the store. What is there is replaced. Nothing is changed if the image lacks something
// that booting needs; the error says what.
func Install(windows, system *tree.Tree, o Options) error {
	o, err := o.complete(windows)
	if err != nil {
		return err
	}
	store, err := NewStore(windows, o)
	if err != nil {
		return err
	}
	if err := copyFiles(windows, system, o); err != nil {
		return fault.In(o.Firmware.String()+" boot files", err)
	}
	if err := WriteStore(system, o.Firmware.StorePath(), store); err != nil {
		return err
	}
	if o.Firmware == UEFI {
		return WriteStore(system, RecoveryStorePath, newRecoveryStore(store, o.Recovery))
	}
	return nil
}

// complete checks the options against the image and fills in what they leave open.
func (o Options) complete(windows *tree.Tree) (Options, error) {
	if err := o.check(); err != nil {
		return o, err
	}
	if err := o.checkImage(windows); err != nil {
		return o, err
	}
	if o.Windows == (Windows{}) {
		var err error
		if o.Windows, err = Detect(windows); err != nil {
			return o, err
		}
	}
	if o.Locale == "" {
		o.Locale = o.Windows.Locale
	}
	if o.Locale == "" {
		o.Locale = "en-US" // bcdboot's default
	}
	if o.Description == "" {
		o.Description = o.Windows.Description()
	}
	return o, nil
}

func (o Options) check() error {
	switch {
	case o.Firmware != BIOS && o.Firmware != UEFI:
		return fault.Invalidf("no firmware is chosen: BIOS or UEFI")
	case o.System == nil:
		return fault.Invalidf("no system partition is given")
	case o.OS.device == nil && !o.OS.search:
		return fault.Invalidf("it is not said where Windows will be")
	case o.OS.vhd != "" && o.OS.vhd[0] != '\\':
		return fault.Invalidf(`the path of the VHD, %q, must begin with "\"`, o.OS.vhd)
	case o.LoaderID.IsZero() || o.ResumeID.IsZero() || o.LoaderID == o.ResumeID:
		return fault.Invalidf("the boot entries need two different identifiers")
	case o.EX && o.Firmware != UEFI:
		return fault.Invalidf("boot files signed with the CA of 2023 exist for UEFI only")
	}
	return o.checkRecovery()
}

// checkImage looks for the files without which nothing boots.
func (o Options) checkImage(windows *tree.Tree) error {
	s := o.Firmware.scheme()
	needed := []string{s.source + "/" + s.manager, system32 + "/" + s.loader}
	if o.EX {
		needed = append(needed, exManager)
	}
	missing := slices.DeleteFunc(needed, func(path string) bool { return isFile(windows, path) })
	if len(missing) == 0 {
		return nil
	}
	return &fault.Error{
		Class: fault.ErrInvalid, Where: missing[0], Offset: fault.NoOffset, Err: fs.ErrNotExist,
		Detail: "the image cannot boot on " + s.name,
	}
}

// isMissing says whether an error of Lookup means that nothing is at the path.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
