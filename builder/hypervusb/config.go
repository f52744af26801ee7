//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

package hypervusb

import (
	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/builder/flash"
	"github.com/winbake/packer-plugin-winbake/builder/medium"
	"github.com/winbake/packer-plugin-winbake/builder/output"
	"github.com/winbake/packer-plugin-winbake/builder/settings"
)

// Config is the whole configuration of a winbake-hypervusb source.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	Medium              medium.Config       `mapstructure:",squash"`
	Stick               StickConfig         `mapstructure:",squash"`
	Volume              output.VolumeConfig `mapstructure:",squash"`
	Output              output.Config       `mapstructure:",squash"`
	Record              output.RecordConfig `mapstructure:",squash"`
	Settings            settings.Config     `mapstructure:",squash"`
	// What is different from the usual tuning for flash memory. See [below](#flash-memory).
	Flash *flash.Config `mapstructure:"flash"`

	ctx interpolate.Context
}

// What the stick is like, and the virtual disk on it.
type StickConfig struct {
	// The size of the stick: a number with `GB`, as sticks are sold by, `GiB` or another unit, or plain bytes.
	// A stick of 32 GB has 29.8 GiB, and the image must not be larger than the stick that it is written to.
	// At least `16GB`; 32 GB are recommended. Defaults to `32GiB`, which is for a stick of 64 GB: one of 32 GB
	// takes `32GB` with a `vhd_size` of at most `24GB`.
	UsbSize string `mapstructure:"usb_size"`
	// The label of the volume on the stick, at most 32 characters. Defaults to `HVUSB`.
	UsbLabel string `mapstructure:"usb_label"`
	// The size of the virtual disk that Windows runs from. It is a fixed one: all of it is taken on the stick,
	// in one piece, but in the image what is empty takes no room. It must leave a quarter of the stick free. At
	// least `12GiB`; 24 GB are recommended. Defaults to `24GiB`.
	VhdSize string `mapstructure:"vhd_size"`
	// The name of the virtual disk on the stick. A name that ends in `.vhdx` makes a VHDX, from which Windows 8,
	// Server 2012 and later start. Defaults to `hvsOS.vhd`.
	VhdName string `mapstructure:"vhd_name"`
	// What the stick starts on: `bios` (MBR with one active NTFS partition, as `bootsect /nt60` prepares it),
	// `uefi` (GPT with an EFI system partition), or `both` (MBR with an active FAT32 partition that has the boot
	// files of both). Defaults to `bios`.
	Firmware string `mapstructure:"firmware"`
	// How the boot configuration names the partition with the virtual disk. `explicit` gives its identifiers, as
	// Windows does. `locate` means the partition that the boot manager was started from, whatever its
	// identifiers have become; only with `firmware = "bios"`. Defaults to `explicit`.
	BootDevices string `mapstructure:"boot_devices"`
	// Whether Hyper-V's hypervisor starts before Windows (`bcdedit /set hypervisorlaunchtype auto`): `on` or
	// `off`. By default it does where the image has one.
	Hypervisor string `mapstructure:"hypervisor"`
	// Whether the recovery environment stays in the image. It cannot be started from within a virtual disk, and
	// takes half a gigabyte of the stick. Defaults to `false`: it is removed, and the image tagged `WinRE=False`.
	KeepWinRE bool `mapstructure:"keep_winre"`
	// Rules about sizes that are not to be kept, and the reason, which the manifest records: `usb_size` (a stick
	// of at least 16 GB), `usb_free` (a quarter of it free) and `vhd_size` (a virtual disk of at least 12 GiB).
	Overrides map[string]string `mapstructure:"overrides"`
}
