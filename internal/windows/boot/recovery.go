package boot

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
)

// Where reagentc puts a recovery environment on its volume.
const (
	RecoveryWIM = `\Recovery\WindowsRE\Winre.wim`
	RecoverySDI = `\Recovery\WindowsRE\boot.sdi`
)

// Recovery is a recovery environment that the boot manager can start: a Winre.wim on a volume of its
// own or on Windows'. What Install writes for it is what `reagentc /enable` does.
type Recovery struct {
	// Device is the volume: a bcd.Partition by its ids, or bcd.Boot where the boot manager lies on
	// it, too. It cannot be searched for, whatever Options.OS is: no store is known in which a RAM
	// disk's image is. A disk that gets other ids after the bake starts Windows all the same if that
	// is searched for, and its recovery environment once `reagentc /disable` and `/enable` were run.
	Device bcd.Device
	// WIM and SDI are the paths of the image and of the empty RAM disk that it is loaded into;
	// RecoveryWIM and RecoverySDI if empty.
	WIM, SDI string
	// LoaderID and OptionsID are the identifiers of the two entries; see RecoveryIDs. ReAgent.xml
	// names the first.
	LoaderID, OptionsID guid.GUID
}

// RecoveryIDs returns the identifiers of the recovery environment's loader and of its RAM disk's
// options that a seed always gives. They differ from those of IDs.
func RecoveryIDs(seed []byte) (loader, options guid.GUID) {
	return guid.Derive(seed, "BCD recovery loader"), guid.Derive(seed, "BCD recovery options")
}

func (r *Recovery) wim() string {
	if r.WIM == "" {
		return RecoveryWIM
	}
	return r.WIM
}

func (r *Recovery) sdi() string {
	if r.SDI == "" {
		return RecoverySDI
	}
	return r.SDI
}

func (o Options) checkRecovery() error {
	if o.Recovery == nil {
		return nil
	}
	if o.NoRecovery {
		return fault.Invalidf("a recovery environment is given, and it is said that none is to be started")
	}
	return fault.In("recovery environment", o.Recovery.check(o.LoaderID, o.ResumeID))
}

// check looks at the entries by themselves and beside those of Windows.
func (r *Recovery) check(taken ...guid.GUID) error {
	switch r.Device.(type) {
	case bcd.Partition, bcd.Boot:
	case nil:
		return fault.Invalidf("it is not said which volume it is on")
	default:
		return fault.Invalidf("it cannot be loaded from %s: give a partition by its ids, or the boot device", r.Device)
	}
	for _, path := range []string{r.wim(), r.sdi()} {
		if path[0] != '\\' {
			return fault.Invalidf(`the path %q must begin with "\"`, path)
		}
	}
	for _, id := range []guid.GUID{r.LoaderID, r.OptionsID} {
		if id.IsZero() {
			return fault.Invalidf("its two boot entries need identifiers")
		}
		for _, other := range taken {
			if id == other {
				return fault.Invalidf("two boot entries have the identifier %s", id.Braced())
			}
		}
		taken = append(taken, id)
	}
	return nil
}

// The elements below are those of stores that reagentc changed: of Windows 10 and 11 for UEFI
// (mkorman90/regipy, Fisummer/winefi and others, which agree), and of bcdedit listings of Windows 7,
// Server 2008 R2 and Windows 11 for BIOS. What Windows 7 does not know yet is left out for it.

// recoveryLoader is the entry that starts the recovery environment: an OS loader in a RAM disk.
func (b *builder) recoveryLoader() *bcd.Object {
	r := b.Recovery
	ramdisk := bcd.Ramdisk{Options: r.OptionsID, On: r.Device, Path: r.wim()}
	o := bcd.NewObject(r.LoaderID, bcd.TypeOSLoader,
		bcd.ElemDevice.Device(ramdisk),
		bcd.ElemPath.Text(`\windows\system32\`+b.scheme.loader),
		bcd.ElemDescription.Text("Windows Recovery Environment"),
		bcd.ElemInherit.Objects(bcd.LoaderSettings),
		bcd.ElemOSDevice.Device(ramdisk),
		bcd.ElemSystemRoot.Text(`\windows`),
		bcd.ElemNX.Integer(bcd.NXOptIn),
		bcd.ElemWinPE.Bool(true),
		bcd.ElemRecoveryOS.Bool(true),
	)
	if b.build() >= build8 {
		o.Set(
			bcd.ElemLocale.Text(b.recoveryLocale()),
			bcd.ElemDisplayMessage.Integer(bcd.MessageRecovery),
			bcd.ElemBootMenuPolicy.Integer(bcd.MenuStandard), // on servers, too
		)
	}
	return o
}

// recoveryLocale is the language as reagentc writes it, in lower case mostly.
func (b *builder) recoveryLocale() string { return strings.ToLower(b.Locale) }

// recoveryDevice says where the RAM disk is that the image is loaded into.
func (b *builder) recoveryDevice() *bcd.Object {
	description := "Windows Recovery"
	if b.build() < build8 {
		description = "Ramdisk Options"
	}
	return bcd.NewObject(b.Recovery.OptionsID, bcd.TypeDevice,
		bcd.ElemDescription.Text(description),
		bcd.ElemRamdiskSDIDevice.Device(b.Recovery.Device),
		bcd.ElemRamdiskSDIPath.Text(b.Recovery.sdi()),
	)
}

// loaderRecovery is what Windows' own entry says of the recovery environment.
func (b *builder) loaderRecovery() []bcd.Element {
	list := b.applicationRecovery()
	// Not in stores of Windows 8, 8.1 and Server 2016; in those of 1709 and of all that came later.
	if b.Recovery != nil && b.build() >= build1709 {
		list = append(list, bcd.ElemDisplayMessageOverride.Integer(bcd.MessageRecovery))
	}
	return list
}

// resumeRecovery is the same for the resume application. That of Windows 7 says nothing.
func (b *builder) resumeRecovery() []bcd.Element {
	if b.build() < build8 {
		return nil
	}
	return b.applicationRecovery()
}

func (b *builder) applicationRecovery() []bcd.Element {
	switch {
	case b.Recovery != nil:
		return []bcd.Element{bcd.ElemRecoverySequence.Objects(b.Recovery.LoaderID), bcd.ElemRecoveryEnabled.Bool(true)}
	case b.NoRecovery:
		return []bcd.Element{bcd.ElemRecoveryEnabled.Bool(false)}
	}
	return nil
}

// copyTo copies the recovery environment's entries from the main store of a UEFI system to the second
// one, whose boot manager starts nothing else.
func (r *Recovery) copyTo(s, main *bcd.Store) {
	loader := main.Object(r.LoaderID)
	s.Put(loader.Clone(r.LoaderID), main.Object(r.OptionsID).Clone(r.OptionsID))
	manager := s.Object(bcd.BootManager)
	manager.Set(bcd.ElemDefault.Object(r.LoaderID), bcd.ElemDisplayOrder.Objects(r.LoaderID))
	if locale, ok := loader.Element(bcd.ElemLocale); ok {
		manager.Set(locale)
	}
}
