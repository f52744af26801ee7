package bcd

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
)

// ObjectType is what an object is: class in bits 31-28 (1 application, 2 inherit, 3 device); of
// applications the image in bits 23-20 (1 firmware, 2 boot application, 3 NTLDR, 4 real mode) and
// the application in bits 19-0; of inherit objects in bits 23-20 who may inherit (1 any, 2
// application, 3 device).
type ObjectType uint32

// Types of objects.
const (
	TypeFirmwareBootManager ObjectType = 0x10100001
	TypeBootManager         ObjectType = 0x10100002
	TypeFirmwareApplication ObjectType = 0x101FFFFF
	TypeOSLoader            ObjectType = 0x10200003
	TypeResume              ObjectType = 0x10200004
	TypeMemoryTester        ObjectType = 0x10200005
	TypeBootApplication     ObjectType = 0x1020000A
	TypeNTLDR               ObjectType = 0x10300006
	TypeSetupLoader         ObjectType = 0x10300007
	TypeBootSector          ObjectType = 0x10400008
	TypeStartup             ObjectType = 0x10400009
	TypeInherit             ObjectType = 0x20100000 // by any object
	TypeInheritLoader       ObjectType = 0x20200003 // by OS loaders
	TypeInheritResume       ObjectType = 0x20200004 // by resume applications
	TypeInheritDevice       ObjectType = 0x20300000 // by device options
	TypeDevice              ObjectType = 0x30000000 // options for a device
)

// Classes of objects, in bits 31-28.
const (
	classApplication = 1
	classInherit     = 2
	classDevice      = 3
)

func (t ObjectType) class() int       { return int(t >> 28) }
func (t ObjectType) application() int { return int(t & 0xFFFFF) }

// IsInherit says whether objects of the type are there for others to inherit from.
func (t ObjectType) IsInherit() bool { return t.class() == classInherit }

// Objects with GUIDs that never change (BCD WMI provider documentation; "BCD Objects",
// http://www.geoffchappell.com/notes/windows/boot/bcd/objects.htm; and every store).
var (
	BootManager         = guid.MustParse("9dea862c-5cdd-4e70-acc1-f32b344d4795")
	FirmwareBootManager = guid.MustParse("a5a30fa2-3d06-4e9f-b5f4-a01df9d1fcba")
	MemoryTester        = guid.MustParse("b2721d73-1db4-4c62-bf78-c548a880142d")
	NTLDR               = guid.MustParse("466f5a88-0af2-4f76-9038-095b170dc21c")
	GlobalSettings      = guid.MustParse("7ea2e1ac-2e61-4728-aaa3-896d9d0a9f0e")
	LoaderSettings      = guid.MustParse("6efb52bf-1766-41db-a6b3-0ee5eff72bd7")
	ResumeSettings      = guid.MustParse("1afa9c49-16ab-4a5c-901b-212802da9460")
	DebuggerSettings    = guid.MustParse("4636856e-540f-4170-a130-a84776f4c654")
	KernelDebugger      = guid.MustParse("313e8eed-7098-4586-a9bf-309c61f8d449")
	EMSSettings         = guid.MustParse("0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9")
	BadMemory           = guid.MustParse("5189b25c-5558-4bf2-bca4-289b11bd29e2")
	HypervisorSettings  = guid.MustParse("7ff607e0-4395-11db-b0de-0800200c9a66")
	RamdiskOptions      = guid.MustParse("ae5534e0-a924-466c-b836-758539a3ee3a")

	// What install media hold.
	MediaRamdiskOptions = guid.MustParse("7619dcc8-fafe-11d9-b411-000476eba25f")
	MediaLoader         = guid.MustParse("7619dcc9-fafe-11d9-b411-000476eba25f")

	// What BCD-Template holds: patterns for new entries, by firmware.
	TemplateLoaderBIOS = guid.MustParse("a1943bbc-ea85-487c-97c7-c9ede908a38a")
	TemplateLoaderUEFI = guid.MustParse("b012b84d-c47c-4ed5-b722-c0c42163e569")
	TemplateResumeBIOS = guid.MustParse("98b02a23-0674-4ce7-bdad-e0a15a8ff97b")
	TemplateResumeUEFI = guid.MustParse("0c334284-9a41-4de1-99b3-a7e87e8ff07e")
	TemplateSetupBIOS  = guid.MustParse("cbd971bf-b7b8-4885-951a-fa03044f5d71")
	TemplateSetupUEFI  = guid.MustParse("7254a080-1510-4e85-ac0f-e7fb3d444736")

	// Current and Default stand for other objects on bcdedit's command line. No store holds them.
	Current = guid.MustParse("fa926493-6f1c-4193-a414-58f0b2456d1e")
	Default = guid.MustParse("1cae1eb7-a0df-4d4d-9851-4860e34ef535")
)

// aliases are bcdedit's names of well-known objects.
var aliases = map[guid.GUID]string{
	BootManager:         "{bootmgr}",
	FirmwareBootManager: "{fwbootmgr}",
	MemoryTester:        "{memdiag}",
	NTLDR:               "{ntldr}",
	GlobalSettings:      "{globalsettings}",
	LoaderSettings:      "{bootloadersettings}",
	ResumeSettings:      "{resumeloadersettings}",
	DebuggerSettings:    "{dbgsettings}",
	KernelDebugger:      "{kerneldbgsettings}",
	EMSSettings:         "{emssettings}",
	BadMemory:           "{badmemory}",
	HypervisorSettings:  "{hypervisorsettings}",
	RamdiskOptions:      "{ramdiskoptions}",
	Current:             "{current}",
	Default:             "{default}",
}

// Alias returns bcdedit's name of a well-known object ("{bootmgr}"), or "".
func Alias(id guid.GUID) string { return aliases[id] }

// ParseID reads an object's identifier as bcdedit takes it: a GUID, or an alias such as
// "{bootmgr}". {default} and {current} come back as the constants that stand for them; Store.Resolve
// finds what they mean.
func ParseID(s string) (guid.GUID, error) {
	for id, alias := range aliases {
		if alias == s {
			return id, nil
		}
	}
	return guid.Parse(s)
}

// titles are bcdedit's headings: of well-known objects, else by type.
var (
	titles = map[guid.GUID]string{
		GlobalSettings:     "Global Settings",
		LoaderSettings:     "Boot Loader Settings",
		ResumeSettings:     "Resume Loader Settings",
		DebuggerSettings:   "Debugger Settings",
		KernelDebugger:     "Kernel Debugger Settings",
		EMSSettings:        "EMS Settings",
		BadMemory:          "RAM Defects",
		HypervisorSettings: "Hypervisor Settings",
		RamdiskOptions:     "Setup Ramdisk Options",
	}
	typeTitles = map[ObjectType]string{
		TypeFirmwareBootManager: "Firmware Boot Manager",
		TypeBootManager:         "Windows Boot Manager",
		TypeFirmwareApplication: "Firmware Application (101fffff)",
		TypeOSLoader:            "Windows Boot Loader",
		TypeResume:              "Resume from Hibernate",
		TypeMemoryTester:        "Windows Memory Tester",
		TypeBootApplication:     "Boot Application",
		TypeNTLDR:               "Windows Legacy OS Loader",
		TypeSetupLoader:         "Windows Setup",
		TypeBootSector:          "Real-mode Boot Sector",
		TypeStartup:             "Real-mode Application",
		TypeDevice:              "Device options",
	}
)
