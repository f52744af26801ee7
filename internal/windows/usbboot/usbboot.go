// Package usbboot makes Windows start from a disk on USB, and from a virtual disk (VHD) on one.
//
// The boot loader brings the drivers that the kernel needs to reach its own disk. Those of USB start on
// demand, so they would come too late. Windows has a rule for that: a driver is promoted to boot start when
// the bit of the way it is started is set in the driver's BootFlags (Microsoft, "INF AddService Directive"). Which bits
// hold in any case is the mask Control\BootDriverFlags: 0x1C in the hives of Windows 8.1 and 10, 0 in that of
// Windows 7. So Windows 8 and later only has to be checked; Windows 7 and Server 2008 R2 get the old way,
// too, which UsbBootWatcher and IntegrateDrv use: Start 0 in the group "Boot Bus Extender". What is
// known of each value, and how surely, is in docs/hypervusb-tuning.md.
package usbboot

import (
	"path"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Image is what Enable changes.
type Image struct {
	Tree     *tree.Tree
	Registry *registry.Registry
	Version  pe.Version
	// Note hears what the person at the terminal should know, in whole sentences.
	Note func(format string, args ...any)
}

// build8 is the first build with drivers for USB 3 and a driver database: Windows 8, Server 2012.
const build8 = 9200

// old says that the image is a Windows 7 or Server 2008 R2.
func (i Image) old() bool { return i.Version.Build < build8 }

// Enable changes every control set, so that Windows starts from USB whichever of them it takes. It makes no
// service that the image does not have: what is missing is noted, with what that means.
func Enable(i Image) error {
	sets, err := i.Registry.ControlSets()
	if err != nil {
		return err
	}
	for n, set := range sets {
		e := enabler{Image: i, set: set}
		if n > 0 { // what is missing is told once
			e.Note = func(string, ...any) {}
		}
		if err := e.enable(); err != nil {
			return err
		}
	}
	if i.old() {
		return nil
	}
	return i.raiseHardwareConfigs()
}

// enabler changes one control set.
type enabler struct {
	Image
	set string
}

func (e enabler) enable() error {
	if err := e.raise(e.set+`\Control`, "BootDriverFlags", e.always()); err != nil {
		return err
	}
	for _, s := range services {
		if s.flags(e.old()) == 0 {
			continue
		}
		if err := e.service(s); err != nil {
			return err
		}
	}
	if !e.old() {
		return nil
	}
	return e.checkDevices()
}

// always is the mask of the ways to start that hold in any case.
func (e enabler) always() uint32 {
	if e.old() {
		return flagVHD | flagUSB
	}
	return flagUSB | flagSD | flagUSB3
}

// service lets a driver start at boot.
func (e enabler) service(s service) error {
	key := e.set + `\Services\` + s.name
	k, err := e.Registry.Key(key)
	if err != nil {
		return err
	}
	if k == nil {
		e.Note("The image has no service %s: %s.", s.name, s.without)
		return nil
	}
	if err := e.raise(key, "BootFlags", s.flags(e.old())); err != nil {
		return err
	}
	if number(k, "Start") == disabled {
		e.Note("The service %s was disabled in the image, and is enabled: without it %s.", s.name, s.without)
		if err := e.Registry.Set(key, regf.DWord("Start", onDemand)); err != nil {
			return err
		}
	}
	if e.old() && s.bus {
		return e.startAtBoot(key, k, s)
	}
	return e.permit(key)
}

// startAtBoot makes a driver of Windows 7 start at boot. One whose file is not there stays as it is: the boot
// loader would give up.
func (e enabler) startAtBoot(key string, k *regf.Key, s service) error {
	file := driverFile(k, s.name)
	if e.Tree.Find(file) == nil {
		e.Note("The service %s has no file %s in the image, and was not made to start at boot.", s.name, file)
		return nil
	}
	return e.Registry.Set(key, regf.DWord("Start", atBoot), regf.String("Group", busGroup))
}

// permit takes back a StartOverride that keeps a driver from starting at boot, which Windows 8 and later
// writes on machines that start without it.
func (e enabler) permit(key string) error {
	key += `\StartOverride`
	k, err := e.Registry.Key(key)
	if k == nil || number(k, "0") != onDemand {
		return err
	}
	_, err = e.Registry.DeleteValue(key, "0")
	return err
}

// raiseHardwareConfigs sets the mask for the machines that the image has run on, for which Windows has kept one of
// their own: 0 on a machine that started from a disk inside it. Images from install media have none.
func (i Image) raiseHardwareConfigs() error {
	const key = `HKLM\SYSTEM\HardwareConfig`
	k, err := i.Registry.Key(key)
	if k == nil {
		return err
	}
	for _, machine := range k.Subkeys() {
		if _, ok := machine.Value("BootDriverFlags"); !ok {
			continue
		}
		if err := i.raise(key+`\`+machine.Name, "BootDriverFlags", flagUSB|flagSD|flagUSB3); err != nil {
			return err
		}
	}
	return nil
}

// raise sets bits of a number, and leaves a value that has them all as it is.
func (i Image) raise(key, name string, bits uint32) error {
	k, err := i.Registry.Key(key)
	if err != nil {
		return err
	}
	var n uint32
	if k != nil {
		n = number(k, name)
	}
	if n == absent {
		n = 0
	} else if n&bits == bits {
		return nil
	}
	return i.Registry.Set(key, regf.DWord(name, n|bits))
}

// absent stands for a number that is not there. It is no value of Start or of flags.
const absent = ^uint32(0)

func number(k *regf.Key, name string) uint32 {
	v, ok := k.Value(name)
	if !ok {
		return absent
	}
	n, err := v.Integer()
	if err != nil || n > uint64(absent) {
		return absent
	}
	return uint32(n)
}

// driverFile is where the driver of a service is in the tree.
func driverFile(k *regf.Key, service string) string {
	v, _ := k.Value("ImagePath")
	text, _ := v.Text()
	if text == "" { // where the kernel looks then
		return "Windows/System32/drivers/" + service + ".sys"
	}
	file := strings.ReplaceAll(text, `\`, "/")
	for _, root := range []string{"/SystemRoot/", "%SystemRoot%/"} {
		if len(file) > len(root) && strings.EqualFold(file[:len(root)], root) {
			file = file[len(root):]
		}
	}
	return path.Join("Windows", file)
}
