package boot

import "github.com/winbake/packer-plugin-winbake/internal/format/bcd"

// What Windows's own tools put into the store for each version, for images without a BCD-Template.
// Read from stores of Windows 10 and 11 (Setup, bcdboot) and from published bcdedit listings of
// Windows 7 (bcdboot) and of Server 2008 R2, 2012, 2016, 2019 and 2022. A setting that was not seen
// for a version is not made up.

// timeout is how many seconds the menu waits, if it is shown at all.
const timeout = 30

// inMemorySettings is the list of elements that may be set in memory only, by one: 15000075,
// "performance frequency".
const inMemorySettings = 0x15000075

func (b *builder) build() int { return int(b.Windows.Version.Build) }

// managerDefaults: servers from 2016 on do not shut down when the boot manager's error screen is
// left alone.
func (b *builder) managerDefaults() []bcd.Element {
	if b.Windows.Server && b.build() >= build2016 {
		return []bcd.Element{bcd.ElemBootShutdownDisabled.Bool(true)}
	}
	return nil
}

func (b *builder) loaderDefaults() []bcd.Element {
	nx := uint64(bcd.NXOptIn)
	if b.Windows.Server {
		nx = bcd.NXOptOut
	}
	list := append(b.applicationDefaults(), bcd.ElemNX.Integer(nx))
	if b.build() <= build8 {
		list = append(list, bcd.ElemDetectHAL.Bool(true))
	}
	if b.standardMenu() {
		list = append(list, bcd.ElemBootMenuPolicy.Integer(bcd.MenuStandard))
	}
	return list
}

func (b *builder) resumeDefaults() []bcd.Element {
	list := append(b.applicationDefaults(), bcd.ElemDebugOptionEnabled.Bool(false))
	if b.standardMenu() {
		list = append(list, bcd.ElemResumeBootMenuPolicy.Integer(bcd.MenuStandard))
	}
	return list
}

// standardMenu says whether the graphical boot menu is the default: on clients since Windows 8.
func (b *builder) standardMenu() bool { return b.build() >= build8 && !b.Windows.Server }

// applicationDefaults are what loader and resume application have in common.
func (b *builder) applicationDefaults() []bcd.Element {
	if b.build() < build8 {
		return nil
	}
	list := []bcd.Element{bcd.ElemAllowedInMemorySettings.Integers(inMemorySettings)}
	if b.Firmware == UEFI {
		list = append(list, bcd.ElemIsolatedContext.Bool(true))
	}
	return list
}

func (b *builder) settingsDefaults() []*bcd.Object {
	return []*bcd.Object{
		bcd.NewObject(bcd.GlobalSettings, bcd.TypeInherit,
			bcd.ElemInherit.Objects(bcd.DebuggerSettings, bcd.EMSSettings, bcd.BadMemory)),
		bcd.NewObject(bcd.LoaderSettings, bcd.TypeInheritLoader,
			bcd.ElemInherit.Objects(bcd.GlobalSettings, bcd.HypervisorSettings)),
		bcd.NewObject(bcd.ResumeSettings, bcd.TypeInheritResume,
			bcd.ElemInherit.Objects(bcd.GlobalSettings)),
		bcd.NewObject(bcd.DebuggerSettings, bcd.TypeInherit, b.debuggerDefaults()...),
		bcd.NewObject(bcd.EMSSettings, bcd.TypeInherit, bcd.ElemBootEMS.Bool(false)),
		bcd.NewObject(bcd.BadMemory, bcd.TypeInherit),
		bcd.NewObject(bcd.HypervisorSettings, bcd.TypeInheritLoader,
			bcd.ElemHypervisorDebugType.Integer(debugSerial),
			bcd.ElemHypervisorDebugPort.Integer(1),
			bcd.ElemHypervisorBaudRate.Integer(baudRate)),
	}
}

// Settings of debuggers.
const (
	debugSerial = 0
	debugLocal  = 4
	baudRate    = 115200
)

// launchAuto has the hypervisor start.
const launchAuto = 1

func (b *builder) debuggerDefaults() []bcd.Element {
	if b.build() >= build10 {
		return []bcd.Element{bcd.ElemDebugType.Integer(debugLocal)}
	}
	return []bcd.Element{
		bcd.ElemDebugType.Integer(debugSerial), bcd.ElemDebugPort.Integer(1), bcd.ElemBaudRate.Integer(baudRate),
	}
}
