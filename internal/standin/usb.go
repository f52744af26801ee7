package standin

import (
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// usbDriver is a driver of USB or of virtual disks, with the BootFlags that it has on Windows 7 and later.
type usbDriver struct {
	name, group  string
	seven, later uint32
}

// Facts are those of the hives of Windows 7, 8.1 and 10.
var usbDrivers = []usbDriver{
	{"usbehci", "Base", 4, 4},
	{"usbohci", "Base", 4, 0},
	{"usbuhci", "Base", 4, 0},
	{"usbhub", "Base", 4, 4},
	{"usbccgp", "Base", 4, 0x14},
	{"USBSTOR", "", 4, 0x14},
	{"vhdmp", "SCSI miniport", 2, 2},
	{"FsDepends", "FSFilter Top", 2, 2},
	{"USBXHCI", "", 0, 0x10},
	{"UCX01000", "Base", 0, 0x10},
	{"USBHUB3", "Base", 0, 0x10},
	{"UASPStor", "", 0, 0x14},
}

// old says that the stand-in is a Windows 7, which knows no USB 3.
func (b *builder) old() bool { return b.o.Build < firstDatabase }

// drivers are the drivers of USB and virtual disks that the build has.
func (b *builder) drivers() []usbDriver {
	if b.old() {
		return usbDrivers[:8]
	}
	return usbDrivers
}

func (b *builder) usbFiles() {
	for _, d := range b.drivers() {
		b.installer(b.file("Windows/System32/drivers/"+d.name+".sys", program(d.name, 5<<10)))
	}
}

// usbServices adds them to the SYSTEM hive, to be started on demand, as they are in a new image.
func (b *builder) usbServices(h *regf.Hive) {
	const set = `ControlSet001\`
	always := uint32(0x1C)
	if b.old() {
		always = 0
	}
	b.set(h, set+`Control`, regf.DWord("BootDriverFlags", always))
	for _, d := range b.drivers() {
		flags := d.later
		if b.old() {
			flags = d.seven
		}
		values := []regf.Value{regf.DWord("Type", 1), regf.DWord("Start", 3), regf.DWord("ErrorControl", 1),
			regf.ExpandString("ImagePath", `\SystemRoot\System32\drivers\`+d.name+`.sys`)}
		if flags != 0 {
			values = append(values, regf.DWord("BootFlags", flags))
		}
		if d.group != "" {
			values = append(values, regf.String("Group", d.group))
		}
		b.set(h, set+`Services\`+d.name, values...)
	}
	b.set(h, set+`Services\FsDepends\Parameters`, regf.DWord("VirtualDiskExpandOnMount", 1),
		regf.DWord("VirtualDiskMaxTreeDepth", 2), regf.DWord("VirtualDiskNoLocalMount", 0))
	if b.old() {
		b.criticalUSB(h)
	}
}

// criticalUSB names the devices that Windows 7 starts with.
func (b *builder) criticalUSB(h *regf.Hive) {
	const (
		classUSB  = "{36FC9E60-C465-11CF-8056-444553540000}"
		classDisk = "{4D36E967-E325-11CE-BFC1-08002BE10318}"
	)
	for _, d := range []struct{ id, class, service string }{
		{"PCI#CC_0C0300", classUSB, "usbuhci"},
		{"PCI#CC_0C0310", classUSB, "usbohci"},
		{"PCI#CC_0C0320", classUSB, "usbehci"},
		{"USB#ROOT_HUB", classUSB, "usbhub"},
		{"USB#ROOT_HUB20", classUSB, "usbhub"},
		{"USB#CLASS_09", classUSB, "usbhub"},
		{"USB#COMPOSITE", classUSB, "usbccgp"},
		{"USB#Class_08&SubClass_06&Prot_50", classUSB, "USBSTOR"},
		{"GenDisk", classDisk, "disk"},
	} {
		b.set(h, `ControlSet001\Control\CriticalDeviceDatabase\`+d.id, regf.String("ClassGUID", d.class), regf.String("Service", d.service))
	}
}

// habits adds to the SYSTEM hive what makes Windows write to its disk.
func (b *builder) habits(h *regf.Hive) {
	const set = `ControlSet001\`
	b.set(h, set+`Control\Power`, regf.DWord("HibernateEnabled", 1))
	b.set(h, set+`Control\Session Manager\Memory Management\PrefetchParameters`, regf.DWord("EnablePrefetcher", 3))
	lastAccess := uint32(0x80000002)
	if b.old() {
		lastAccess = 1
	} else {
		b.set(h, set+`Control\Session Manager\Power`, regf.DWord("HiberbootEnabled", 1))
	}
	b.set(h, set+`Control\FileSystem`, regf.DWord("NtfsDisableLastAccessUpdate", lastAccess))
	for _, service := range []string{"SysMain", "defragsvc"} {
		b.set(h, set+`Services\`+service, regf.DWord("Type", 0x20), regf.DWord("Start", 3), regf.DWord("ErrorControl", 1),
			regf.ExpandString("ImagePath", `%SystemRoot%\system32\svchost.exe -k `+service), regf.String("ObjectName", "LocalSystem"))
	}
}
