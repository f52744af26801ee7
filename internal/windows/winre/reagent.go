package winre

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// ReAgent is the content of ReAgent.xml: what Windows knows of its recovery environment.
type ReAgent struct {
	Version string // "2.0" since Windows 8.1, "1.0" in Windows 8

	BCD        guid.GUID // the boot loader entry of WinRE; zero if none
	Location   Location  // where WinRE is
	Installed  bool      // InstallState: whether WinRE is enabled
	Staged     bool      // WinREStaged: a Winre.wim waits to be installed by Setup
	AutoRepair bool      // IsAutoRepairOn

	OSBuild   string // OsBuildVersion: of the Windows that was there when it was enabled, may be empty
	Server    bool   // IsServer
	Scheduled int    // ScheduledOperation
}

// Location is a folder on a partition, as ReAgent.xml has it.
type Location struct {
	Path   string // `\Recovery\WindowsRE`; empty if there is none
	Disk   Disk
	Offset int64 // of the partition, in bytes
}

// Disk identifies a disk: by the GUID of its GPT, or the signature of its MBR.
type Disk struct {
	GUID      guid.GUID
	Signature uint32
}

// ParseReAgent reads a ReAgent.xml of either version: UTF-8 or UTF-16, with or without a byte order
// mark. Elements that are not known are kept.
func ParseReAgent(_ []byte) (*ReAgent, error) {
	return nil, fault.Bugf("winre.ParseReAgent is not there yet")
}

// Marshal returns the file as Windows writes it.
func (*ReAgent) Marshal() ([]byte, error) {
	return nil, fault.Bugf("ReAgent.Marshal is not there yet")
}

// Enabled is the state of a WinRE that is set up: loader is its entry in the BCD store, disk and offset
// are those of the recovery partition. build is the BuildLabEx of the Windows, and may be empty.
func Enabled(loader guid.GUID, disk Disk, offset int64, build string, server bool) *ReAgent {
	return &ReAgent{
		Version: "2.0", BCD: loader, Location: Location{Path, disk, offset}, Installed: true, AutoRepair: true,
		OSBuild: build, Server: server,
	}
}

// Disabled is the state of a Windows without WinRE, or with one that is not set up yet ("staged": there is a
// Winre.wim beside the file, and Setup enables it at the first start).
func Disabled(server bool) *ReAgent { return &ReAgent{Version: "2.0", Server: server} }
