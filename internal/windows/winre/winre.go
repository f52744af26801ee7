// Package winre decides whether an image carries the Windows Recovery Environment (WinRE), and holds
// what that takes: how large its partition is, which version a Winre.wim has, which advisories that
// version answers, the state that Windows keeps in ReAgent.xml, and the files of the partition.
//
// The package writes no partition and no boot entry: package layout places the partition, package boot
// writes the entries. Winre.wim itself is never changed here; package nested can.
//
// The format of ReAgent.xml is not documented. What is known of it comes from files that Windows wrote.
package winre

const mib = 1 << 20

// Places in a Windows volume, and in the volume of the recovery partition.
const (
	// Staging is the folder of a Windows volume in which Winre.wim waits until it is set up, and in
	// which ReAgent.xml stays.
	Staging = "Windows/System32/Recovery"
	// StateFile is the ReAgent.xml that Windows reads.
	StateFile = Staging + "/ReAgent.xml"
	// Folder is where the recovery partition keeps its files.
	Folder = "Recovery/WindowsRE"

	// Path, WIM and SDI are what ReAgent.xml and the boot entries call the folder and its files.
	Path = `\Recovery\WindowsRE`
	WIM  = Path + `\Winre.wim`
	SDI  = Path + `\boot.sdi`

	wimName   = "Winre.wim"
	sdiName   = "boot.sdi"
	stateName = "ReAgent.xml"
)
