package usbboot

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// Ways to start Windows, the bits of BootFlags and BootDriverFlags (Microsoft, "INF AddService Directive" and
// "Specifying Driver Load Order").
const (
	flagVHD  = 0x2  // from a virtual disk
	flagUSB  = 0x4  // from a disk on USB
	flagSD   = 0x8  // from an SD card
	flagUSB3 = 0x10 // from a disk on a USB 3 controller
)

// When a service starts, the value Start.
const (
	atBoot   = 0
	onDemand = 3
	disabled = 4
)

// busGroup is the first group of drivers that boot-start drivers of buses can be in; the groups' order is in
// Control\ServiceGroupOrder.
const busGroup = "Boot Bus Extender"

// service is a driver between the processor and the Windows that starts from USB.
type service struct {
	name string
	// seven and later are its BootFlags on Windows 7 and from Windows 8 on, as the hives have them; 0 where
	// the driver does not exist or has none.
	seven, later uint32
	// bus says that it is a driver of USB.
	bus bool
	// without is what the lack of it means.
	without string
}

func (s service) flags(old bool) uint32 {
	if old {
		return s.seven
	}
	return s.later
}

const (
	noUSB  = "Windows cannot start from USB"
	noUSB2 = "Windows cannot start from a port of a USB 2 controller"
	noUSB1 = "Windows cannot start from a port of a USB 1 controller"
	noUSB3 = "Windows cannot start from a port of a USB 3 controller"
	noVHD  = "Windows cannot start from a virtual disk"
)

// services are in the order in which Windows meets their devices.
var services = []service{
	{name: "usbehci", seven: flagUSB, later: flagUSB, bus: true, without: noUSB2},
	{name: "usbohci", seven: flagUSB, bus: true, without: noUSB1}, // Windows 8 and later does not
	{name: "usbuhci", seven: flagUSB, bus: true, without: noUSB1}, // start from USB 1
	{name: "USBXHCI", later: flagUSB3, bus: true, without: noUSB3},
	{name: "UCX01000", later: flagUSB3, bus: true, without: noUSB3},
	{name: "usbhub", seven: flagUSB, later: flagUSB, bus: true, without: noUSB2},
	{name: "USBHUB3", later: flagUSB3, bus: true, without: noUSB3},
	{name: "usbccgp", seven: flagUSB, later: flagUSB | flagUSB3, bus: true, without: "Windows cannot start from a USB device that is more than a disk"},
	{name: "USBSTOR", seven: flagUSB, later: flagUSB | flagUSB3, bus: true, without: noUSB},
	{name: "UASPStor", later: flagUSB | flagUSB3, bus: true, without: "Windows cannot start from a disk that talks USB Attached SCSI"},
	{name: "vhdmp", seven: flagVHD, later: flagVHD, without: noVHD},
	{name: "FsDepends", seven: flagVHD, later: flagVHD, without: noVHD},
}

// devices are those that Windows 7 must know from its start, and their services, as its hive has them. It
// finds drivers of other devices only when its own disk is there.
var devices = []struct{ id, service string }{
	{`PCI#CC_0C0300`, "usbuhci"},
	{`PCI#CC_0C0310`, "usbohci"},
	{`PCI#CC_0C0320`, "usbehci"},
	{`USB#ROOT_HUB`, "usbhub"},
	{`USB#ROOT_HUB20`, "usbhub"},
	{`USB#CLASS_09`, "usbhub"},
	{`USB#COMPOSITE`, "usbccgp"},
	{`USB#CLASS_08&SUBCLASS_06&PROT_50`, "USBSTOR"},
	{`GENDISK`, "disk"},
}

// usb3Controller is the device that Windows 7 has no driver of its own for.
const usb3Controller = `PCI#CC_0C0330`

// checkDevices notes which devices the CriticalDeviceDatabase of Windows 7 lacks. Entries are not made:
// they would name driver packages that may not be there.
func (e enabler) checkDevices() error {
	k, err := e.Registry.Key(e.set + `\Control\CriticalDeviceDatabase`)
	if err != nil {
		return err
	}
	has := func(id string) bool { return k != nil && k.Subkey(id) != nil }
	var missing []string
	for _, d := range devices {
		if !has(d.id) || !servedBy(k.Subkey(d.id), d.service) {
			missing = append(missing, d.id+" ("+d.service+")")
		}
	}
	if len(missing) > 0 {
		e.Note("The image's CriticalDeviceDatabase lacks %s: Windows may stop with 0x7B when it starts from such a device.", strings.Join(missing, ", "))
	}
	if !has(usb3Controller) {
		e.Note("Windows %d.%d has no driver for USB 3: it starts from ports of USB 2 controllers only, unless a vendor's driver is added and made to start at boot.", e.Version.Major, e.Version.Minor)
	}
	return nil
}

func servedBy(k *regf.Key, service string) bool {
	v, _ := k.Value("Service")
	name, _ := v.Text()
	return strings.EqualFold(name, service)
}

// Services returns the names of the drivers that Windows needs to start from USB, or from a virtual disk.
func Services() []string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.name
	}
	return names
}
