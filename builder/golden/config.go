//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

package golden

import (
	"slices"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/winbake/packer-plugin-winbake/builder/baker"
	"github.com/winbake/packer-plugin-winbake/builder/bytesize"
	"github.com/winbake/packer-plugin-winbake/builder/medium"
	"github.com/winbake/packer-plugin-winbake/builder/output"
	"github.com/winbake/packer-plugin-winbake/builder/settings"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Config is the whole configuration of a winbake-golden source.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	Medium              medium.Config       `mapstructure:",squash"`
	Disk                DiskConfig          `mapstructure:",squash"`
	Volume              output.VolumeConfig `mapstructure:",squash"`
	Output              output.Config       `mapstructure:",squash"`
	Record              output.RecordConfig `mapstructure:",squash"`
	Settings            settings.Config     `mapstructure:",squash"`
	// Whether the image carries the Windows Recovery Environment. See [below](#recovery-environment).
	WinRE *WinREConfig `mapstructure:"winre"`

	ctx interpolate.Context
}

// What the disk is like.
type DiskConfig struct {
	// The size of the disk: a number with `KiB`, `MiB`, `GiB` or `TiB` (or `K`, `M`, `G`, `T`, as
	// QEMU has it; all binary), `KB`, `MB`, `GB` or `TB` (decimal), or plain bytes. Files are
	// sparse, so that a larger disk costs next to nothing on most file systems. At least 512 MiB.
	// Defaults to `40GiB`.
	Size string `mapstructure:"size"`
	// What the disk boots from: `bios` (MBR with one active NTFS partition), `uefi` (GPT with an EFI
	// system partition), or `both` (MBR with an active FAT32 system partition that has the boot
	// files of both, as Windows To Go has it). A disk with an MBR ends at 2 TiB. Defaults to `bios`, the default of QEMU,
	// of OpenStack and of Hyper-V's first generation.
	Firmware string `mapstructure:"firmware"`
	// How the boot configuration names the partitions. `explicit` gives their identifiers, as
	// Windows does. With `locate` the boot manager looks for Windows, so that the disk also starts
	// where copies get new identifiers; on a machine with several Windows disks, which one it finds
	// is a matter of luck. Defaults to `explicit`.
	BootDevices string `mapstructure:"boot_devices"`
}

// Prepare reads the configuration, fills in defaults, and returns warnings and every mistake at once. It
// looks at nothing outside of the configuration, but for the checksums that iso_checksum = "file:..." names
// and for parity_manifest.
func (c *Config) Prepare(raws ...any) (warnings []string, err error) {
	return baker.Prepare(c, &c.Medium, &c.ctx, BuilderID, raws, func() []error {
		_, problems := c.engine()
		_, more := c.Settings.Items()
		return append(problems, more...)
	})
}

// engine returns the configuration as the engine takes it, and every mistake in it.
func (c *Config) engine() (bake.Config, []error) {
	return baker.Engine(&c.PackerConfig,
		c.Medium.Engine,
		c.Disk.prepare,
		c.Volume.Engine,
		func(b *bake.Config) []error { return c.Output.Engine(c.PackerBuildName, b) },
		c.Record.Engine,
		func(b *bake.Config) (problems []error) {
			b.Recovery, problems = c.WinRE.recovery()
			return problems
		})
}

func (c *DiskConfig) prepare(b *bake.Config) (problems []error) {
	if c.Size == "" {
		c.Size = "40GiB"
	}
	if c.Firmware == "" {
		c.Firmware = string(layout.BIOS)
	}
	size, err := bytesize.Parse(c.Size)
	if err != nil {
		problems = append(problems, fault.In("size", err))
		size = 40 << 30 // so that the engine can judge the rest
	}
	b.Size, b.Firmware = size, layout.Firmware(c.Firmware)
	if !slices.Contains(layout.Firmwares, b.Firmware) {
		problems = append(problems, fault.Invalidf("firmware: %q is not one of %q", c.Firmware, layout.Firmwares))
	}
	b.BootDevices = bake.BootDevices(c.BootDevices)
	return problems
}
