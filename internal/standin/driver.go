package standin

import (
	"path/filepath"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
)

// driverINF installs a disk controller as vendors' INF files do.
const driverINF = "; A stand-in for a disk driver. There is no such device.\r\n" + `[Version]
Signature   = "$Windows NT$"
Class       = SCSIAdapter
ClassGuid   = {4D36E97B-E325-11CE-BFC1-08002BE10318}
Provider    = %Vendor%
DriverVer   = 05/08/2021,1.0.0.0
CatalogFile = wbdisk.cat
PnpLockdown = 1

[SourceDisksNames]
1 = %Disk%

[SourceDisksFiles]
wbdisk.sys = 1

[DestinationDirs]
DefaultDestDir = 12

[Manufacturer]
%Vendor% = Models,NTamd64.6.1

[Models.NTamd64.6.1]
%Device% = Disk_Install, PCI\VEN_1B36&DEV_0001

[Disk_Install]
CopyFiles = @wbdisk.sys

[Disk_Install.Services]
AddService = wbdisk, 2, Disk_Service

[Disk_Service]
DisplayName    = %Device%
ServiceType    = 1
StartType      = 0
ErrorControl   = 1
ServiceBinary  = %12%\wbdisk.sys
LoadOrderGroup = SCSI miniport
AddReg         = Disk_Parameters

[Disk_Parameters]
HKR, Parameters\PnpInterface, "5", 0x00010001, 1

[Strings]
Vendor = "winbake stand-in"
Disk   = "Stand-in disk driver"
Device = "Stand-in disk controller"
`

// Driver writes a driver package of a disk controller, as a vendor would ship it, into a folder of this
// machine.
func Driver(dir string) error {
	for name, data := range map[string][]byte{
		"wbdisk.inf": []byte(driverINF),
		"wbdisk.sys": append(pe.Stub(pe.AMD64, pe.Version{Major: 1}), program("wbdisk.sys", 30<<10)...),
		"wbdisk.cat": program("wbdisk.cat", 9<<10),
	} {
		if err := writeHost(filepath.Join(dir, name), data); err != nil {
			return err
		}
	}
	return nil
}
